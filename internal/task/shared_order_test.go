package task_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/eggapi/eggapi/internal/apitest"
	"github.com/eggapi/eggapi/internal/task"
)

// Two nodes each run one set of orders by the same users, in opposite orders. Each set is stopped half-way, at a row that
// the test holds: locks taken in the sets' own order would cross.
func TestShared_SetsInOppositeOrdersNeitherDeadlockNorFail(t *testing.T) {
	t.Parallel()
	const users, fillers = 30, 2 * task.WriteSlots
	one := patient(t)
	nodes := []*apitest.Server{one, apitest.New(t, apitest.Options{NoWork: true, DatabaseURL: one.DatabaseURL})}
	for i := range users {
		payer(t, one, fmt.Sprintf("usr_%02d", i), 4)
	}
	for i := range fillers {
		payer(t, one, fmt.Sprintf("filler_%d", i), 2)
	}
	for what, halfWay := range map[string]string{
		"accounts": "select from accounts where user_id = 'usr_15' for update",
		"keys": `insert into idempotency_keys (user_id, environment, key, fingerprint, task_id, expires_at)
			values ('usr_15', 'live', 'key', '', '', now() + interval '1 hour')`,
	} {
		filled := lock(t, one, "select from accounts where user_id like 'filler%' for update")
		var all sync.WaitGroup
		submit := func(s *apitest.Server, userID string, key *string) {
			all.Go(func() {
				c := task.Caller{UserID: userID, Environment: "live", IdempotencyKey: key}
				if _, err := s.Node.Tasks.Submit(t.Context(), c, fox(1)); err != nil {
					t.Errorf("%s: %s is told %v", what, userID, err)
				}
			})
		}
		for i := range fillers {
			submit(nodes[i%2], fmt.Sprintf("filler_%d", i), nil)
		}
		waitForLocks(t, one, fillers)
		held := lock(t, one, halfWay)
		for i := range users {
			for n, u := range []int{i, users - 1 - i} {
				var key *string
				if what == "keys" {
					key = new("key")
				}
				submit(nodes[n], fmt.Sprintf("usr_%02d", u), key)
				apitest.Eventually(t, "the order waits in its place", func() bool { return nodes[n].Node.Tasks.Waiting() == i+1 })
			}
		}
		filled()
		waitForLocks(t, one, 2)
		held()
		all.Wait()
	}
	if n := count(t, one, "select count(*) from tasks"); n != 3*users+2*fillers {
		t.Errorf("%d tasks are stored, want %d", n, 3*users+2*fillers)
	}
	one.CheckBooks(t)
	if n := deadlocks(t, one); n != 0 {
		t.Errorf("%d deadlocks", n)
	}
}

// Two nodes lease the same tasks, and lease what the other asked for last first.
func TestShared_LeasesInOppositeOrdersDoNotDeadlock(t *testing.T) {
	t.Parallel()
	one := patient(t)
	two := apitest.New(t, apitest.Options{NoWork: true, DatabaseURL: one.DatabaseURL})
	ids := accept(t, one, 100, "test", payer(t, one, "usr_1", 1))
	for range 6 {
		exec(t, one, "update tasks set lease_until = null")
		free := leaseJam(one).hold(t, one)
		var all sync.WaitGroup
		for i := range ids {
			all.Go(func() { _, _ = one.Node.Tasks.Lease(t.Context(), ids[i], "w1") })
			all.Go(func() { _, _ = two.Node.Tasks.Lease(t.Context(), ids[len(ids)-1-i], "w2") })
		}
		apitest.Eventually(t, "all requests wait", func() bool {
			return one.Node.Tasks.Waiting()+two.Node.Tasks.Waiting() == 2*len(ids)-task.WriteSlots
		})
		free()
		all.Wait()
	}
	if n := deadlocks(t, one); n != 0 {
		t.Errorf("%d deadlocks", n)
	}
	if n := count(t, one, "select count(*) from tasks where status = 'processing'"); n != len(ids) {
		t.Errorf("%d tasks are leased, want %d", n, len(ids))
	}
}

// lock runs a statement in a transaction that stays open until free is called.
func lock(t *testing.T, s *apitest.Server, statement string) (free func()) {
	t.Helper()
	tx, err := s.Pool.Begin(t.Context())
	if err != nil {
		t.Fatalf("begin: %v", err)
	}
	// As long as the orders take to line up, on a busy machine too.
	for _, s := range []string{"set local idle_in_transaction_session_timeout = 0", statement} {
		if _, err := tx.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	return func() {
		if err := tx.Rollback(t.Context()); err != nil {
			t.Errorf("free what was locked: %v", err)
		}
	}
}

// waitForLocks waits until so many sessions wait for a lock.
func waitForLocks(t *testing.T, s *apitest.Server, n int) {
	t.Helper()
	apitest.Eventually(t, fmt.Sprintf("%d sessions wait for a lock", n), func() bool {
		return count(t, s, "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'") == n
	})
}
