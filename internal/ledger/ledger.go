// Package ledger moves money.
//
// Owns: holds, settlements, top-ups, the double entry, and the invariants that prove it whole.
// Does not own: prices, and when a task is over (task).
// May touch: gen/db, pg, fault, id.
// Always true: entries of a transaction sum to zero, a hold is resolved once, and no balance falls below what is held.
package ledger

import (
	"context"
	"time"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/id"
	"github.com/eggapi/eggapi/internal/pg"
)

// The house's own sides of the double entry. They have no cached balance, so nothing is contended.
const (
	accountRevenue = "revenue"
	accountFunding = "funding"
)

// ErrInsufficient refuses a hold that what is available does not cover.
var ErrInsufficient = fault.New(fault.InsufficientBalance, "Balance cannot cover the generated result")

// Credit is money that comes to a user, or with a negative amount leaves him.
type Credit struct {
	UserID       string
	AmountMicros int64
	Adjustment   bool   // a correction instead of a top-up
	Reference    string // unique; the same reference is credited once
	Now          time.Time
}

// TopUp books a credit. It gives false and changes nothing when its reference was booked before, and
// fails with NOT_FOUND for a user without an account.
func TopUp(ctx context.Context, b pg.Beginner, c Credit) (booked bool, err error) {
	err = pg.InTx(ctx, b, func(tx pg.Tx) error {
		kind := "top_up"
		if c.Adjustment {
			kind = "adjustment"
		}
		if err := post(ctx, tx, posting{
			Kind: kind, UserID: c.UserID, AmountMicros: c.AmountMicros, Against: accountFunding, Reference: &c.Reference, Now: c.Now,
		}); err != nil {
			return err
		}
		n, err := pg.Q.AccountCredit(ctx, tx, db.AccountCreditParams{UserID: c.UserID, AmountMicros: c.AmountMicros})
		if err == nil && n == 0 {
			return fault.New(fault.NotFound, "Account not found")
		}
		return fault.Wrap(err, "credit an account")
	})
	if pg.Violates(err, db.LedgerEntriesReferenceOnceKey) {
		return false, nil
	}
	return err == nil, err
}

// posting is a transaction of two entries: the user's and the house's.
type posting struct {
	Kind         string
	UserID       string
	AmountMicros int64
	Against      string
	Reference    *string
	Now          time.Time
}

func post(ctx context.Context, tx db.DBTX, p posting) error {
	transactionID := id.New(id.Transaction, p.Now)
	for _, side := range []db.LedgerEntryInsertParams{
		{LedgerAccount: "user:" + p.UserID, UserID: &p.UserID, AmountMicros: p.AmountMicros},
		{LedgerAccount: p.Against, AmountMicros: -p.AmountMicros},
	} {
		side.TransactionID, side.Kind, side.Reference = transactionID, p.Kind, p.Reference
		if err := pg.Q.LedgerEntryInsert(ctx, tx, side); err != nil {
			return fault.Wrap(err, "post a ledger entry")
		}
	}
	return nil
}
