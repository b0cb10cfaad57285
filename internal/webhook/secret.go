package webhook

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/audit"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/pg"
)

const secretBytes = 32

// Secrets keeps one signing secret per user, sealed at rest. It is safe for concurrent use.
type Secrets struct {
	pool   *pgxpool.Pool
	sealer *Sealer
	clock  func() time.Time
}

// NewSecrets returns the secrets kept in the pool's database.
func NewSecrets(pool *pgxpool.Pool, s *Sealer, clock func() time.Time) *Secrets {
	return &Secrets{pool: pool, sealer: s, clock: clock}
}

// Replace gives the actor a new secret and forgets the old one. It is the only time the secret is shown.
func (s *Secrets) Replace(ctx context.Context, a audit.Actor) (secret string, row db.WebhookSecret, err error) {
	secret = NewSecret()
	keyID, sealed := s.sealer.Seal(a.UserID, secret)
	err = pg.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		row, err = pg.Q.WebhookSecretPut(ctx, tx, db.WebhookSecretPutParams{
			UserID: a.UserID, KeyID: keyID, Ciphertext: sealed,
		})
		if err != nil {
			return fault.Wrap(err, "store a webhook secret")
		}
		return audit.Write(ctx, tx, s.clock(), audit.Act{Actor: a, Action: "webhook_secret.replace", Target: a.UserID})
	})
	if err != nil {
		return "", db.WebhookSecret{}, err
	}
	return secret, row, nil
}

// Remove forgets the actor's secret. It tells whether there was one.
func (s *Secrets) Remove(ctx context.Context, a audit.Actor) (removed bool, err error) {
	err = pg.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		rows, err := pg.Q.WebhookSecretDelete(ctx, tx, a.UserID)
		if err != nil {
			return fault.Wrap(err, "remove a webhook secret")
		}
		removed = rows > 0
		if !removed {
			return nil
		}
		return audit.Write(ctx, tx, s.clock(), audit.Act{Actor: a, Action: "webhook_secret.remove", Target: a.UserID})
	})
	return removed && err == nil, err
}

// Ensure gives a user's secret and makes one when there is none. All callers get the same.
func (s *Secrets) Ensure(ctx context.Context, userID string) (secret string, err error) {
	// Twice is enough unless somebody removes the secret in between.
	for range 3 {
		row, err := pg.Q.WebhookSecretGet(ctx, s.pool, userID)
		if err == nil {
			return s.sealer.Open(userID, row.KeyID, row.Ciphertext)
		}
		if !pg.NoRows(err) {
			return "", fault.Wrap(err, "read a webhook secret")
		}
		secret := NewSecret()
		keyID, sealed := s.sealer.Seal(userID, secret)
		rows, err := pg.Q.WebhookSecretPutFirst(ctx, s.pool, db.WebhookSecretPutFirstParams{
			UserID: userID, KeyID: keyID, Ciphertext: sealed,
		})
		if err != nil {
			return "", fault.Wrap(err, "store a webhook secret")
		}
		if rows > 0 {
			return secret, nil
		}
	}
	return "", errors.New("read a webhook secret: it is removed as often as it is made")
}

// NewSecret makes a signing secret: whsec_ and the base64 of 32 random bytes.
func NewSecret() string {
	key := make([]byte, secretBytes)
	_, _ = rand.Read(key) // never fails: the process ends instead
	return secretPrefix + base64.StdEncoding.EncodeToString(key)
}
