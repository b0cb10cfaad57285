package ledger

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/id"
	"github.com/eggapi/eggapi/internal/pg"
)

// Set is what one transaction does to any number of accounts: their rows are locked, then each hold and settlement is
// decided in turn against what is left, then all is written at once.
//
//	s := ledger.LockAccounts(ctx, p, users); p.Send; s.Read; s.Hold, many times; s.Write; commit
//	s := ledger.LockHolds(ctx, p, tasks); p.Send; s.Read; s.Settle, many times; s.Write; commit
type Set struct {
	readers []func() error

	available map[string]int64                     // by user, what no hold has yet
	open      map[string]db.HoldLockSetAnyOwnerRow // by task
	held      db.HoldInsertSetParams
	resolved  db.HoldResolveSetParams
	charges   db.LedgerSettleSetParams
	holding   map[string]int64 // by user, what is newly held
	releasing map[string]int64 // by user, what is no longer held
	charging  map[string]int64 // by user, what is taken
}

// LockAccounts notes the statement that locks the accounts of some users, in one order whoever asks, so that no two
// transactions wait for each other. The rows stay locked until the commit.
func LockAccounts(ctx context.Context, p *pg.Pipe, userIDs []string) *Set {
	s := newSet()
	if len(userIDs) > 0 {
		rows := pg.Q.AccountLockSet(ctx, p, [][]string{sorted(userIDs)})
		s.readers = append(s.readers, func() error {
			accounts, err := pg.Rows(rows.Query)
			for _, a := range accounts {
				s.available[a.UserID] = a.AvailableMicros
			}
			return fault.Wrap(err, "lock accounts")
		})
	}
	return s
}

// LockHolds notes the statements that lock the open holds of some tasks and the accounts they are on, in one order whoever
// asks. Where the tasks are locked too, they are locked before.
func LockHolds(ctx context.Context, p *pg.Pipe, taskIDs []string) *Set {
	s := newSet()
	rows := pg.Q.HoldLockSetAnyOwner(ctx, p, [][]string{taskIDs})
	accounts := pg.Q.AccountLockOfTasksSetAnyOwner(ctx, p, [][]string{taskIDs})
	s.readers = append(s.readers, func() error {
		holds, err := pg.Rows(rows.Query)
		for _, h := range holds {
			s.open[h.TaskID] = h
		}
		return fault.Wrap(err, "lock holds")
	}, func() error {
		_, err := pg.Rows(accounts.Query)
		return fault.Wrap(err, "lock accounts")
	})
	return s
}

func newSet() *Set {
	return &Set{
		available: map[string]int64{}, open: map[string]db.HoldLockSetAnyOwnerRow{},
		holding: map[string]int64{}, releasing: map[string]int64{}, charging: map[string]int64{},
	}
}

// Read takes in what the locked rows say. It comes after Send.
func (s *Set) Read() error {
	for _, read := range s.readers {
		if err := read(); err != nil {
			return err
		}
	}
	return nil
}

// Hold sets amountMicros (> 0) of a user's balance aside for a task. It fails with ErrInsufficient, and then the set is
// as it was.
func (s *Set) Hold(taskID, userID string, amountMicros int64) error {
	if s.available[userID] < amountMicros {
		return ErrInsufficient
	}
	s.available[userID] -= amountMicros
	s.holding[userID] += amountMicros
	s.held.TaskIDs = append(s.held.TaskIDs, taskID)
	s.held.UserIDs = append(s.held.UserIDs, userID)
	s.held.AmountsMicros = append(s.held.AmountsMicros, amountMicros)
	return nil
}

// Settlement is the end of a hold.
type Settlement struct {
	TaskID       string
	UserID       string
	ChargeMicros int64 // 0 voids the hold; at most what is held
	Now          time.Time
}

// Settle resolves the hold of a task: charges ChargeMicros and releases the rest. It fails when the hold was resolved
// before, never existed or is less than the charge, so that a task is charged once whoever asks; then the set is as it was.
func (s *Set) Settle(t Settlement) error {
	hold, ok := s.open[t.TaskID]
	if !ok || hold.UserID != t.UserID {
		return fmt.Errorf("task %s has no open hold", t.TaskID)
	}
	if t.ChargeMicros < 0 || t.ChargeMicros > hold.AmountMicros {
		return fmt.Errorf("a charge of %d micros for task %s does not fit its hold of %d", t.ChargeMicros, t.TaskID, hold.AmountMicros)
	}
	delete(s.open, t.TaskID)
	s.releasing[t.UserID] += hold.AmountMicros
	s.charging[t.UserID] += t.ChargeMicros
	s.resolved.TaskIDs = append(s.resolved.TaskIDs, t.TaskID)
	s.resolved.UserIDs = append(s.resolved.UserIDs, t.UserID)
	s.resolved.SettledsMicros = append(s.resolved.SettledsMicros, t.ChargeMicros)
	if t.ChargeMicros > 0 {
		s.charges.TransactionIDs = append(s.charges.TransactionIDs, id.New(id.Transaction, t.Now))
		s.charges.UserIDs = append(s.charges.UserIDs, t.UserID)
		s.charges.TaskIDs = append(s.charges.TaskIDs, t.TaskID)
		s.charges.ChargesMicros = append(s.charges.ChargesMicros, t.ChargeMicros)
	}
	return nil
}

// Write notes the statements that store what was decided. The tasks that holds are for must be noted before.
func (s *Set) Write(ctx context.Context, p *pg.Pipe) {
	if len(s.held.TaskIDs) > 0 {
		pg.Q.HoldInsertSet(ctx, p, []db.HoldInsertSetParams{s.held})
		users := slices.Sorted(maps.Keys(s.holding))
		pg.Q.AccountHoldSet(ctx, p, []db.AccountHoldSetParams{{UserIDs: users, AmountsMicros: amounts(users, s.holding)}})
	}
	if len(s.resolved.TaskIDs) > 0 {
		pg.Q.HoldResolveSet(ctx, p, []db.HoldResolveSetParams{s.resolved})
	}
	if len(s.charges.TaskIDs) > 0 {
		s.charges.RevenueAccount = accountRevenue
		pg.Q.LedgerSettleSet(ctx, p, []db.LedgerSettleSetParams{s.charges})
	}
	if len(s.releasing) > 0 {
		users := slices.Sorted(maps.Keys(s.releasing))
		pg.Q.AccountSettleSet(ctx, p, []db.AccountSettleSetParams{{
			UserIDs: users, HeldsMicros: amounts(users, s.releasing), ChargedsMicros: amounts(users, s.charging),
		}})
	}
}

func amounts(users []string, of map[string]int64) []int64 {
	list := make([]int64, len(users))
	for i, u := range users {
		list[i] = of[u]
	}
	return list
}

// sorted gives each text once.
func sorted(texts []string) []string {
	list := slices.Clone(texts)
	slices.Sort(list)
	return slices.Compact(list)
}
