package auth

import (
	"context"
	"encoding/json"
	"net/netip"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/audit"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/id"
	"github.com/eggapi/eggapi/internal/meter"
	"github.com/eggapi/eggapi/internal/money"
	"github.com/eggapi/eggapi/internal/pg"
)

// maxOpenKeys bounds a user's keys that are not revoked.
const maxOpenKeys = 100

// The scopes there are.
const (
	ScopeGenerate    = "generate"
	ScopeTasksRead   = "tasks:read"
	ScopeTasksCancel = "tasks:cancel"
	ScopeUsageRead   = "usage:read"
)

var (
	errKeyMissing    = fault.New(fault.NotFound, "API key not found")
	errKeyIsRevoked  = fault.New(fault.Conflict, "API key has been revoked")
	errTooManyKeys   = fault.New(fault.Conflict, "You already have 100 API keys; revoke one before you create another")
	errExpiryPast    = fault.New(fault.ValidationError, "expires_at must be in the future").WithFields(fault.Field{In: "body", Name: "expires_at", Rule: "future", Message: "must be in the future"})
	errImpersonation = fault.New(fault.Forbidden, "API keys cannot be created while impersonating a user")
)

// Scopes lists the scopes there are.
func Scopes() []string {
	return []string{ScopeGenerate, ScopeTasksRead, ScopeTasksCancel, ScopeUsageRead}
}

// KeyLimits is what a key is held to. Nil and empty members are no limit.
type KeyLimits struct {
	meter.Limits
	Models            []string
	Networks          []netip.Prefix
	RequestsPerSecond *int32
}

// NewKey is a key to be made.
type NewKey struct {
	Actor       audit.Actor
	Name        string
	Environment string     // "live" or "test"
	ExpiresAt   *time.Time // nil = never
	Metadata    map[string]string
	Scopes      []string // nil = all there are
	Limits      KeyLimits
}

// Create makes a key and gives its secret, which is stored nowhere and cannot be had again. It fails
// with Conflict when the user has 100 keys that are not revoked, ValidationError when ExpiresAt is not
// in the future or the time zone is unknown, and Forbidden when an administrator acts in the user's name.
func (k *Keyring) Create(ctx context.Context, n NewKey) (Key, string, error) {
	now := k.clock()
	if PrincipalFrom(ctx).Impersonated {
		return Key{}, "", errImpersonation
	}
	if n.ExpiresAt != nil && !n.ExpiresAt.After(now) {
		return Key{}, "", errExpiryPast
	}
	if err := meter.CheckTimeZone(n.Limits.TimeZone); err != nil {
		return Key{}, "", err
	}
	secret, digest, hint, err := NewSecret(n.Environment)
	if err != nil {
		return Key{}, "", err
	}
	insert := db.APIKeyInsertParams{
		ID: id.New(id.Key, now), UserID: n.Actor.UserID, Environment: n.Environment, Name: n.Name, Digest: digest[:], Hint: hint,
		ExpiresAt: n.ExpiresAt, Metadata: metadataOf(n.Metadata), Scopes: n.Scopes, Models: orNone(n.Limits.Models),
		Networks: orNone(n.Limits.Networks), RequestsPerSecond: n.Limits.RequestsPerSecond,
		ExpiryWarnedDays: knownDays(n.ExpiresAt, now),
	}
	if insert.Scopes == nil {
		insert.Scopes = Scopes()
	}
	var key Key
	err = pg.InTx(ctx, k.pool, func(tx pgx.Tx) error {
		if err := k.roomForKey(ctx, tx, n.Actor.UserID); err != nil {
			return err
		}
		row, err := pg.Q.APIKeyInsert(ctx, tx, insert)
		if err != nil {
			return err
		}
		if _, err := meter.Change(ctx, tx, meter.Key{ID: row.ID, UserID: row.UserID, Environment: row.Environment}, n.Limits.Limits, now); err != nil {
			return err
		}
		if key, err = k.get(ctx, tx, row.UserID, row.ID); err != nil {
			return err
		}
		return audit.Write(ctx, tx, now, audit.Act{Actor: n.Actor, Action: "api_key.create", Target: row.ID, Details: keyDetails(key)})
	})
	if err != nil {
		return Key{}, "", pg.Public(fault.Wrap(err, "create an API key"))
	}
	return key, secret, nil
}

// roomForKey holds the user until the transaction ends, so that two cannot both take the last place.
func (k *Keyring) roomForKey(ctx context.Context, tx pgx.Tx, userID string) error {
	if _, err := pg.Q.UserLock(ctx, tx, userID); err != nil {
		return err
	}
	open, err := pg.Q.APIKeyCountOpen(ctx, tx, userID)
	if err == nil && open >= maxOpenKeys {
		return errTooManyKeys
	}
	return err
}

// ChangeKey is what an owner changes of a key. A nil field stays as it is.
type ChangeKey struct {
	Actor     audit.Actor
	ID        string
	Name      *string
	Disabled  *bool
	SetExpiry bool       // whether ExpiresAt counts
	ExpiresAt *time.Time // nil = never
	Metadata  map[string]string
	Scopes    []string
	Limits    *KeyLimits // all of them
}

// Update changes a key. It fails with NotFound for a key that is missing or another's, Conflict for a
// revoked one, and ValidationError when a new ExpiresAt is not in the future or the time zone is unknown.
func (k *Keyring) Update(ctx context.Context, c ChangeKey) (Key, error) {
	now := k.clock()
	if c.SetExpiry && c.ExpiresAt != nil && !c.ExpiresAt.After(now) {
		return Key{}, errExpiryPast
	}
	if c.Limits != nil {
		if err := meter.CheckTimeZone(c.Limits.TimeZone); err != nil {
			return Key{}, err
		}
	}
	var key Key
	err := pg.InTx(ctx, k.pool, func(tx pgx.Tx) error {
		before, err := k.lock(ctx, tx, c.Actor.UserID, c.ID)
		if err != nil {
			return err
		}
		if before.RevokedAt != nil {
			return errKeyIsRevoked
		}
		if err := pg.Q.APIKeyUpdate(ctx, tx, c.apply(before.APIKey, now)); err != nil {
			return err
		}
		if c.Limits != nil {
			owner := meter.Key{ID: before.ID, UserID: before.UserID, Environment: before.Environment}
			if _, err := meter.Change(ctx, tx, owner, c.Limits.Limits, now); err != nil {
				return err
			}
		}
		if key, err = k.get(ctx, tx, before.UserID, before.ID); err != nil {
			return err
		}
		return audit.Write(ctx, tx, now, audit.Act{
			Actor: c.Actor, Action: "api_key.update", Target: key.ID,
			Details: map[string]any{"before": keyDetails(before), "after": keyDetails(key)},
		})
	})
	if err != nil {
		return Key{}, pg.Public(fault.Wrap(err, "change an API key"))
	}
	return key, nil
}

func (c ChangeKey) apply(row db.APIKey, now time.Time) db.APIKeyUpdateParams {
	p := db.APIKeyUpdateParams{
		ID: row.ID, UserID: row.UserID, Name: row.Name, DisabledAt: row.DisabledAt, ExpiresAt: row.ExpiresAt, Metadata: row.Metadata,
		Scopes: row.Scopes, Models: row.Models, Networks: row.Networks, RequestsPerSecond: row.RequestsPerSecond,
		ExpiryWarnedDays: row.ExpiryWarnedDays,
	}
	if c.Name != nil {
		p.Name = *c.Name
	}
	if c.SetExpiry {
		p.ExpiresAt, p.ExpiryWarnedDays = c.ExpiresAt, knownDays(c.ExpiresAt, now)
	}
	if c.Metadata != nil {
		p.Metadata = metadataOf(c.Metadata)
	}
	if c.Scopes != nil {
		p.Scopes = c.Scopes
	}
	if l := c.Limits; l != nil {
		p.Models, p.Networks, p.RequestsPerSecond = orNone(l.Models), orNone(l.Networks), l.RequestsPerSecond
	}
	switch {
	case c.Disabled == nil:
	case !*c.Disabled:
		p.DisabledAt = nil
	case p.DisabledAt == nil:
		p.DisabledAt = &now
	}
	return p
}

// Revoke ends a key for good. Again it changes nothing and gives the same key. It fails with NotFound
// for a key that is missing or another's.
func (k *Keyring) Revoke(ctx context.Context, by audit.Actor, keyID string) (Key, error) {
	var key Key
	err := pg.InTx(ctx, k.pool, func(tx pgx.Tx) error {
		var err error
		key, err = k.lock(ctx, tx, by.UserID, keyID)
		if err != nil || key.RevokedAt != nil {
			return err
		}
		if err := pg.Q.APIKeyRevoke(ctx, tx, db.APIKeyRevokeParams{ID: keyID, UserID: by.UserID}); err != nil {
			return err
		}
		if key, err = k.get(ctx, tx, by.UserID, keyID); err != nil {
			return err
		}
		return audit.Write(ctx, tx, k.clock(), audit.Act{Actor: by, Action: "api_key.revoke", Target: key.ID, Details: keyDetails(key)})
	})
	if err != nil {
		return Key{}, pg.Public(fault.Wrap(err, "revoke an API key"))
	}
	return key, nil
}

// lock gives a user's key, locked until the transaction ends.
func (k *Keyring) lock(ctx context.Context, tx pgx.Tx, userID, keyID string) (Key, error) {
	if _, err := pg.Q.APIKeyLock(ctx, tx, db.APIKeyLockParams{ID: keyID, UserID: userID}); err != nil {
		if pg.NoRows(err) {
			return Key{}, errKeyMissing
		}
		return Key{}, err
	}
	return k.get(ctx, tx, userID, keyID)
}

func metadataOf(m map[string]string) json.RawMessage {
	if m == nil {
		m = map[string]string{}
	}
	raw, _ := json.Marshal(m) // texts always can be
	return raw
}

// orNone makes a list of nothing of no list, since no column of a key is null.
func orNone[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// keyDetails is what the audit log may say of a key: neither secret nor digest.
func keyDetails(k Key) map[string]any {
	details := map[string]any{
		"name": k.Name, "environment": k.Environment, "hint": k.Hint, "disabled": k.DisabledAt != nil, "expires_at": k.ExpiresAt,
		"metadata": k.Metadata, "scopes": k.Scopes, "models": k.Models, "networks": k.Networks,
		"requests_per_second": k.RequestsPerSecond, "requests_per_day": k.Meter.RequestsPerDay,
		"running_tasks": k.Meter.RunningCap, "time_zone": k.Meter.TimeZone,
	}
	if k.Meter.SpendCapMicros != nil {
		details["spend_cap"] = map[string]any{"amount": money.Dollars(*k.Meter.SpendCapMicros), "window": k.Meter.SpendWindow}
	}
	return details
}
