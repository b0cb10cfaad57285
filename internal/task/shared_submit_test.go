package task_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eggapi/eggapi/gen/apiclient"
	"github.com/eggapi/eggapi/internal/apitest"
	"github.com/eggapi/eggapi/internal/ledger"
	"github.com/eggapi/eggapi/internal/meter"
	"github.com/eggapi/eggapi/internal/task"
)

func TestShared_PoisonedSubmitFailsAloneAndTheOthersAreAccepted(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]string{"with keys": "key-%d", "without": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := patient(t)
			j, a := submitJam(t, s), s.NewAccount(t)
			exec(t, s, `create function refuse_poison() returns trigger language plpgsql as $$ begin
				if new.prompt = 'poison' then raise exception 'planted'; end if; return new; end $$`)
			exec(t, s, "create trigger planted before insert on tasks for each row execute function refuse_poison()")
			client := s.WithKey(t, a.LiveKey)
			answers := make([]told, 61)
			j.inOneSet(t, s, len(answers), func(i int) {
				prompt := fmt.Sprintf("a fox %d", i)
				if i == 30 {
					prompt = "poison"
				}
				answers[i] = order(t.Context(), client, strings.ReplaceAll(key, "%d", strconv.Itoa(i)), prompt)
			})
			for i, a := range answers {
				if (a.status == 500) != (i == 30) || (a.status == 202) != (i != 30) {
					t.Errorf("order %d was answered %d %s", i, a.status, a.code)
				}
			}
			if n := count(t, s, "select count(*) from tasks where user_id = $1", a.UserID); n != 60 {
				t.Errorf("%d tasks are stored, want 60", n)
			}
			if n := count(t, s, "select count(*) from idempotency_keys where key = 'key-30'"); n != 0 {
				t.Error("the poisoned order has kept its key")
			}
			if n := count(t, s, "select held_micros from accounts where user_id = $1", a.UserID); n != 60*nanobananaMicros {
				t.Errorf("%d micros are held, want %d", n, 60*nanobananaMicros)
			}
			s.CheckBooks(t)
		})
	}
}

// Both have seen the balance when the first of them takes it.
func TestMoney_TwoNodesDecidingAtOnceSpendABalanceOnce(t *testing.T) {
	t.Parallel()
	one := patient(t)
	nodes := []*apitest.Server{one, apitest.New(t, apitest.Options{NoWork: true, DatabaseURL: one.DatabaseURL})}
	for user, metered := range map[string]bool{"usr_1": false, "usr_2": true} {
		caller := task.Caller{UserID: payer(t, one, user, 1), Environment: "live", Metered: metered}
		if metered {
			keyID := capped(t, one, user, "live", meter.Limits{SpendCapMicros: tasksWorth(100), SpendWindow: meter.WindowTotal})
			caller.APIKeyID = &keyID
		}
		free := lock(t, one, fmt.Sprintf("select from accounts where user_id = '%s' for update", user))
		errs := make([]error, len(nodes))
		var all sync.WaitGroup
		for i, n := range nodes {
			all.Go(func() { _, errs[i] = n.Node.Tasks.Submit(t.Context(), caller, fox(1)) })
		}
		waitForLocks(t, one, len(nodes))
		free()
		all.Wait()
		if (errs[0] == nil) == (errs[1] == nil) || !errors.Is(errors.Join(errs...), ledger.ErrInsufficient) {
			t.Errorf("metered %v: told %v; want one accepted and one refused", metered, errs)
		}
	}
	one.CheckBooks(t)
}

// An order of another node is in line for the account too, and there is enough for one of them.
func TestMoney_SetThatWaitsForAnAccountSeesWhatIsLeftThen(t *testing.T) {
	t.Parallel()
	one := patient(t)
	two := apitest.New(t, apitest.Options{NoWork: true, DatabaseURL: one.DatabaseURL})
	rich, scarce := payer(t, one, "usr_1", 100), payer(t, one, "usr_2", 1)
	submit := func(n *apitest.Server, user string) error {
		_, err := n.Node.Tasks.Submit(t.Context(), task.Caller{UserID: user, Environment: "live"}, fox(1))
		return err
	}
	// What is stored waits for its hold, so that accounts stay free.
	j := jam{"lock table holds in share mode", task.WriteSlots, func(context.Context) error { return submit(one, rich) }}
	letSet := j.hold(t, one)
	var ofRich, ofScarce, ofFirst error
	var all sync.WaitGroup
	all.Go(func() { ofRich = submit(one, rich) })
	all.Go(func() { ofScarce = submit(one, scarce) })
	apitest.Eventually(t, "two wait", func() bool { return one.Node.Tasks.Waiting() == 2 })
	letAccount := lock(t, one, fmt.Sprintf("select from accounts where user_id = '%s' for update", scarce))
	all.Go(func() { ofFirst = submit(two, scarce) })
	waiting := func(statement string, n int) {
		apitest.Eventually(t, fmt.Sprintf("%d of %s wait", n, statement), func() bool {
			return n == count(t, one, `select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
				and query like '-- name: ' || $1 || ' %'`, statement)
		})
	}
	waiting("TaskAcceptOne", j.slots+1)
	letSet()
	waiting("TaskAcceptSet", 1)
	letAccount()
	all.Wait()
	if ofRich != nil || (ofFirst == nil) == (ofScarce == nil) || !errors.Is(errors.Join(ofFirst, ofScarce), ledger.ErrInsufficient) {
		t.Errorf("told %v by the other node, %v and %v in the set; want one of the first and the last accepted", ofFirst, ofRich, ofScarce)
	}
	one.CheckBooks(t)
}

// In one set: orders of an account that has money for some of them, of one that has enough, live and for test, and of one
// that has none.
func TestMoney_AccountThatCannotPayForAllItsOrdersOfASetPaysForSome(t *testing.T) {
	t.Parallel()
	for name, limits := range map[string]meter.Limits{
		"no key has a cap": {}, "one has": {SpendCapMicros: tasksWorth(100), SpendWindow: meter.WindowTotal},
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); payForSome(t, limits) })
	}
}

// payForSome has the live key of who has enough be held to limits that nobody reaches.
func payForSome(t *testing.T, limits meter.Limits) {
	t.Helper()
	const covered, each = 7, 20
	s := patient(t)
	j := submitJam(t, s)
	short, rich, poor := s.NewPoorAccount(t), s.NewAccount(t), s.NewPoorAccount(t)
	s.TopUp(t, short.UserID, covered*nanobananaMicros)
	recap(t, s, rich.UserID, rich.LiveID, limits)
	keys := []string{short.LiveKey, rich.LiveKey, rich.TestKey}
	answers := make([]told, len(keys)*each+1)
	j.inOneSet(t, s, len(answers), func(i int) {
		key := poor.LiveKey
		if i > 0 {
			key = keys[i%len(keys)]
		}
		answers[i] = order(t.Context(), s.WithKey(t, key), "", fmt.Sprintf("a fox %d", i))
	})
	if answers[0].code != "INSUFFICIENT_BALANCE" {
		t.Errorf("who has no money is told %d %s", answers[0].status, answers[0].code)
	}
	for of, want := range []int{covered, each, each} {
		accepted, refused := 0, 0
		for i, a := range answers {
			switch {
			case i == 0 || i%len(keys) != of:
			case a.status == 202:
				accepted++
			case a.code == "INSUFFICIENT_BALANCE":
				refused++
			}
		}
		if accepted != want || refused != each-want {
			t.Errorf("account %d: %d accepted and %d refused, want %d of %d accepted", of, accepted, refused, want, each)
		}
	}
	for query, want := range map[string]int{
		"select count(*) from tasks where environment = 'live' and user_id = $1": covered,
		"select held_micros from accounts where user_id = $1":                    covered * nanobananaMicros,
		"select count(*) from holds where user_id = $1":                          covered,
	} {
		if n := count(t, s, query, short.UserID); n != want {
			t.Errorf("%s: %d, want %d", query, n, want)
		}
	}
	s.CheckBooks(t)
}

// A third of the customers hang up at some moment, before, while or after their order is decided.
func TestMoney_HotAccountWithHangUpsIsSpentToTheLastMicroAndNoFurther(t *testing.T) {
	t.Parallel()
	const customers, covered = 1000, 300
	one := patient(t)
	two := apitest.New(t, apitest.Options{NoWork: true, DatabaseURL: one.DatabaseURL})
	a := one.NewPoorAccount(t)
	one.TopUp(t, a.UserID, covered*nanobananaMicros)
	clients := []*apiclient.ClientWithResponses{one.WithKey(t, a.LiveKey), two.WithKey(t, a.LiveKey)}
	for _, c := range clients { // the crowd is to meet the balance, not the key's first look-up
		if got, err := c.GetTaskWithResponse(t.Context(), "gen_00000000000000000000000000", nil); err != nil || got.JSON404 == nil {
			t.Fatalf("the key does not work: %v", err)
		}
	}
	keys, answers := make([]string, customers), make([]told, customers)
	together(customers, func(i int) {
		ctx := t.Context()
		if i%3 == 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, time.Duration(rand.IntN(800))*time.Millisecond)
			defer cancel()
		}
		keys[i] = fmt.Sprintf("order-%d", i)
		answers[i] = order(ctx, clients[i%2], keys[i], keys[i])
	})
	apitest.Eventually(t, "the balance is spent", func() bool {
		return count(t, one, "select held_micros from accounts where user_id = $1", a.UserID) == covered*nanobananaMicros &&
			one.Node.Tasks.Waiting()+two.Node.Tasks.Waiting() == 0
	})
	got := tally(answers)
	if got[0] == 0 || got[202] == 0 || got[202] > covered || got[202]+got[403]+got[503]+got[0] != customers {
		t.Errorf("answers by status: %v, 0 = hung up; want no others, some hung up and no more than %d accepted", got, covered)
	}
	checkAnswers(t, one, keys, answers)
	for query, want := range map[string]int{
		"select count(*) from tasks":                                                                    covered,
		"select count(*) from idempotency_keys":                                                         covered,
		"select count(*) from holds where state = 'held'":                                               covered,
		"select count(*) from river_job where kind = 'task.advance'":                                    covered,
		"select count(distinct prompt) from tasks":                                                      covered,
		"select sum(amount_micros)::bigint from holds":                                                  covered * nanobananaMicros,
		"select sum(balance_micros - held_micros)::bigint from accounts":                                0,
		"select count(*) from idempotency_keys k join tasks t on t.id = k.task_id and t.prompt = k.key": covered,
	} {
		if n := count(t, one, query); n != want {
			t.Errorf("%s: %d, want %d", query, n, want)
		}
	}
	one.CheckBooks(t)
}

// deadlocks counts those of the database. Sessions tell of them when they end, at the latest, so all are ended.
func deadlocks(t *testing.T, s *apitest.Server) int {
	t.Helper()
	var pids []int32
	const others = `select coalesce(array_agg(pid), '{}') from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`
	if err := s.Pool.QueryRow(t.Context(), others).Scan(&pids); err != nil {
		t.Fatalf("list the sessions: %v", err)
	}
	exec(t, s, "select pg_terminate_backend(pid) from unnest($1::int[]) as a(pid) where pid <> pg_backend_pid()", pids)
	apitest.Eventually(t, "the sessions have ended", func() bool {
		return count(t, s, "select count(*) from pg_stat_activity where pid = any ($1) and pid <> pg_backend_pid()", pids) == 0
	})
	return count(t, s, "select deadlocks from pg_stat_database where datname = current_database()")
}

func TestMoney_HundredOrdersWithOneKeyInOneSetMakeOneTask(t *testing.T) {
	t.Parallel()
	s := patient(t)
	j, a := submitJam(t, s), s.NewPoorAccount(t)
	client := s.WithKey(t, a.LiveKey)
	answers := make([]told, 100)
	burst := func() {
		j.inOneSet(t, s, len(answers), func(i int) { answers[i] = order(t.Context(), client, "order-4711", "a fox") })
	}
	burst()
	for i, a := range answers {
		if a.code != "INSUFFICIENT_BALANCE" {
			t.Errorf("without money order %d was answered %d %s", i, a.status, a.code)
		}
	}
	if n := count(t, s, "select count(*) from idempotency_keys"); n != 0 {
		t.Errorf("%d claims are left of what was refused", n)
	}
	s.TopUp(t, a.UserID, 5*nanobananaMicros)
	burst()
	ids, replays := map[string]int{}, 0
	for _, a := range answers {
		ids[a.taskID]++
		if a.replayed {
			replays++
		}
	}
	if got := tally(answers); got[202] != 100 || len(ids) != 1 || replays != 99 {
		t.Errorf("answers by status: %v, %d tasks, %d replays; want 100 of one task, 99 of them replays", got, len(ids), replays)
	}
	if n := count(t, s, "select held_micros from accounts where user_id = $1", a.UserID); n != nanobananaMicros {
		t.Errorf("%d micros are held, want %d", n, nanobananaMicros)
	}
	s.CheckBooks(t)
}

func TestShared_ExpiredClaimIsTakenOverInASet(t *testing.T) {
	t.Parallel()
	s := patient(t)
	j, a := submitJam(t, s), s.NewAccount(t)
	client := s.WithKey(t, a.LiveKey)
	first := order(t.Context(), client, "key-0", "a fox")
	live := order(t.Context(), client, "key-1", "a fox")
	exec(t, s, "update idempotency_keys set expires_at = now() - interval '1 second' where key = 'key-0'")
	answers := make([]told, 12)
	j.inOneSet(t, s, len(answers), func(i int) {
		answers[i] = order(t.Context(), client, fmt.Sprintf("key-%d", i%10), "a fox")
	})
	if got := tally(answers); got[202] != 12 {
		t.Fatalf("answers by status: %v", got)
	}
	if answers[0].taskID == first.taskID || answers[0].taskID != answers[10].taskID || answers[0].replayed == answers[10].replayed {
		t.Errorf("the expired key of %s gave %+v and %+v; want one new task, and once a replay of it", first.taskID, answers[0], answers[10])
	}
	if answers[1].taskID != live.taskID || answers[11].taskID != live.taskID || !answers[1].replayed || !answers[11].replayed {
		t.Errorf("the live key of %s gave %+v and %+v; want replays", live.taskID, answers[1], answers[11])
	}
	if n := count(t, s, "select count(*) from tasks where user_id = $1", a.UserID); n != 11 {
		t.Errorf("%d tasks are stored, want 11", n)
	}
	s.CheckBooks(t)
}

func TestShared_TestTasksInASetHoldNothing(t *testing.T) {
	t.Parallel()
	s := patient(t)
	j, a := submitJam(t, s), s.NewPoorAccount(t)
	s.TopUp(t, a.UserID, 3*nanobananaMicros)
	live, test := s.WithKey(t, a.LiveKey), s.WithKey(t, a.TestKey)
	answers := make([]told, 20)
	j.inOneSet(t, s, len(answers), func(i int) {
		client := live
		if i%2 == 0 {
			client = test
		}
		answers[i] = order(t.Context(), client, fmt.Sprintf("key-%d", i/2), "a fox") // the same key for both, which are apart
	})
	if got := tally(answers); got[202] != 13 || got[403] != 7 {
		t.Errorf("answers by status: %v, want 10 of the test key and 3 others accepted", got)
	}
	for query, want := range map[string]int{
		"select count(*) from tasks where environment = 'test'":                                      10,
		"select count(*) from holds h join tasks t on t.id = h.task_id where t.environment = 'test'": 0,
		"select count(*) from idempotency_keys":                                                      13,
	} {
		if n := count(t, s, query); n != want {
			t.Errorf("%s: %d, want %d", query, n, want)
		}
	}
	if n := count(t, s, "select held_micros from accounts where user_id = $1", a.UserID); n != 3*nanobananaMicros {
		t.Errorf("%d micros are held, want %d", n, 3*nanobananaMicros)
	}
	s.CheckBooks(t)
}

func TestShared_StoppedNodeAnswersTruly(t *testing.T) {
	t.Parallel()
	const early, late = 80, 20
	going := patient(t)
	staying := apitest.New(t, apitest.Options{NoWork: true, DatabaseURL: going.DatabaseURL})
	j, a := submitJam(t, going), going.NewAccount(t)
	client := going.WithKey(t, a.LiveKey)
	keys, answers := make([]string, early+late), make([]told, early+late)
	for i := range keys {
		keys[i] = fmt.Sprintf("order-%d", i)
	}
	stopped := make(chan struct{})
	free := j.hold(t, staying) // in the other node's session
	ordered := make(chan struct{})
	go func() {
		defer close(ordered)
		together(early, func(i int) { answers[i] = order(t.Context(), client, keys[i], keys[i]) })
	}()
	apitest.Eventually(t, "the early ones wait", func() bool { return going.Node.Tasks.Waiting() == early })
	go func() {
		defer close(stopped)
		limit, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
		defer cancel()
		going.Node.Stop(limit)
	}()
	apitest.Eventually(t, "nobody is let in any more", func() bool {
		// One that is still let in would wait until all are freed.
		ctx, giveUp := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer giveUp()
		return order(ctx, client, "probe", "probe").code == "SERVICE_UNAVAILABLE"
	})
	together(late, func(i int) { answers[early+i] = order(t.Context(), client, keys[early+i], keys[early+i]) })
	free()
	<-ordered
	<-stopped
	if got := tally(answers[:early]); got[202] != early {
		t.Errorf("who was let in was answered %v", got)
	}
	if got := tally(answers[early:]); got[503] != late {
		t.Errorf("who came late was answered %v", got)
	}
	checkAnswers(t, staying, keys, answers)
	staying.CheckBooks(t)
}
