package auth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/audit"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/pg"
)

const (
	// maxSecrets is how many secrets of a key work at a time.
	maxSecrets = 2
	// lostAnswer is for how long the answer of a rotation can be had again.
	lostAnswer = 10 * time.Minute
)

var (
	errRotating         = fault.New(fault.Conflict, "Two secrets of this API key work already; wait until the older one ends")
	errRotationMismatch = fault.New(fault.IdempotencyMismatch, "This Idempotency-Key was used with another request")
)

// Sealer encrypts what is stored and must be had again. What it sealed for one owner opens for no other.
type Sealer interface {
	Seal(owner, secret string) (keyID string, sealed []byte)
	Open(owner, keyID string, sealed []byte) (string, error)
}

// Rotation is a wish for a new secret of a key.
type Rotation struct {
	Actor          audit.Actor
	KeyID          string
	Overlap        time.Duration // how long the old secret works beside the new one: 0 to 7 days
	IdempotencyKey *string       // with it the answer can be had again for ten minutes
}

// Rotated is the answer to a rotation.
type Rotated struct {
	Key      Key
	Secret   string
	Replayed bool // it was given before
}

// Rotate gives a key a new secret; its id, limits and usage stay. It fails with NotFound for a key that is missing or
// another's, Conflict for one that is revoked or has two secrets that work, IdempotencyMismatch when the Idempotency-Key stands
// for another rotation, and Forbidden when an administrator acts in the user's name.
func (k *Keyring) Rotate(ctx context.Context, r Rotation) (Rotated, error) {
	if PrincipalFrom(ctx).Impersonated {
		return Rotated{}, errImpersonation
	}
	var done Rotated
	err := pg.InTx(ctx, k.pool, func(tx pgx.Tx) error {
		// The lock of the key comes first, so that of two rotations with one Idempotency-Key the second finds the first's answer.
		key, err := k.lock(ctx, tx, r.Actor.UserID, r.KeyID)
		if err != nil {
			return err
		}
		if r.IdempotencyKey != nil {
			if done, err = k.answered(ctx, tx, r, key); err != nil || done.Replayed {
				return err
			}
		}
		switch {
		case key.RevokedAt != nil:
			return errKeyIsRevoked
		case len(key.Secrets) >= maxSecrets:
			return errRotating
		}
		done, err = k.rotate(ctx, tx, r, key)
		return err
	})
	if err != nil {
		return Rotated{}, pg.Public(fault.Wrap(err, "rotate an API key"))
	}
	return done, nil
}

func (k *Keyring) rotate(ctx context.Context, tx pgx.Tx, r Rotation, key Key) (Rotated, error) {
	now := k.clock()
	secret, digest, hint, err := NewSecret(key.Environment)
	if err != nil {
		return Rotated{}, err
	}
	userID := r.Actor.UserID
	if err := pg.Q.APIKeySecretForget(ctx, tx, db.APIKeySecretForgetParams{UserID: userID, APIKeyID: key.ID, Now: now}); err != nil {
		return Rotated{}, err
	}
	end := db.APIKeySecretEndParams{UserID: userID, APIKeyID: key.ID, ExpiresAt: now.Add(r.Overlap)}
	if _, err := pg.Q.APIKeySecretEnd(ctx, tx, end); err != nil {
		return Rotated{}, err
	}
	insert := db.APIKeySecretInsertParams{UserID: userID, APIKeyID: key.ID, Digest: digest[:], Hint: hint, CreatedAt: now}
	if err := pg.Q.APIKeySecretInsert(ctx, tx, insert); err != nil {
		return Rotated{}, err
	}
	if r.IdempotencyKey != nil {
		if err := k.keepAnswer(ctx, tx, r, secret); err != nil {
			return Rotated{}, err
		}
	}
	after, err := k.get(ctx, tx, userID, key.ID)
	if err != nil {
		return Rotated{}, err
	}
	return Rotated{Key: after, Secret: secret}, audit.Write(ctx, tx, now, audit.Act{
		Actor: r.Actor, Action: "api_key.rotate", Target: key.ID,
		Details: map[string]any{
			"before": map[string]any{"hint": key.Hint}, "after": map[string]any{"hint": after.Hint}, "overlap_seconds": int(r.Overlap.Seconds()),
		},
	})
}

// keepAnswer stores the secret for as long as the answer may be asked for again, sealed by the house's key and bound to the
// Idempotency-Key, of which only the digest is stored.
func (k *Keyring) keepAnswer(ctx context.Context, tx pgx.Tx, r Rotation, secret string) error {
	sealKeyID, sealed := k.sealer.Seal(rotationOwner(r), secret)
	err := pg.Q.APIKeyRotationInsert(ctx, tx, db.APIKeyRotationInsertParams{
		UserID: r.Actor.UserID, IdempotencyDigest: idempotencyDigest(r), Fingerprint: rotationFingerprint(r), APIKeyID: r.KeyID,
		SealKeyID: sealKeyID, Ciphertext: sealed, ExpiresAt: k.clock().Add(lostAnswer),
	})
	if pg.Violates(err, "api_key_rotations_pkey") { // by the rotation of another key at the same moment
		return errRotationMismatch.Because(err)
	}
	return err
}

// ForgetAnswers removes the answers of rotations that may not be asked for any more.
func (k *Keyring) ForgetAnswers(ctx context.Context) error {
	_, err := pg.Q.APIKeyRotationForgetAnyOwner(ctx, k.pool, k.clock())
	return fault.Wrap(err, "forget answers of rotations")
}

// answered gives the answer that a rotation with this Idempotency-Key was given in the last ten minutes, if there was one.
func (k *Keyring) answered(ctx context.Context, tx pgx.Tx, r Rotation, key Key) (Rotated, error) {
	if _, err := pg.Q.APIKeyRotationForgetAnyOwner(ctx, tx, k.clock()); err != nil {
		return Rotated{}, err
	}
	row, err := pg.Q.APIKeyRotationGet(ctx, tx, db.APIKeyRotationGetParams{
		UserID: r.Actor.UserID, IdempotencyDigest: idempotencyDigest(r), Now: k.clock(),
	})
	if pg.NoRows(err) {
		return Rotated{}, nil
	}
	if err != nil {
		return Rotated{}, err
	}
	if !bytes.Equal(row.Fingerprint, rotationFingerprint(r)) {
		return Rotated{}, errRotationMismatch
	}
	secret, err := k.sealer.Open(rotationOwner(r), row.SealKeyID, row.Ciphertext)
	if err != nil {
		return Rotated{}, fault.Wrap(err, "open the answer of a rotation")
	}
	return Rotated{Key: key, Secret: secret, Replayed: true}, nil
}

// rotationOwner binds what is sealed to the user, the key and the Idempotency-Key itself, which is stored nowhere.
func rotationOwner(r Rotation) string {
	return r.Actor.UserID + " " + r.KeyID + " " + *r.IdempotencyKey
}

func idempotencyDigest(r Rotation) []byte {
	digest := sha256.Sum256([]byte(*r.IdempotencyKey))
	return digest[:]
}

func rotationFingerprint(r Rotation) []byte {
	fingerprint := sha256.Sum256([]byte(r.KeyID + " " + strconv.FormatInt(int64(r.Overlap), 10)))
	return fingerprint[:]
}
