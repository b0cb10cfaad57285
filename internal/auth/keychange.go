package auth

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/audit"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/id"
	"github.com/eggapi/eggapi/internal/pg"
)

// maxOpenKeys bounds a user's keys that are not revoked.
const maxOpenKeys = 100

var (
	errKeyMissing    = fault.New(fault.NotFound, "API key not found")
	errKeyIsRevoked  = fault.New(fault.Conflict, "API key has been revoked")
	errTooManyKeys   = fault.New(fault.Conflict, "You already have 100 API keys; revoke one before you create another")
	errExpiryPast    = fault.New(fault.ValidationError, "expires_at must be in the future").WithFields(fault.Field{In: "body", Name: "expires_at", Rule: "future", Message: "must be in the future"})
	errImpersonation = fault.New(fault.Forbidden, "API keys cannot be created while impersonating a user")
)

// NewKey is a key to be made.
type NewKey struct {
	Actor       audit.Actor
	Name        string
	Environment string     // "live" or "test"
	ExpiresAt   *time.Time // nil = never
}

// Create makes a key and gives its secret, which is stored nowhere and cannot be had again. It fails
// with Conflict when the user has 100 keys that are not revoked, ValidationError when ExpiresAt is not
// in the future, and Forbidden when an administrator acts in the user's name.
func (k *Keyring) Create(ctx context.Context, n NewKey) (db.APIKey, string, error) {
	now := k.clock()
	if PrincipalFrom(ctx).Impersonated {
		return db.APIKey{}, "", errImpersonation
	}
	if n.ExpiresAt != nil && !n.ExpiresAt.After(now) {
		return db.APIKey{}, "", errExpiryPast
	}
	secret, digest, hint, err := NewSecret(n.Environment)
	if err != nil {
		return db.APIKey{}, "", err
	}
	var row db.APIKey
	err = pg.InTx(ctx, k.pool, func(tx pgx.Tx) error {
		if err := k.roomForKey(ctx, tx, n.Actor.UserID); err != nil {
			return err
		}
		row, err = pg.Q.APIKeyInsert(ctx, tx, db.APIKeyInsertParams{
			ID: id.New(id.Key, now), UserID: n.Actor.UserID, Environment: n.Environment, Name: n.Name,
			Digest: digest[:], Hint: hint, ExpiresAt: n.ExpiresAt,
		})
		if err != nil {
			return err
		}
		return audit.Write(ctx, tx, now, audit.Act{Actor: n.Actor, Action: "api_key.create", Target: row.ID, Details: keyDetails(row)})
	})
	if err != nil {
		return db.APIKey{}, "", pg.Public(fault.Wrap(err, "create an API key"))
	}
	return row, secret, nil
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
}

// Update changes a key. It fails with NotFound for a key that is missing or another's, Conflict for a
// revoked one, and ValidationError when a new ExpiresAt is not in the future.
func (k *Keyring) Update(ctx context.Context, c ChangeKey) (db.APIKey, error) {
	now := k.clock()
	if c.SetExpiry && c.ExpiresAt != nil && !c.ExpiresAt.After(now) {
		return db.APIKey{}, errExpiryPast
	}
	var row db.APIKey
	err := pg.InTx(ctx, k.pool, func(tx pgx.Tx) error {
		before, err := lockKey(ctx, tx, c.Actor.UserID, c.ID)
		if err != nil {
			return err
		}
		if before.RevokedAt != nil {
			return errKeyIsRevoked
		}
		after := c.apply(before, now)
		row, err = pg.Q.APIKeyUpdate(ctx, tx, db.APIKeyUpdateParams{
			ID: c.ID, UserID: c.Actor.UserID, Name: after.Name, DisabledAt: after.DisabledAt, ExpiresAt: after.ExpiresAt,
		})
		if err != nil {
			return err
		}
		return audit.Write(ctx, tx, now, audit.Act{
			Actor: c.Actor, Action: "api_key.update", Target: row.ID,
			Details: map[string]any{"before": keyDetails(before), "after": keyDetails(row)},
		})
	})
	if err != nil {
		return db.APIKey{}, pg.Public(fault.Wrap(err, "change an API key"))
	}
	return row, nil
}

func (c ChangeKey) apply(row db.APIKey, now time.Time) db.APIKey {
	if c.Name != nil {
		row.Name = *c.Name
	}
	if c.SetExpiry {
		row.ExpiresAt = c.ExpiresAt
	}
	switch {
	case c.Disabled == nil:
	case !*c.Disabled:
		row.DisabledAt = nil
	case row.DisabledAt == nil:
		row.DisabledAt = &now
	}
	return row
}

// Revoke ends a key for good. Again it changes nothing and gives the same row. It fails with NotFound
// for a key that is missing or another's.
func (k *Keyring) Revoke(ctx context.Context, by audit.Actor, keyID string) (db.APIKey, error) {
	var row db.APIKey
	err := pg.InTx(ctx, k.pool, func(tx pgx.Tx) error {
		var err error
		row, err = lockKey(ctx, tx, by.UserID, keyID)
		if err != nil || row.RevokedAt != nil {
			return err
		}
		row, err = pg.Q.APIKeyRevoke(ctx, tx, db.APIKeyRevokeParams{ID: keyID, UserID: by.UserID})
		if err != nil {
			return err
		}
		return audit.Write(ctx, tx, k.clock(), audit.Act{Actor: by, Action: "api_key.revoke", Target: row.ID, Details: keyDetails(row)})
	})
	if err != nil {
		return db.APIKey{}, pg.Public(fault.Wrap(err, "revoke an API key"))
	}
	return row, nil
}

func lockKey(ctx context.Context, tx pgx.Tx, userID, keyID string) (db.APIKey, error) {
	row, err := pg.Q.APIKeyLock(ctx, tx, db.APIKeyLockParams{ID: keyID, UserID: userID})
	if pg.NoRows(err) {
		return db.APIKey{}, errKeyMissing
	}
	return row, err
}

// Status tells what became of a key by now: revoked, expired, disabled or active, the first that holds.
func Status(row db.APIKey, now time.Time) string {
	switch {
	case row.RevokedAt != nil:
		return "revoked"
	case row.ExpiresAt != nil && !now.Before(*row.ExpiresAt):
		return "expired"
	case row.DisabledAt != nil:
		return "disabled"
	}
	return "active"
}

// keyDetails is what the audit log may say of a key: neither secret nor digest.
func keyDetails(row db.APIKey) map[string]any {
	return map[string]any{
		"name": row.Name, "environment": row.Environment, "hint": row.Hint,
		"disabled": row.DisabledAt != nil, "expires_at": row.ExpiresAt,
	}
}
