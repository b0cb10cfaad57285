package auth

import (
	"context"
	"time"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/pg"
)

// Key is a key as its owner sees it.
type Key struct {
	db.APIKey
	Meter      db.APIKeyMeter
	Secrets    []db.APIKeySecret // that work, the newest first
	Requests   int64             // up to a minute late, as LastUsedAt
	LastUsedAt *time.Time
}

// Status tells what became of the key by now: revoked, expired, disabled or active, the first that holds.
func (k Key) Status(now time.Time) string {
	switch {
	case k.RevokedAt != nil:
		return "revoked"
	case k.ExpiresAt != nil && !now.Before(*k.ExpiresAt):
		return "expired"
	case k.DisabledAt != nil:
		return "disabled"
	}
	return "active"
}

// Get gives a user's key. It fails with NotFound for one that is missing or another's.
func (k *Keyring) Get(ctx context.Context, userID, keyID string) (Key, error) {
	key, err := k.get(ctx, k.pool, userID, keyID)
	return key, pg.Public(fault.Wrap(err, "get an API key"))
}

func (k *Keyring) get(ctx context.Context, executor db.DBTX, userID, keyID string) (Key, error) {
	row, err := pg.Q.APIKeyGet(ctx, executor, db.APIKeyGetParams{ID: keyID, UserID: userID})
	if pg.NoRows(err) {
		return Key{}, errKeyMissing
	}
	if err != nil {
		return Key{}, err
	}
	keys := []Key{{APIKey: row.APIKey, Meter: row.APIKeyMeter, Requests: row.Requests, LastUsedAt: row.LastUsedAt}}
	err = k.addSecrets(ctx, executor, userID, keys)
	return keys[0], err
}

// List gives a page of a user's keys, newest first, and how many there are on all pages. A nil environment stands for all.
func (k *Keyring) List(ctx context.Context, p db.APIKeyListParams) (keys []Key, total int64, err error) {
	total, err = pg.Q.APIKeyCount(ctx, k.pool, db.APIKeyCountParams{UserID: p.UserID, Environment: p.Environment})
	if err != nil {
		return nil, 0, pg.Public(fault.Wrap(err, "count API keys"))
	}
	rows, err := pg.Q.APIKeyList(ctx, k.pool, p)
	if err != nil {
		return nil, 0, pg.Public(fault.Wrap(err, "list API keys"))
	}
	keys = make([]Key, len(rows))
	for i, row := range rows {
		keys[i] = Key{APIKey: row.APIKey, Meter: row.APIKeyMeter, Requests: row.Requests, LastUsedAt: row.LastUsedAt}
	}
	err = k.addSecrets(ctx, k.pool, p.UserID, keys)
	return keys, total, pg.Public(fault.Wrap(err, "list the secrets of API keys"))
}

// addSecrets fills in the secrets that work. A key that does not work has none that do.
func (k *Keyring) addSecrets(ctx context.Context, executor db.DBTX, userID string, keys []Key) error {
	at := map[string]int{}
	var keyIDs []string
	for i, key := range keys {
		if key.RevokedAt == nil {
			at[key.ID] = i
			keyIDs = append(keyIDs, key.ID)
		}
	}
	secrets, err := pg.Q.APIKeySecretList(ctx, executor, db.APIKeySecretListParams{UserID: userID, APIKeyIDs: keyIDs, Now: k.clock()})
	for _, s := range secrets {
		key := &keys[at[s.APIKeyID]]
		key.Secrets = append(key.Secrets, s)
	}
	return err
}
