package mock

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/handlers"
	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/id"
	"github.com/eggapi/eggapi/internal/meter"
)

const (
	// maxOpenKeys bounds a user's keys that are not revoked.
	maxOpenKeys = 100
	// lostAnswer is for how long the answer of a rotation can be had again.
	lostAnswer            = 10 * time.Minute
	defaultOverlapSeconds = 86_400
)

// The texts are the real service's, held to it by a test.
var (
	errKeyMissing       = fault.New(fault.NotFound, "API key not found")
	errKeyIsRevoked     = fault.New(fault.Conflict, "API key has been revoked")
	errTooManyKeys      = fault.New(fault.Conflict, "You already have 100 API keys; revoke one before you create another")
	errRotating         = fault.New(fault.Conflict, "Two secrets of this API key work already; wait until the older one ends")
	errRotationMismatch = fault.New(fault.IdempotencyMismatch, "This Idempotency-Key was used with another request")
	errExpiryPast       = fault.New(fault.ValidationError, "expires_at must be in the future").
				WithFields(fault.Field{In: "body", Name: "expires_at", Rule: "future", Message: "must be in the future"})
)

// rotated is the answer of a rotation.
type rotated struct {
	keyID     string
	overlap   int32
	secret    string
	expiresAt time.Time
}

// ListAPIKeys gives a page of keys.
func (m *Mock) ListAPIKeys(ctx context.Context, r api.ListAPIKeysRequestObject) (api.ListAPIKeysResponseObject, error) {
	userID := auth.PrincipalFrom(ctx).UserID
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	mine := only(m.memory.keys.newest(), func(k *auth.Key) bool {
		return k.UserID == userID && is(r.Params.Environment, k.Environment)
	})
	items, pagination := page(mine, r.Params.Page, r.Params.PerPage, m.toAPIKey)
	return api.ListAPIKeys200JSONResponse{Data: api.APIKeyList{Items: items, Pagination: pagination}}, nil
}

// toAPIKey shows of a key the secrets that work.
func (m *Mock) toAPIKey(k *auth.Key) api.APIKey {
	shown, now := *k, m.now()
	shown.Secrets = nil
	for _, s := range k.Secrets {
		if k.RevokedAt == nil && (s.ExpiresAt == nil || now.Before(*s.ExpiresAt)) {
			shown.Secrets = append(shown.Secrets, s)
		}
	}
	return handlers.ToAPIKey(shown, now)
}

// CreateAPIKey makes a key.
func (m *Mock) CreateAPIKey(ctx context.Context, r api.CreateAPIKeyRequestObject) (api.CreateAPIKeyResponseObject, error) {
	now, environment := m.now(), auth.EnvironmentLive
	if r.Body.Environment != nil {
		environment = string(*r.Body.Environment)
	}
	if r.Body.ExpiresAt != nil && !r.Body.ExpiresAt.After(now) {
		return nil, errExpiryPast
	}
	text, digest, hint, err := auth.NewSecret(environment)
	if err != nil {
		return nil, err
	}
	key := auth.Key{
		APIKey: db.APIKey{
			ID: id.New(id.Key, now), UserID: auth.PrincipalFrom(ctx).UserID, Environment: environment, Name: r.Body.Name,
			Digest: digest[:], Hint: hint, ExpiresAt: r.Body.ExpiresAt, CreatedAt: now, UpdatedAt: now, Scopes: auth.Scopes(),
		},
		Meter:   db.APIKeyMeter{TimeZone: "UTC"},
		Secrets: []db.APIKeySecret{{Hint: hint, CreatedAt: now}},
	}
	if err := changeKey(&key, wishes{metadata: r.Body.Metadata, scopes: r.Body.Scopes, limits: r.Body.Limits}); err != nil {
		return nil, err
	}
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	if m.memory.openKeys(key.UserID) >= maxOpenKeys {
		return nil, errTooManyKeys
	}
	m.memory.keys.put(key.ID, &key)
	m.memory.secrets.put(string(digest[:]), &secret{key: &key})
	return api.CreateAPIKey201JSONResponse{Data: handlers.ToCreatedAPIKey(m.toAPIKey(&key), text)}, nil
}

// wishes is what a caller wants a key to be like. What is nil stays as it is.
type wishes struct {
	metadata *api.MetadataRequest
	scopes   *[]string
	limits   *api.APIKeyLimitsRequest
}

// changeKey fails with VALIDATION_ERROR for limits that make no sense.
func changeKey(k *auth.Key, w wishes) error {
	limits, err := handlers.ToKeyLimits(w.limits)
	if err != nil {
		return err
	}
	if limits != nil {
		if err := meter.CheckTimeZone(limits.TimeZone); err != nil {
			return err
		}
		k.Models, k.Networks, k.RequestsPerSecond = limits.Models, limits.Networks, limits.RequestsPerSecond
		k.Meter = db.APIKeyMeter{
			TimeZone: cmp.Or(limits.TimeZone, "UTC"), SpendCapMicros: limits.SpendCapMicros, SpendWindow: &limits.SpendWindow,
			RunningCap: limits.RunningTasks, RequestsPerDay: limits.RequestsPerDay,
		}
	}
	if w.metadata != nil {
		if k.Metadata, err = json.Marshal(*w.metadata); err != nil {
			return fault.Wrap(err, "encode metadata")
		}
	}
	if w.scopes != nil {
		k.Scopes = *w.scopes
	}
	return nil
}

func (m *memory) openKeys(userID string) (n int) {
	for k := range m.keys.newest() {
		if k.UserID == userID && k.RevokedAt == nil {
			n++
		}
	}
	return n
}

// GetAPIKey gives one key.
func (m *Mock) GetAPIKey(ctx context.Context, r api.GetAPIKeyRequestObject) (api.GetAPIKeyResponseObject, error) {
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	key, err := m.memory.key(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	return api.GetAPIKey200JSONResponse{Data: m.toAPIKey(key)}, nil
}

// key gives a key of the caller's.
func (m *memory) key(ctx context.Context, keyID string) (*auth.Key, error) {
	if key := m.keys.get(keyID); key != nil && key.UserID == auth.PrincipalFrom(ctx).UserID {
		return key, nil
	}
	return nil, errKeyMissing
}

// UpdateAPIKey changes a key.
func (m *Mock) UpdateAPIKey(ctx context.Context, r api.UpdateAPIKeyRequestObject) (api.UpdateAPIKeyResponseObject, error) {
	now := m.now()
	var expiresAt *time.Time
	if at, err := r.Body.ExpiresAt.Get(); err == nil {
		expiresAt = &at
	}
	if expiresAt != nil && !expiresAt.After(now) {
		return nil, errExpiryPast
	}
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	key, err := m.memory.key(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	if key.RevokedAt != nil {
		return nil, errKeyIsRevoked
	}
	if err := changeKey(key, wishes{metadata: r.Body.Metadata, scopes: r.Body.Scopes, limits: r.Body.Limits}); err != nil {
		return nil, err
	}
	if r.Body.Name != nil {
		key.Name = *r.Body.Name
	}
	if r.Body.ExpiresAt.IsSpecified() {
		key.ExpiresAt = expiresAt
	}
	switch {
	case r.Body.Disabled == nil:
	case !*r.Body.Disabled:
		key.DisabledAt = nil
	case key.DisabledAt == nil:
		key.DisabledAt = &now
	}
	key.UpdatedAt = now
	return api.UpdateAPIKey200JSONResponse{Data: m.toAPIKey(key)}, nil
}

// RotateAPIKey gives a key a new secret.
func (m *Mock) RotateAPIKey(ctx context.Context, r api.RotateAPIKeyRequestObject) (api.RotateAPIKeyResponseObject, error) {
	now, answer := m.now(), rotated{keyID: r.ID, overlap: defaultOverlapSeconds}
	if r.Body.OverlapSeconds != nil {
		answer.overlap = *r.Body.OverlapSeconds
	}
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	key, err := m.memory.key(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	var claimed string
	if r.Params.IdempotencyKey != nil {
		claimed = strings.Join([]string{key.UserID, *r.Params.IdempotencyKey}, " ")
		if first := m.memory.rotated.get(claimed); first != nil && now.Before(first.expiresAt) {
			if first.keyID != answer.keyID || first.overlap != answer.overlap {
				return nil, errRotationMismatch
			}
			return m.toRotated(key, first.secret, true), nil
		}
	}
	switch {
	case key.RevokedAt != nil:
		return nil, errKeyIsRevoked
	case len(m.toAPIKey(key).Secrets) > 1:
		return nil, errRotating
	}
	if answer.secret, err = m.memory.rotate(key, now, time.Duration(answer.overlap)*time.Second); err != nil {
		return nil, err
	}
	if claimed != "" {
		answer.expiresAt = now.Add(lostAnswer)
		m.memory.rotated.put(claimed, &answer)
	}
	return m.toRotated(key, answer.secret, false), nil
}

// rotate gives a key a new secret and lets the old one end.
func (m *memory) rotate(key *auth.Key, now time.Time, overlap time.Duration) (string, error) {
	text, digest, hint, err := auth.NewSecret(key.Environment)
	if err != nil {
		return "", err
	}
	end := now.Add(overlap)
	m.secrets.put(string(key.Digest), &secret{key: key, expiresAt: &end})
	m.secrets.put(string(digest[:]), &secret{key: key})
	old := key.Secrets[0]
	old.ExpiresAt = &end
	key.Secrets = []db.APIKeySecret{{Hint: hint, CreatedAt: now}, old}
	key.Digest, key.Hint, key.UpdatedAt = digest[:], hint, now
	return text, nil
}

func (m *Mock) toRotated(key *auth.Key, text string, again bool) api.RotateAPIKeyResponseObject {
	result := api.RotateAPIKey200JSONResponse{Body: api.CreatedAPIKeyEnvelope{Data: handlers.ToCreatedAPIKey(m.toAPIKey(key), text)}}
	if again {
		replayed := "true"
		result.Headers.IdempotentReplayed = &replayed
	}
	return result
}

// RevokeAPIKey ends a key.
func (m *Mock) RevokeAPIKey(ctx context.Context, r api.RevokeAPIKeyRequestObject) (api.RevokeAPIKeyResponseObject, error) {
	now := m.now()
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	key, err := m.memory.key(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	if key.RevokedAt == nil {
		key.RevokedAt, key.UpdatedAt = &now, now
	}
	return api.RevokeAPIKey200JSONResponse{Data: m.toAPIKey(key)}, nil
}
