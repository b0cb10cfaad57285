package ledger_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"pgregory.net/rapid"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/dbtest"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/ledger"
	"github.com/eggapi/eggapi/internal/pg"
)

const user = "usr_1"

var now = time.Date(2026, 5, 8, 10, 30, 0, 0, time.UTC)

func exec(t testing.TB, pool *pgxpool.Pool, query string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func newPool(t testing.TB) *pgxpool.Pool {
	t.Helper()
	pool := dbtest.New(t)
	exec(t, pool, `insert into "user" (id, name, email, "emailVerified") values ($1, 'Ada', 'ada@example.com', false)`, user)
	return pool
}

// newTask stores a task, which a hold must belong to.
func newTask(t testing.TB, pool *pgxpool.Pool, taskID string) {
	t.Helper()
	exec(t, pool, `insert into tasks (id, user_id, environment, model, type, prompt, aspect_ratio, resolution, num_outputs, price_id, unit_price_micros, deadline_at)
		select $1, $2, 'live', 'nanobanana', 'image_generate', 'a fox', '16:9', '1k', 1, min(id), 10000, now() from prices`, taskID, user)
}

func topUp(t testing.TB, pool *pgxpool.Pool, micros int64, reference string) bool {
	t.Helper()
	booked, err := ledger.TopUp(t.Context(), pool, ledger.Credit{UserID: user, AmountMicros: micros, Reference: reference, Now: now})
	if err != nil {
		t.Fatalf("top up: %v", err)
	}
	return booked
}

func balance(t testing.TB, pool *pgxpool.Pool) (balanceMicros, heldMicros int64) {
	t.Helper()
	row, err := pg.Q.AccountGet(t.Context(), pool, user)
	if err != nil {
		t.Fatalf("get the account: %v", err)
	}
	return row.BalanceMicros, row.HeldMicros
}

func TestTopUp_SameReferenceIsBookedOnce(t *testing.T) {
	t.Parallel()
	pool := newPool(t)
	if !topUp(t, pool, 500, "invoice 1") || topUp(t, pool, 500, "invoice 1") || !topUp(t, pool, 7, "invoice 2") {
		t.Error("a reference was booked twice, or a new one not at all")
	}
	if got, _ := balance(t, pool); got != 507 {
		t.Errorf("the balance is %d, want 507", got)
	}
}

func TestTopUp_UnknownUserIsNotFoundAndNothingIsBooked(t *testing.T) {
	t.Parallel()
	pool := newPool(t)
	_, err := ledger.TopUp(t.Context(), pool, ledger.Credit{UserID: "usr_nobody", AmountMicros: 5, Reference: "x", Now: now})
	if err == nil {
		t.Fatal("a stranger was credited")
	}
	if n, err := ledger.CountEntries(t.Context(), pool, "usr_nobody"); err != nil || n != 0 {
		t.Errorf("%d entries are left, %v", n, err)
	}
}

func TestTopUp_CannotTakeWhatIsHeld(t *testing.T) {
	t.Parallel()
	pool := newPool(t)
	topUp(t, pool, 100, "in")
	newTask(t, pool, "gen_1")
	hold(t, pool, "gen_1", 80)
	_, err := ledger.TopUp(t.Context(), pool, ledger.Credit{UserID: user, AmountMicros: -50, Adjustment: true, Reference: "out", Now: now})
	if !pg.Violates(err, db.AccountsAvailableCheck) {
		t.Errorf("taking held money gave %v", err)
	}
}

// inSet locks the user's account, or the holds of some tasks, has act decide, and writes.
func inSet(ctx context.Context, pool *pgxpool.Pool, taskIDs []string, act func(s *ledger.Set) error) error {
	return pg.InPipe(ctx, pool, func(p *pg.Pipe) error {
		var s *ledger.Set
		if taskIDs == nil {
			s = ledger.LockAccounts(ctx, p, []string{user})
		} else {
			s = ledger.LockHolds(ctx, p, taskIDs)
		}
		if err := p.Send(ctx); err != nil {
			return err
		}
		if err := s.Read(); err != nil {
			return err
		}
		if err := act(s); err != nil {
			return err
		}
		s.Write(ctx, p)
		return nil
	})
}

func tryHold(ctx context.Context, pool *pgxpool.Pool, taskID string, micros int64) error {
	return inSet(ctx, pool, nil, func(s *ledger.Set) error { return s.Hold(taskID, user, micros) })
}

func trySettle(ctx context.Context, pool *pgxpool.Pool, taskID string, micros int64) error {
	return inSet(ctx, pool, []string{taskID}, func(s *ledger.Set) error {
		return s.Settle(ledger.Settlement{TaskID: taskID, UserID: user, ChargeMicros: micros, Now: now})
	})
}

func hold(t testing.TB, pool *pgxpool.Pool, taskID string, micros int64) {
	t.Helper()
	if err := tryHold(t.Context(), pool, taskID, micros); err != nil {
		t.Fatalf("hold: %v", err)
	}
}

func TestHold_RefusesWhatIsNotCoveredAndLeavesNothing(t *testing.T) {
	t.Parallel()
	pool := newPool(t)
	topUp(t, pool, 100, "in")
	newTask(t, pool, "gen_1")
	err := tryHold(t.Context(), pool, "gen_1", 101)
	if fault.CodeOf(err) != fault.InsufficientBalance {
		t.Errorf("holding too much gave %v", err)
	}
	if _, held := balance(t, pool); held != 0 {
		t.Errorf("%d micros are held", held)
	}
}

func TestSettle_SecondTimeFailsAndChargesNothing(t *testing.T) {
	t.Parallel()
	pool := newPool(t)
	topUp(t, pool, 200, "in")
	newTask(t, pool, "gen_1")
	hold(t, pool, "gen_1", 80)
	// Another hold, which a second release of the first would eat into unnoticed.
	newTask(t, pool, "gen_2")
	hold(t, pool, "gen_2", 80)
	for i, charge := range []int64{30, 0, 30} {
		err := trySettle(t.Context(), pool, "gen_1", charge)
		if (err == nil) != (i == 0) {
			t.Errorf("settlement %d gave %v", i, err)
		}
	}
	if got, held := balance(t, pool); got != 170 || held != 80 {
		t.Errorf("balance %d, held %d; want 170 and 80", got, held)
	}
}

func TestSettle_CannotChargeMoreThanWasHeld(t *testing.T) {
	t.Parallel()
	pool := newPool(t)
	topUp(t, pool, 100, "in")
	newTask(t, pool, "gen_1")
	hold(t, pool, "gen_1", 80)
	if err := trySettle(t.Context(), pool, "gen_1", 81); err == nil {
		t.Error("overcharging was allowed")
	}
	_, err := pool.Exec(t.Context(), "update holds set state = 'settled', settled_micros = 81, resolved_at = now()")
	if !pg.Violates(err, db.HoldsSettledCheck) {
		t.Errorf("the schema says of overcharging: %v", err)
	}
}

// Many tasks of one account in one set are decided one after the other, each against what the ones before it left.
func TestSet_DecidesEachAgainstWhatIsLeft(t *testing.T) {
	t.Parallel()
	pool := newPool(t)
	topUp(t, pool, 100, "in")
	amounts, refused := []int64{60, 50, 30, 20, 10}, []bool{false, true, false, true, false}
	for i := range amounts {
		newTask(t, pool, fmt.Sprintf("gen_%d", i))
	}
	err := inSet(t.Context(), pool, nil, func(s *ledger.Set) error {
		for i, amount := range amounts {
			if err := s.Hold(fmt.Sprintf("gen_%d", i), user, amount); (err != nil) != refused[i] {
				t.Errorf("hold %d gave %v", i, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("hold: %v", err)
	}
	if got, held := balance(t, pool); got != 100 || held != 100 {
		t.Errorf("balance %d, held %d; want 100 and 100", got, held)
	}
	err = inSet(t.Context(), pool, []string{"gen_0", "gen_1", "gen_2", "gen_4"}, func(s *ledger.Set) error {
		for i, settles := range []bool{true, false, true, false, true} {
			err := s.Settle(ledger.Settlement{TaskID: fmt.Sprintf("gen_%d", i), UserID: user, ChargeMicros: 10 * int64(i%2+i%4), Now: now})
			if (err == nil) != settles {
				t.Errorf("settlement %d gave %v", i, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("settle: %v", err)
	}
	if got, held := balance(t, pool); got != 80 || held != 0 {
		t.Errorf("balance %d, held %d; want 80 and 0", got, held)
	}
}

func TestEntries_AreAppendOnlyAndBalanced(t *testing.T) {
	t.Parallel()
	pool := newPool(t)
	topUp(t, pool, 100, "in")
	for _, statement := range []string{
		"update ledger_entries set amount_micros = 1", "delete from ledger_entries", "truncate ledger_entries",
		"insert into ledger_entries (transaction_id, ledger_account, kind, amount_micros) values ('txn_x', 'revenue', 'adjustment', 5)",
	} {
		if _, err := pool.Exec(t.Context(), statement); err == nil {
			t.Errorf("%s was allowed", statement)
		}
	}
}

// Each planted fault breaks one invariant, which Check must name.
func TestCheck_NamesEveryPlantedFault(t *testing.T) {
	t.Parallel()
	for name, plant := range map[string]string{
		"each transaction sums to zero":                        `alter table ledger_entries disable trigger user; insert into ledger_entries (transaction_id, ledger_account, kind, amount_micros) values ('txn_x', 'revenue', 'adjustment', 5)`,
		"each balance is the sum of its entries":               `update accounts set balance_micros = balance_micros + 1`,
		"each held amount is the sum of its open holds":        `update accounts set held_micros = held_micros + 1`,
		"each ended task has its hold resolved for its cost":   `update tasks set status = 'failed', error = 'x', completed_at = now()`,
		"each task is charged what it cost":                    `update tasks set status = 'completed', cost_micros = 7, completed_at = now()`,
		"each completed task has one usage record of its cost": `update tasks set status = 'completed', cost_micros = 0, completed_at = now()`,
		"each usage record counts the delivered images": `update tasks set status = 'completed', completed_at = now();
			insert into usage_records (id, user_id, environment, task_id, model, type, units, cost_micros) select 'use_1', user_id, 'live', id, model, type, 1, 0 from tasks`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := newPool(t)
			topUp(t, pool, 100, "in")
			newTask(t, pool, "gen_1")
			hold(t, pool, "gen_1", 80)
			if found, err := ledger.Check(t.Context(), pool); err != nil || len(found) > 0 {
				t.Fatalf("before the fault: %v %v", found, err)
			}
			exec(t, pool, plant)
			found, err := ledger.Check(t.Context(), pool)
			if err != nil {
				t.Fatalf("check: %v", err)
			}
			for _, v := range found {
				if v.Invariant == name {
					return
				}
			}
			t.Errorf("the fault was not named; found %v", found)
		})
	}
}

// Any sequence of top-ups, holds, settlements and voids leaves the books as a plain model says.
func TestLedger_AgreesWithAModel(t *testing.T) {
	t.Parallel()
	pool := newPool(t)
	var sequence, model, held int64
	open := map[string]int64{}
	rapid.Check(t, func(r *rapid.T) {
		sequence++
		amount := rapid.Int64Range(1, 1000).Draw(r, "amount")
		taskID := fmt.Sprintf("gen_%d", sequence)
		switch rapid.IntRange(0, 2).Draw(r, "act") {
		case 0:
			topUp(t, pool, amount, taskID)
			model += amount
		case 1:
			newTask(t, pool, taskID)
			err := tryHold(t.Context(), pool, taskID, amount)
			if (err == nil) != (model-held >= amount) {
				r.Fatalf("holding %d of %d gave %v", amount, model-held, err)
			}
			if err == nil {
				open[taskID], held = amount, held+amount
			}
		case 2:
			for id, of := range open {
				charge := min(of, rapid.Int64Range(0, of).Draw(r, "charge"))
				if err := trySettle(t.Context(), pool, id, charge); err != nil {
					r.Fatalf("settle: %v", err)
				}
				delete(open, id)
				model, held = model-charge, held-of
				break
			}
		}
		if gotBalance, gotHeld := balance(t, pool); gotBalance != model || gotHeld != held {
			r.Fatalf("balance %d and held %d, want %d and %d", gotBalance, gotHeld, model, held)
		}
	})
	found, err := ledger.Check(t.Context(), pool)
	if err != nil {
		t.Fatalf("check: %v", err)
	}
	for _, v := range found {
		if !strings.Contains(v.Invariant, "task") { // the tasks of this test do not end
			t.Errorf("broken: %v", v)
		}
	}
}

// The schema itself is the last wall: whatever the code does, a task is charged and recorded once.
func TestSchema_RefusesASecondChargeHoldAndUsageOfATask(t *testing.T) {
	t.Parallel()
	pool := newPool(t)
	topUp(t, pool, 100, "in")
	newTask(t, pool, "gen_1")
	for constraint, statement := range map[string]string{
		db.LedgerEntriesTaskOnceKey: `insert into ledger_entries (transaction_id, ledger_account, user_id, kind, amount_micros, task_id)
			select 'txn_' || n, account, case when account = 'revenue' then null else 'usr_1' end, 'settle', amount, 'gen_1'
			from generate_series(1, 2) n, (values ('user:usr_1', -5), ('revenue', 5)) v (account, amount)`,
		db.HoldsPkey: `insert into holds (task_id, user_id, amount_micros) select 'gen_1', 'usr_1', 5 from generate_series(1, 2)`,
		db.UsageRecordsTaskIDKey: `insert into usage_records (id, user_id, environment, task_id, model, type, units, cost_micros)
			select 'use_' || n, 'usr_1', 'live', 'gen_1', 'nanobanana', 'image_generate', 1, 5 from generate_series(1, 2) n`,
		db.AccountsAvailableCheck: `update accounts set balance_micros = 4, held_micros = 5`,
	} {
		if _, err := pool.Exec(t.Context(), statement); !pg.Violates(err, constraint) {
			t.Errorf("%s let this pass: %v", constraint, err)
		}
	}
}
