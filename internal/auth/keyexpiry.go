package auth

import (
	"context"
	"time"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/pg"
)

// warnedBefore is how long before the end of a key its owner is warned first.
const warnedBefore = 7 * 24 * time.Hour

// Expiring is a key of whose end its owner is told.
type Expiring struct {
	UserID, KeyID, Name, Hint string
	ExpiresAt                 time.Time
	Days                      int32 // at most so many are left: 7 or 1
}

// WarnOfExpiry tells each owner once that a key ends within seven days, and once that it ends within one. tell puts the message
// on its way in the transaction that notes it, so that none is lost and none sent twice. What an owner knows who sets the
// end so near is not told.
func (k *Keyring) WarnOfExpiry(ctx context.Context, tell func(ctx context.Context, tx pg.Tx, e Expiring) error) error {
	for {
		told := 0
		err := pg.InTx(ctx, k.pool, func(tx pg.Tx) error {
			now := k.clock()
			rows, err := pg.Q.APIKeyExpiringAnyOwner(ctx, tx, db.APIKeyExpiringAnyOwnerParams{At: now, Until: now.Add(warnedBefore)})
			if err != nil {
				return err
			}
			told = len(rows)
			for _, row := range rows {
				e := Expiring{
					UserID: row.UserID, KeyID: row.ID, Name: row.Name, Hint: row.Hint, ExpiresAt: *row.ExpiresAt, Days: *row.ExpiryWarnedDays,
				}
				if err := tell(ctx, tx, e); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || told == 0 {
			return fault.Wrap(err, "warn of keys that expire")
		}
	}
}

// knownDays says of which warning there is no need, since the owner who sets an end so near knows it.
func knownDays(end *time.Time, now time.Time) *int32 {
	const day = 24 * time.Hour
	for _, days := range []int32{1, 7} {
		if end != nil && end.Sub(now) <= time.Duration(days)*day {
			return &days
		}
	}
	return nil
}
