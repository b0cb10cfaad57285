package task_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/eggapi/eggapi/internal/apitest"
	"github.com/eggapi/eggapi/internal/meter"
	"github.com/eggapi/eggapi/internal/task"
)

// Two nodes each run one set of orders by the same users, in opposite orders. Each set is stopped half-way, at a row that
// the test holds: locks taken in the sets' own order would cross.
func TestShared_SetsInOppositeOrdersNeitherDeadlockNorFail(t *testing.T) {
	t.Parallel()
	const rounds = 4 // locks in no order do not cross every time
	one := patient(t)
	c := crossing{one, apitest.New(t, apitest.Options{NoWork: true, DatabaseURL: one.DatabaseURL})}
	many := int32(1000)
	metered := make([]task.Caller, crossingUsers)
	for i := range crossingUsers {
		user := payer(t, one, crossingUser(i), 7*rounds)
		keyID := capped(t, one, user, "live", meter.Limits{RunningTasks: &many})
		metered[i] = task.Caller{UserID: user, Environment: "live", APIKeyID: &keyID, Metered: true}
	}
	for i := range c {
		payer(t, one, fmt.Sprintf("filler_%d", i), 4*rounds*task.WriteSlots)
	}
	const heldAccount = "select from accounts where user_id = 'usr_15' for update"
	for round := range rounds {
		c.cross(t, heldAccount, crossingPayer, "", "")
		c.cross(t, heldAccount, func(i int) task.Caller { return metered[i] }, "", "")
		c.cross(t, heldAccount, crossingPayer, fmt.Sprintf("one %d", round), fmt.Sprintf("two %d", round))
		key := fmt.Sprintf("both %d", round)
		c.cross(t, fmt.Sprintf(`insert into idempotency_keys (user_id, environment, key, fingerprint, task_id, expires_at)
			values ('usr_15', 'live', '%s', '', '', now() + interval '1 hour')`, key), crossingPayer, key, key)
	}
	// With a key of both nodes one of the two orders is a replay.
	const want = rounds * (7*crossingUsers + 4*len(c)*task.WriteSlots)
	if n := count(t, one, "select count(*) from tasks"); n != want {
		t.Errorf("%d tasks are stored, want %d", n, want)
	}
	one.CheckBooks(t)
	if n := deadlocks(t, one); n != 0 {
		t.Errorf("%d deadlocks", n)
	}
}

// crossing is two nodes on one database.
type crossing [2]*apitest.Server

const crossingUsers = 30

func crossingUser(i int) string { return fmt.Sprintf("usr_%02d", i) }

func crossingPayer(i int) task.Caller {
	return task.Caller{UserID: crossingUser(i), Environment: "live"}
}

// cross runs a set on each node, while the rows that a statement locks are held half-way. who says for whom each order is.
// Each node's orders have an Idempotency-Key, or none.
func (c crossing) cross(t *testing.T, halfWay string, who func(i int) task.Caller, keys ...string) {
	t.Helper()
	filled := lock(t, c[0], "select from accounts where user_id like 'filler%' for update")
	var all sync.WaitGroup
	submit := func(node int, caller task.Caller, key string) {
		all.Go(func() {
			if key != "" {
				caller.IdempotencyKey = &key
			}
			if _, err := c[node].Node.Tasks.Submit(t.Context(), caller, fox(1)); err != nil {
				t.Errorf("%q: %s is told %v", key, caller.UserID, err)
			}
		})
	}
	for node := range c {
		for range task.WriteSlots {
			submit(node, task.Caller{UserID: fmt.Sprintf("filler_%d", node), Environment: "live"}, "")
		}
	}
	waitForLocks(t, c[0], len(c)*task.WriteSlots)
	held := lock(t, c[0], halfWay)
	for i := range crossingUsers {
		for node, user := range []int{i, crossingUsers - 1 - i} {
			submit(node, who(user), keys[node])
			apitest.Eventually(t, "the order waits in its place", func() bool { return c[node].Node.Tasks.Waiting() == i+1 })
		}
	}
	filled()
	waitForLocks(t, c[0], len(c))
	held()
	all.Wait()
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
