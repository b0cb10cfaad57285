package task_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/eggapi/eggapi/internal/apitest"
	"github.com/eggapi/eggapi/internal/audit"
	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/meter"
	"github.com/eggapi/eggapi/internal/task"
)

// capped makes a key with limits for a user.
func capped(t *testing.T, s *apitest.Server, userID, environment string, l meter.Limits) string {
	t.Helper()
	key, _, err := s.Node.Keyring.Create(t.Context(), auth.NewKey{
		Actor: audit.Actor{UserID: userID}, Name: "capped", Environment: environment, Limits: auth.KeyLimits{Limits: l},
	})
	if err != nil {
		t.Fatalf("create a key: %v", err)
	}
	return key.ID
}

// recap changes the limits of a key.
func recap(t *testing.T, s *apitest.Server, userID, keyID string, l meter.Limits) {
	t.Helper()
	_, err := s.Node.Keyring.Update(t.Context(), auth.ChangeKey{Actor: audit.Actor{UserID: userID}, ID: keyID, Limits: &auth.KeyLimits{Limits: l}})
	if err != nil {
		t.Fatalf("change a key: %v", err)
	}
}

func tasksWorth(n int64) *int64 {
	micros := n * nanobananaMicros
	return &micros
}

// spent is what a key's meter counts, in tasks, and how many it says are under way.
func spent(t *testing.T, s *apitest.Server, keyID string) (tasks, running int) {
	t.Helper()
	return count(t, s, "select spent_micros / $2 from api_key_meters where api_key_id = $1", keyID, nanobananaMicros),
		count(t, s, "select running from api_key_meters where api_key_id = $1", keyID)
}

// Half of the orders have an Idempotency-Key, so that both ways of accepting meet at the cap's edge.
func TestMeter_TwoHundredOrdersOnTwoNodesSpendACapToItsEdgeAndNoFurther(t *testing.T) {
	t.Parallel()
	const orders, most = 200, 50
	one := patient(t)
	nodes := []*apitest.Server{one, apitest.New(t, apitest.Options{NoWork: true, DatabaseURL: one.DatabaseURL})}
	user := payer(t, one, "usr_1", 2*orders)
	ten, spending := int32(10), meter.Limits{SpendCapMicros: tasksWorth(most), SpendWindow: meter.WindowDay}
	for _, tt := range []struct {
		environment string
		limits      meter.Limits
		want        int32
		keyed       int // of four orders, those with an Idempotency-Key, which have their set decided in turn
	}{
		{"live", spending, most, 2},
		{"live", spending, most, 0},
		{"live", meter.Limits{RunningTasks: &ten}, ten, 2},
		{"live", meter.Limits{RunningTasks: &ten}, ten, 0},
		{"test", meter.Limits{RunningTasks: &ten}, ten, 2}, // no lock of an account makes these take turns
		{"test", meter.Limits{RunningTasks: &ten}, ten, 0},
	} {
		keyID, want := capped(t, one, user, tt.environment, tt.limits), tt.want
		var accepted, refused atomic.Int32
		together(orders, func(i int) {
			caller := task.Caller{UserID: user, Environment: tt.environment, APIKeyID: &keyID}
			if i%4 < tt.keyed {
				idempotencyKey := fmt.Sprint(keyID, i)
				caller.IdempotencyKey = &idempotencyKey
			}
			switch _, err := nodes[i%2].Node.Tasks.Submit(t.Context(), caller, fox(1)); {
			case err == nil:
				accepted.Add(1)
			case fault.CodeOf(err) == fault.QuotaExceeded:
				refused.Add(1)
			default:
				t.Errorf("told %v", err)
			}
		})
		if accepted.Load() != want || refused.Load() != orders-want {
			t.Errorf("%d accepted, %d refused; want %d accepted", accepted.Load(), refused.Load(), want)
		}
		if n := count(t, one, "select count(*) from tasks where api_key_id = $1", keyID); n != int(want) {
			t.Errorf("%d tasks are stored, want %d", n, want)
		}
		if n, running := spent(t, one, keyID); running != int(want) || tt.environment == "live" && n != int(want) {
			t.Errorf("the meter counts %d spent and %d running, want %d", n, running, want)
		}
	}
	one.CheckBooks(t)
	if n := deadlocks(t, one); n != 0 {
		t.Errorf("%d deadlocks", n)
	}
}

// Both nodes find one place free before either takes it.
func TestMeter_TwoNodesDecidingAtOnceGiveTheLastPlaceOnce(t *testing.T) {
	t.Parallel()
	one := patient(t)
	nodes := []*apitest.Server{one, apitest.New(t, apitest.Options{NoWork: true, DatabaseURL: one.DatabaseURL})}
	user, single := payer(t, one, "usr_1", 100), int32(1)
	for name, tt := range map[string]struct {
		environment string
		keyed       bool
	}{
		"live, at once": {"live", false}, "live, in turn": {"live", true}, "test, at once": {"test", false}, "test, in turn": {"test", true},
	} {
		keyID := capped(t, one, user, tt.environment, meter.Limits{RunningTasks: &single})
		held := fmt.Sprintf("select from api_key_meters where api_key_id = '%s' for update", keyID)
		if tt.environment == "live" {
			held = fmt.Sprintf("select from accounts where user_id = '%s' for update", user)
		}
		free := lock(t, one, held)
		errs := make([]error, len(nodes))
		var all sync.WaitGroup
		for i, n := range nodes {
			caller := task.Caller{UserID: user, Environment: tt.environment, APIKeyID: &keyID}
			if tt.keyed {
				idempotencyKey := fmt.Sprint(keyID, i)
				caller.IdempotencyKey = &idempotencyKey
			}
			all.Go(func() { _, errs[i] = n.Node.Tasks.Submit(t.Context(), caller, fox(1)) })
		}
		waitForLocks(t, one, len(nodes))
		free()
		all.Wait()
		if (errs[0] == nil) == (errs[1] == nil) || fault.CodeOf(errors.Join(errs...)) != fault.QuotaExceeded {
			t.Errorf("%s: told %v; want one accepted and one refused", name, errs)
		}
	}
	one.CheckBooks(t)
}

// A set holds orders of a key that has room for some of them, of one that has room, and of none.
func TestMeter_KeyWithRoomForSomeOfItsOrdersOfASetIsGivenThat(t *testing.T) {
	t.Parallel()
	s := patient(t)
	user, poor := payer(t, s, "usr_1", 100), payer(t, s, "usr_2", 1)
	three := int32(3)
	tight, wide := capped(t, s, user, "live", meter.Limits{RunningTasks: &three}), capped(t, s, user, "live", meter.Limits{})
	broke := capped(t, s, poor, "live", meter.Limits{SpendCapMicros: tasksWorth(50), SpendWindow: meter.WindowTotal})
	sandbox := capped(t, s, user, "test", meter.Limits{RunningTasks: &three, SpendCapMicros: tasksWorth(1), SpendWindow: meter.WindowDay})
	var mu sync.Mutex
	got := map[string]int{}
	submitJam(t, s).inOneSet(t, s, 24, func(i int) {
		caller := task.Caller{Environment: "live"}
		switch i % 4 {
		case 0:
			caller.UserID, caller.APIKeyID = user, &tight
		case 1:
			caller.UserID, caller.APIKeyID = user, &wide
		case 2:
			caller.UserID, caller.APIKeyID = poor, &broke
		case 3:
			caller.UserID, caller.APIKeyID, caller.Environment = user, &sandbox, "test"
		}
		_, err := s.Node.Tasks.Submit(t.Context(), caller, fox(1))
		word := "accepted"
		if err != nil {
			word = string(fault.CodeOf(err))
		}
		mu.Lock()
		defer mu.Unlock()
		got[*caller.APIKeyID+" "+word]++
	})
	want := map[string]int{
		tight + " accepted": 3, tight + " QUOTA_EXCEEDED": 3, wide + " accepted": 6, broke + " accepted": 1, broke + " INSUFFICIENT_BALANCE": 5,
		sandbox + " accepted": 3, sandbox + " QUOTA_EXCEEDED": 3,
	}
	for word, n := range want {
		if got[word] != n {
			t.Errorf("%s: %d, want %d", word, got[word], n)
		}
	}
	if n, running := spent(t, s, broke); n != 1 || running != 1 {
		t.Errorf("the poor key's meter counts %d and %d running", n, running)
	}
	s.CheckBooks(t)
}

func TestMeter_WhatATaskDoesNotCostIsGivenBack(t *testing.T) {
	t.Parallel()
	s := patient(t)
	user := payer(t, s, "usr_1", 100)
	keyID := capped(t, s, user, "live", meter.Limits{SpendCapMicros: tasksWorth(6), SpendWindow: meter.WindowDay})
	submit := func(images int32) (string, error) {
		got, err := s.Node.Tasks.Submit(t.Context(), task.Caller{UserID: user, Environment: "live", APIKeyID: &keyID}, fox(images))
		return got.Task.ID, err
	}
	failing, err := submit(2)
	if err != nil {
		t.Fatal(err)
	}
	partly, err := submit(4)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := submit(1); fault.CodeOf(err) != fault.QuotaExceeded {
		t.Fatalf("over the cap: %v", err)
	}
	begin(t, s, []string{partly}, true)
	for _, id := range []string{failing, partly} {
		if err := s.Node.Tasks.End(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if n, running := spent(t, s, keyID); n != 1 || running != 0 {
		t.Errorf("the meter counts %d spent and %d running, want 1 and 0", n, running)
	}
	if err := s.Node.Tasks.End(t.Context(), partly); err != nil { // a late end changes nothing
		t.Fatal(err)
	}
	for range 5 {
		if _, err := submit(1); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := submit(1); fault.CodeOf(err) != fault.QuotaExceeded {
		t.Errorf("over the cap again: %v", err)
	}
	s.CheckBooks(t)
}

// Test orders lock no account, so nothing but the order of the meters keeps two nodes from waiting for each other.
func TestMeter_SetsInOppositeOrdersNeitherDeadlockNorFail(t *testing.T) {
	t.Parallel()
	const rounds = 4
	one := patient(t)
	c := crossing{one, apitest.New(t, apitest.Options{NoWork: true, DatabaseURL: one.DatabaseURL})}
	for i := range c {
		payer(t, one, fmt.Sprintf("filler_%d", i), 2*rounds*task.WriteSlots)
	}
	many := int32(1000)
	callers := make([]task.Caller, crossingUsers)
	for i := range callers {
		user := payer(t, one, crossingUser(i), 1)
		keyID := capped(t, one, user, "test", meter.Limits{RunningTasks: &many})
		callers[i] = task.Caller{UserID: user, Environment: "test", APIKeyID: &keyID}
	}
	slices.SortFunc(callers, func(a, b task.Caller) int { return strings.Compare(*a.APIKeyID, *b.APIKeyID) })
	who := func(i int) task.Caller { return callers[i] }
	held := fmt.Sprintf("select from api_key_meters where api_key_id = '%s' for update", *callers[crossingUsers/2].APIKeyID)
	for round := range rounds {
		c.cross(t, held, who, "", "")
		c.cross(t, held, who, fmt.Sprintf("one %d", round), fmt.Sprintf("two %d", round))
	}
	if n := count(t, one, "select sum(running) from api_key_meters"); n != 4*rounds*crossingUsers {
		t.Errorf("the meters count %d tasks, want %d", n, 4*rounds*crossingUsers)
	}
	if n := deadlocks(t, one); n != 0 {
		t.Errorf("%d deadlocks", n)
	}
	one.CheckBooks(t)
}

// Orders and ends of the same keys on two nodes, and changes of their limits, lock in one order.
func TestMeter_OrdersEndsAndChangesOfLimitsDoNotDeadlock(t *testing.T) {
	t.Parallel()
	one := patient(t)
	nodes := []*apitest.Server{one, apitest.New(t, apitest.Options{NoWork: true, DatabaseURL: one.DatabaseURL})}
	user := payer(t, one, "usr_1", 1000)
	fifty := int32(50)
	var keys []string
	for _, environment := range []string{"live", "test"} {
		for range 4 {
			keys = append(keys, capped(t, one, user, environment, meter.Limits{RunningTasks: &fifty}))
		}
	}
	together(320, func(i int) {
		n := nodes[i%2]
		k := i % len(keys)
		environment := "live"
		if k >= 4 {
			environment = "test"
		}
		caller := task.Caller{UserID: user, Environment: environment, APIKeyID: &keys[k]}
		if i%3 == 0 {
			idempotencyKey := fmt.Sprint(i)
			caller.IdempotencyKey = &idempotencyKey
		}
		got, err := n.Node.Tasks.Submit(t.Context(), caller, fox(1))
		if err != nil {
			t.Errorf("submit: %v", err)
			return
		}
		if i%16 == 0 {
			recap(t, n, user, keys[k], meter.Limits{RunningTasks: &fifty, SpendCapMicros: tasksWorth(500), SpendWindow: meter.WindowDay})
		}
		if err := nodes[(i+1)%2].Node.Tasks.End(t.Context(), got.Task.ID); err != nil {
			t.Errorf("end: %v", err)
		}
	})
	if n := deadlocks(t, one); n != 0 {
		t.Errorf("%d deadlocks", n)
	}
	if n := count(t, one, "select sum(running) from api_key_meters"); n != 0 {
		t.Errorf("%d tasks are still counted", n)
	}
	one.CheckBooks(t)
}
