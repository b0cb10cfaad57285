package task_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/eggapi/eggapi/gen/apiclient"
	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/apitest"
	"github.com/eggapi/eggapi/internal/dbtest"
	"github.com/eggapi/eggapi/internal/task"
)

// patient gives a server that serves only, and whose statements wait for locks as long as a test needs.
func patient(t *testing.T) *apitest.Server {
	t.Helper()
	return apitest.New(t, apitest.Options{NoWork: true, DatabaseURL: dbtest.NewURL(t) + "&lock_timeout=30000&statement_timeout=30000"})
}

// jam keeps all slots for one kind of request busy: fillers wait for a locked table, and what comes after them for a slot.
type jam struct {
	lock  string // statement
	slots int
	fill  func(ctx context.Context) error
}

// submitJam is filled with orders of a rich account.
func submitJam(t *testing.T, s *apitest.Server) jam {
	t.Helper()
	rich := s.NewAccount(t)
	return jam{"lock table accounts in exclusive mode", task.WriteSlots, func(ctx context.Context) error {
		_, err := s.Node.Tasks.Submit(ctx, task.Caller{UserID: rich.UserID, Environment: "live"}, fox(1))
		return err
	}}
}

func endJam(s *apitest.Server) jam {
	return jam{"lock table tasks in exclusive mode", task.WriteSlots, func(ctx context.Context) error { return s.Node.Tasks.End(ctx, "gen_none") }}
}

func leaseJam(s *apitest.Server) jam {
	return jam{"lock table tasks in exclusive mode", task.WriteSlots, func(ctx context.Context) error {
		_, err := s.Node.Tasks.Lease(ctx, "gen_none", "nobody")
		return err
	}}
}

func callJam(s *apitest.Server) jam {
	return jam{"lock table attempts in exclusive mode", task.WriteSlots, func(ctx context.Context) error {
		_, err := s.Node.Tasks.NoteCall(ctx, "att_none", "gen_none", "nobody")
		return err
	}}
}

func readJam(s *apitest.Server) jam {
	return jam{"lock table outputs in access exclusive mode", task.ReadSlots, func(ctx context.Context) error {
		_, err := s.Node.Tasks.Get(ctx, db.TaskGetParams{ID: "gen_none"})
		return err
	}}
}

func fox(images int32) task.Request {
	return task.Request{Model: "nanobanana", Prompt: "a fox", AspectRatio: "16:9", NumOutputs: images}
}

// hold locks the table and fills the slots. What comes until free is called forms one set.
func (j jam) hold(t *testing.T, s *apitest.Server) (free func()) {
	t.Helper()
	freeTable := lock(t, s, j.lock)
	var fillers sync.WaitGroup
	for range j.slots {
		fillers.Go(func() {
			if err := j.fill(t.Context()); err != nil {
				t.Errorf("a filler: %v", err)
			}
		})
	}
	waitForLocks(t, s, j.slots)
	return func() {
		freeTable()
		fillers.Wait()
	}
}

// inOneSet runs f for 0 to n-1 so that their n requests are in one set.
func (j jam) inOneSet(t *testing.T, s *apitest.Server, n int, f func(i int)) {
	t.Helper()
	free := j.hold(t, s)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { f(i) })
	}
	apitest.Eventually(t, fmt.Sprintf("%d wait", n), func() bool { return s.Node.Tasks.Waiting() == n })
	free()
	all.Wait()
}

// told is what a customer knows after his order.
type told struct {
	status   int // 0 = he hung up, or the connection broke
	code     string
	taskID   string
	replayed bool
}

// order sends one, with an Idempotency-Key unless key is empty.
func order(ctx context.Context, c *apiclient.ClientWithResponses, key, prompt string) told {
	params := &apiclient.GenerateParams{}
	if key != "" {
		params.IdempotencyKey = &key
	}
	got, err := c.GenerateWithResponse(ctx, params, apiclient.GenerateRequest{Model: "nanobanana", Prompt: prompt})
	if err != nil {
		return told{}
	}
	a := told{status: got.StatusCode(), replayed: got.HTTPResponse.Header.Get("Idempotent-Replayed") == "true"}
	switch {
	case got.JSON202 != nil:
		a.taskID = got.JSON202.Data.ID
	case got.JSON403 != nil:
		a.code = got.JSON403.Error.Code
	case got.JSON500 != nil:
		a.code = got.JSON500.Error.Code
	case got.JSON503 != nil:
		a.code = got.JSON503.Error.Code
	}
	return a
}

// tally counts answers by their status.
func tally(answers []told) map[int]int {
	n := map[int]int{}
	for _, a := range answers {
		n[a.status]++
	}
	return n
}

// checkAnswers holds what customers were told against what is stored: key i belongs to answer i.
func checkAnswers(t *testing.T, s *apitest.Server, keys []string, answers []told) {
	t.Helper()
	var accepted, none []string
	for i, a := range answers {
		switch {
		case a.status == 202:
			accepted = append(accepted, a.taskID)
		case a.status != 0:
			none = append(none, keys[i])
		}
	}
	if n := count(t, s, "select count(*) from unnest($1::text[]) a(id) where not exists (select from tasks t where t.id = a.id)", accepted); n != 0 {
		t.Errorf("%d answers name a task that does not exist", n)
	}
	if n := count(t, s, "select count(*) from idempotency_keys where key = any ($1)", none); n != 0 {
		t.Errorf("%d keys are claimed that were refused", n)
	}
	if n := count(t, s, "select count(*) from tasks where prompt = any ($1)", none); n != 0 {
		t.Errorf("%d tasks exist that were refused", n)
	}
}
