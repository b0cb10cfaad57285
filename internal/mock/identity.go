package mock

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"strings"
	"time"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/id"
)

// Key is a test key that always works, as any well-formed one does. It guards nothing.
const Key = "egg_test_MockMockMockMockMockMockMockMock1SBnzh"

// testKeys opens every test key; nothing else about a key that was not made here is known.
const testKeys = "egg_test_"

// The texts are the real service's, held to it by a test.
var (
	errSessionInvalid = fault.New(fault.Unauthorized, "Your session is invalid or has expired; sign in again")
	keyRefusals       = map[string]error{
		"revoked":  fault.New(fault.Unauthorized, "API key has been revoked"),
		"expired":  fault.New(fault.Unauthorized, "API key has expired"),
		"disabled": fault.New(fault.Unauthorized, "API key is inactive"),
	}
)

// keyring knows the keys made here, and takes every other well-formed test key for an account of its own.
type keyring struct{ m *Mock }

// Authenticate tells whose key token is.
func (k keyring) Authenticate(_ context.Context, token string) (auth.Principal, error) {
	if !auth.WellFormed(token) {
		return auth.Principal{}, auth.ErrKeyInvalid
	}
	digest := sha256.Sum256([]byte(token))
	k.m.memory.mu.Lock()
	defer k.m.memory.mu.Unlock()
	opens := k.m.memory.secrets.get(string(digest[:]))
	if opens == nil && strings.HasPrefix(token, testKeys) {
		return principalOf(strangersKey(digest)), nil
	}
	if opens == nil || k.m.memory.users.get(opens.key.UserID) == nil {
		return auth.Principal{}, auth.ErrKeyInvalid
	}
	status := opens.key.Status(k.m.now())
	if status == "active" && opens.expiresAt != nil && !k.m.now().Before(*opens.expiresAt) {
		status = "expired"
	}
	if refusal := keyRefusals[status]; refusal != nil {
		return auth.Principal{}, refusal
	}
	return principalOf(opens.key), nil
}

// Recall leaves it to Authenticate, which asks nobody else either.
func (k keyring) Recall(string) (auth.Principal, auth.Recall, error) {
	return auth.Principal{}, auth.RecallStale, nil
}

// CountRequest counts nothing: the mock holds no key to the requests of its day.
func (k keyring) CountRequest(context.Context, auth.Principal) error { return nil }

// strangersKey is a test key that nobody made here.
func strangersKey(digest [32]byte) *auth.Key {
	return &auth.Key{
		APIKey: db.APIKey{
			ID: derived(id.Key, digest), UserID: derived(id.User, digest), Environment: auth.EnvironmentTest, Name: "mock", Scopes: auth.Scopes(),
		},
		Meter: db.APIKeyMeter{TimeZone: "UTC"},
	}
}

func principalOf(k *auth.Key) auth.Principal {
	return auth.Principal{
		Kind: auth.KindKey, UserID: k.UserID, KeyID: k.ID, Environment: k.Environment, Role: role,
		Rights: &auth.Rights{Scopes: k.Scopes, Models: k.Models, Networks: k.Networks, RequestsPerSecond: k.RequestsPerSecond, TimeZone: k.Meter.TimeZone},
	}
}

const role = "user"

// crockford is the alphabet of a ULID in lower case.
var crockford = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// derived gives an id that is always the same for a key.
func derived(prefix string, digest [32]byte) string {
	return prefix + crockford.EncodeToString(digest[:16])
}

// sessions knows the sessions opened here.
type sessions struct {
	*auth.Sessions
	m *Mock
}

// Authenticate tells whose session a cookie carries.
func (s sessions) Authenticate(_ context.Context, cookieValue string) (auth.Principal, error) {
	s.m.memory.mu.Lock()
	defer s.m.memory.mu.Unlock()
	row, owner := s.m.memory.session(cookieValue, s.m.secret)
	if owner == nil || expired(row, s.m.now()) {
		return auth.Principal{}, errSessionInvalid
	}
	return auth.Principal{
		Kind: auth.KindSession, UserID: owner.row.ID, Environment: auth.EnvironmentLive, Role: role, SessionID: row.ID,
	}, nil
}

// session finds the session of a cookie and its user; both are nil when there is none.
func (m *memory) session(cookieValue, secret string) (*db.Session, *user) {
	token, ok := auth.VerifyCookie(cookieValue, secret)
	if !ok {
		return nil, nil
	}
	row := m.sessions.get(token)
	if row == nil {
		return nil, nil
	}
	owner := m.users.get(row.UserID)
	if owner == nil {
		return nil, nil
	}
	return row, owner
}

func expired(row *db.Session, now time.Time) bool { return row.ExpiresAt.Before(now) }
