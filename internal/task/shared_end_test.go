package task_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/apitest"
	"github.com/eggapi/eggapi/internal/task"
)

// rows gives the texts a query finds.
func rows(t *testing.T, s *apitest.Server, query string, args ...any) (texts []string) {
	t.Helper()
	if err := s.Pool.QueryRow(t.Context(), "select coalesce(array_agg(x order by x), '{}') from ("+query+") q(x)", args...).Scan(&texts); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return texts
}

// payer opens an account that nobody signs in to.
func payer(t *testing.T, s *apitest.Server, userID string, tasks int64) string {
	t.Helper()
	exec(t, s, `insert into "user" (id, name, email, "emailVerified") values ($1, 'Ada', $1 || '@example.com', false)`, userID)
	s.TopUp(t, userID, tasks*nanobananaMicros)
	return userID
}

// accept has tasks accepted, the users' in turn, and gives their ids.
func accept(t *testing.T, s *apitest.Server, n int, environment string, users ...string) []string {
	t.Helper()
	ids := make([]string, n)
	together(n, func(i int) {
		got, err := s.Node.Tasks.Submit(t.Context(), task.Caller{UserID: users[i%len(users)], Environment: environment}, fox(1))
		if err != nil {
			t.Errorf("submit: %v", err)
		}
		ids[i] = got.Task.ID
	})
	return ids
}

// begin gives each task a worker that has made a call, and perhaps its image.
func begin(t *testing.T, s *apitest.Server, ids []string, withImage bool) {
	t.Helper()
	exec(t, s, "update tasks set status = 'processing', started_at = now() where id = any ($1)", ids)
	exec(t, s, `insert into attempts (id, task_id, route_id, provider, upstream_model, images, lease_owner)
		select 'att_' || x, x, 'r', 'p', 'm', '{0}', 'w' from unnest($1::text[]) x`, ids)
	if withImage {
		exec(t, s, `insert into outputs (task_id, user_id, image, attempt_id, path, mime, size_bytes, width, height)
			select id, user_id, 0, 'att_' || id, 'images/x/0.png', 'image/png', 1, 1, 1 from tasks where id = any ($1)`, ids)
	}
}

func TestMoney_ManyTasksEndedTogetherByTwoNodesAreEachChargedOnce(t *testing.T) {
	t.Parallel()
	const each = 200
	one := patient(t)
	two := apitest.New(t, apitest.Options{NoWork: true, DatabaseURL: one.DatabaseURL})
	var users []string
	for i := range 50 {
		users = append(users, payer(t, one, fmt.Sprintf("usr_%d", i), each/50))
	}
	ids := append(accept(t, one, each, "live", payer(t, one, "usr_hot", each)), accept(t, one, each, "live", users...)...)
	begin(t, one, ids, true)
	nodes := []*apitest.Server{one, two}
	together(2*len(ids), func(i int) {
		k := i % len(ids)
		if i >= len(ids) {
			k = len(ids) - 1 - k
		}
		if err := nodes[i/len(ids)].Node.Tasks.End(t.Context(), ids[k]); err != nil {
			t.Errorf("end: %v", err)
		}
	})
	for query, want := range map[string]int{
		"select count(*) from tasks where status = 'completed' and cost_micros = 10000": 2 * each,
		"select count(*) from ledger_entries where kind = 'settle'":                     4 * each,
		"select count(*) from usage_records":                                            2 * each,
		"select count(*) from holds where state = 'settled'":                            2 * each,
		"select sum(balance_micros)::bigint from accounts":                              0,
		"select sum(held_micros)::bigint from accounts":                                 0,
	} {
		if n := count(t, one, query); n != want {
			t.Errorf("%s: %d, want %d", query, n, want)
		}
	}
	one.CheckBooks(t)
}

func TestShared_TaskWithoutHoldStaysOpenAndTheOthersOfItsSetEnd(t *testing.T) {
	t.Parallel()
	s := patient(t)
	ids := accept(t, s, 20, "live", payer(t, s, "usr_1", 20))
	begin(t, s, ids, true)
	exec(t, s, "delete from holds where task_id = $1", ids[7])
	errs := make([]error, len(ids))
	endJam(s).inOneSet(t, s, len(ids), func(i int) { errs[i] = s.Node.Tasks.End(t.Context(), ids[i]) })
	for i, err := range errs {
		if (err != nil) != (i == 7) {
			t.Errorf("ending task %d gave %v", i, err)
		}
	}
	if open := rows(t, s, "select id from tasks where status = 'processing'"); len(open) != 1 || open[0] != ids[7] {
		t.Errorf("open are %v, want %s", open, ids[7])
	}
	if n := count(t, s, "select count(distinct task_id) from ledger_entries where kind = 'settle'"); n != 19 {
		t.Errorf("%d tasks were charged for, want 19", n)
	}
}

func TestMoney_ImageAndEndInOneSetAreSettledTogetherAndALateImageIsNotAdded(t *testing.T) {
	t.Parallel()
	s := patient(t)
	ids := accept(t, s, 12, "live", payer(t, s, "usr_1", 12))
	begin(t, s, ids, false)
	over := ids[0]
	if err := s.Node.Tasks.End(t.Context(), over); err != nil {
		t.Fatalf("end: %v", err)
	}
	// The image and the end of each of the others, and an image of the one that is over.
	errs := make([]error, 2*len(ids)-1)
	endJam(s).inOneSet(t, s, len(errs), func(i int) {
		if i < len(ids) {
			errs[i] = s.Node.Tasks.Deliver(t.Context(), ids[i], "att_"+ids[i], 0)
			return
		}
		errs[i] = s.Node.Tasks.End(t.Context(), ids[i-len(ids)+1])
	})
	for i, err := range errs {
		if err != nil {
			t.Errorf("outcome %d gave %v", i, err)
		}
	}
	for query, want := range map[string]int{
		"select count(*) from tasks where status = 'completed' and cost_micros = 10000": 11,
		"select count(*) from outputs":                                11,
		"select count(*) from outputs where task_id = '" + over + "'": 0,
		"select balance_micros from accounts where user_id = 'usr_1'": nanobananaMicros,
	} {
		if n := count(t, s, query); n != want {
			t.Errorf("%s: %d, want %d", query, n, want)
		}
	}
	s.CheckBooks(t)
}

func TestShared_TestTasksAreEndedWithLiveOnesAndCostNothing(t *testing.T) {
	t.Parallel()
	s := patient(t)
	user := payer(t, s, "usr_1", 5)
	ids := append(accept(t, s, 5, "live", user), accept(t, s, 5, "test", user)...)
	begin(t, s, ids, true)
	endJam(s).inOneSet(t, s, len(ids), func(i int) {
		if err := s.Node.Tasks.End(t.Context(), ids[i]); err != nil {
			t.Errorf("end: %v", err)
		}
	})
	if n := count(t, s, "select count(*) from tasks where status = 'completed' and (cost_micros = 0) = (environment = 'test')"); n != 10 {
		t.Errorf("%d tasks ended at their price, want 10", n)
	}
	if n := count(t, s, "select balance_micros from accounts where user_id = $1", user); n != 0 {
		t.Errorf("%d micros are left, want 0", n)
	}
	s.CheckBooks(t)
}

func TestShared_LeaseSetGivesATaskToOneOfItsJobs(t *testing.T) {
	t.Parallel()
	s := patient(t)
	ids := accept(t, s, 10, "test", payer(t, s, "usr_1", 1))
	taken := ids[9]
	if held, err := s.Node.Tasks.Lease(t.Context(), taken, "other"); err != nil || !held {
		t.Fatalf("lease: %v %v", held, err)
	}
	var winners [10]atomic.Int32
	leaseJam(s).inOneSet(t, s, 3*len(ids), func(i int) {
		held, err := s.Node.Tasks.Lease(t.Context(), ids[i%len(ids)], fmt.Sprintf("job/%d", i))
		if err != nil {
			t.Errorf("lease: %v", err)
		}
		if held {
			winners[i%len(ids)].Add(1)
		}
	})
	for i := range ids {
		want := int32(1)
		if ids[i] == taken {
			want = 0
		}
		if n := winners[i].Load(); n != want {
			t.Errorf("task %d was given to %d of three jobs, want %d", i, n, want)
		}
	}
}

func TestShared_CallIsNotNotedByAWorkerThatLostItsLease(t *testing.T) {
	t.Parallel()
	s := patient(t)
	ids := accept(t, s, 20, "test", payer(t, s, "usr_1", 1))
	for i, id := range ids {
		// The URLs keep the first call from being noted with the lease.
		exec(t, s, "update tasks set image_urls = '{https://x.example/1.png}' where id = $1", id)
		if held, err := s.Node.Tasks.Lease(t.Context(), id, fmt.Sprintf("job/%d", i)); err != nil || !held {
			t.Fatalf("lease: %v %v", held, err)
		}
	}
	exec(t, s, "update tasks set lease_owner = 'other' where id = $1", ids[3])
	exec(t, s, "update tasks set lease_until = null, status = 'failed', error = 'x', completed_at = now() where id = $1", ids[4])
	exec(t, s, "update tasks set lease_owner = null, lease_until = null where id = $1", ids[5])
	callJam(s).inOneSet(t, s, len(ids), func(i int) {
		noted, err := s.Node.Tasks.NoteCall(t.Context(), "att_"+ids[i], ids[i], fmt.Sprintf("job/%d", i))
		if lost := i >= 3 && i <= 5; err != nil || noted == lost {
			t.Errorf("call %d may be made: %v, %v", i, noted, err)
		}
	})
	if n := count(t, s, "select count(*) from attempts"); n != 17 {
		t.Errorf("%d calls are noted, want 17", n)
	}
}

func TestShared_StrangerAskingInTheSameSetAsTheOwnerIsGivenNothing(t *testing.T) {
	t.Parallel()
	s := patient(t)
	owner, stranger := s.NewPoorAccount(t), s.NewPoorAccount(t)
	id := accept(t, s, 1, "test", owner.UserID)[0]
	mine, other, live := s.WithKey(t, owner.TestKey), s.WithKey(t, stranger.TestKey), s.WithKey(t, owner.LiveKey)
	readJam(s).inOneSet(t, s, 60, func(i int) {
		client, want := mine, 200
		switch i % 3 {
		case 1:
			client, want = other, 404
		case 2:
			client, want = live, 404
		}
		got, err := client.GetTaskWithResponse(t.Context(), id, nil)
		if err != nil || got.StatusCode() != want || (want == 200) != (got.JSON200 != nil && got.JSON200.Data.ID == id) {
			t.Errorf("reader %d was answered %v %v, want %d", i, got, err, want)
		}
	})
	// And when nobody else asks.
	row, err := s.Node.Tasks.Get(t.Context(), db.TaskGetParams{ID: id, UserID: stranger.UserID, Environment: "test"})
	if row != nil || err != nil {
		t.Errorf("alone, the stranger is given %v and %v", row, err)
	}
}
