package task_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/eggapi/eggapi/gen/apiclient"
	"github.com/eggapi/eggapi/internal/apitest"
	"github.com/eggapi/eggapi/internal/config"
	"github.com/eggapi/eggapi/internal/provider/providertest"
)

// withGemini gives a server whose live tasks go to a local Gemini first, and to the sandbox if allowed.
func withGemini(t *testing.T, sandboxToo bool) (*apitest.Server, *providertest.Gemini) {
	t.Helper()
	fake := providertest.NewGemini("gemini-key")
	upstream := httptest.NewServer(fake)
	t.Cleanup(upstream.Close)
	s := apitest.New(t, apitest.Options{Config: func(c *config.Config) {
		c.GeminiAPIKey, c.GeminiBaseURL, c.SandboxForLive = "gemini-key", upstream.URL, sandboxToo
	}})
	return s, fake
}

func providersOf(t *testing.T, s *apitest.Server, taskID string) []string {
	t.Helper()
	rows, err := s.Pool.Query(t.Context(), "select provider || ' ' || state || coalesce(' ' || class, '') from attempts where task_id = $1 order by id", taskID)
	if err != nil {
		t.Fatalf("list attempts: %v", err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var one string
		if err := rows.Scan(&one); err != nil {
			t.Fatalf("list attempts: %v", err)
		}
		all = append(all, one)
	}
	return all
}

func TestAdvance_GeminiMakesEachImageInACallOfItsOwn(t *testing.T) {
	t.Parallel()
	s, fake := withGemini(t, false)
	a := s.NewAccount(t)
	three := int32(3)
	task := s.Generate(t, a.LiveKey, apiclient.GenerateRequest{Prompt: "a fox", NumOutputs: &three})
	done := s.WaitForEnd(t, a.LiveKey, task.ID)
	if done.Status != "completed" || done.Cost != "$0.0300" || len(done.Output.Urls) != 3 {
		t.Errorf("ended as %+v", done)
	}
	if n := fake.Calls(); n != 3 {
		t.Errorf("Gemini was called %d times, want 3", n)
	}
	s.CheckBooks(t)
}

func TestAdvance_FallsBackByClassAndChargesOnce(t *testing.T) {
	t.Parallel()
	s, _ := withGemini(t, true)
	a := s.NewAccount(t)
	task := s.Generate(t, a.LiveKey, apiclient.GenerateRequest{Prompt: "[[403]] a fox"})
	done := s.WaitForEnd(t, a.LiveKey, task.ID)
	if done.Status != "completed" || done.Cost != "$0.0100" {
		t.Errorf("ended as %+v", done)
	}
	if got := providersOf(t, s, task.ID); len(got) != 2 || got[0] != "gemini failed route_auth" || got[1] != "sandbox succeeded" {
		t.Errorf("attempts: %v", got)
	}
	s.CheckBooks(t)
}

func TestAdvance_ContentBlockIsFinalAndFree(t *testing.T) {
	t.Parallel()
	s, fake := withGemini(t, true)
	a := s.NewAccount(t)
	task := s.Generate(t, a.LiveKey, apiclient.GenerateRequest{Prompt: "[[moderation]] a fox"})
	done := s.WaitForEnd(t, a.LiveKey, task.ID)
	if done.Status != "failed" || done.Cost != "$0.00" ||
		*done.Error != "Content moderation: prompt contains prohibited content" || done.Failure.Code != "content_rejected" {
		t.Errorf("ended as %+v", done)
	}
	if fake.Calls() != 1 || len(providersOf(t, s, task.ID)) != 1 {
		t.Errorf("attempts: %v", providersOf(t, s, task.ID))
	}
	s.CheckBooks(t)
}

func TestAdvance_WithoutAnyRouteTheTaskFailsFree(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.Options{Config: func(c *config.Config) { c.SandboxForLive = false }})
	a := s.NewAccount(t)
	task := s.Generate(t, a.LiveKey, apiclient.GenerateRequest{Prompt: "a fox"})
	done := s.WaitForEnd(t, a.LiveKey, task.ID)
	if done.Status != "failed" || done.Cost != "$0.00" || !done.Failure.Retryable {
		t.Errorf("ended as %+v", done)
	}
	s.CheckBooks(t)
}

func TestAdvance_SlowProviderHoldsNoSlot(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.Options{Config: func(c *config.Config) { c.Workers = 1 }})
	a := s.NewAccount(t)
	slow := s.Generate(t, a.LiveKey, apiclient.GenerateRequest{Prompt: "[[slow:3s]] a snail"})
	apitest.Eventually(t, "the slow call runs", func() bool {
		got := providersOf(t, s, slow.ID)
		return len(got) == 1 && got[0] == "sandbox running"
	})
	quick := s.Generate(t, a.LiveKey, apiclient.GenerateRequest{Prompt: "a hare"})
	quickDone := s.WaitForEnd(t, a.LiveKey, quick.ID)
	slowDone := s.WaitForEnd(t, a.LiveKey, slow.ID)
	if quickDone.Status != "completed" || slowDone.Status != "completed" {
		t.Fatalf("ended as %+v and %+v", quickDone, slowDone)
	}
	if !quickDone.CompletedAt.Before(*slowDone.CompletedAt) {
		t.Errorf("the hare ended at %s, the snail at %s", quickDone.CompletedAt, slowDone.CompletedAt)
	}
}

func TestSweep_TaskOfADeadWorkerIsFinishedByAnother(t *testing.T) {
	t.Parallel()
	dead := apitest.New(t, apitest.Options{NoWork: true})
	a := dead.NewAccount(t)
	task := dead.Generate(t, a.LiveKey, apiclient.GenerateRequest{Prompt: "a fox"})
	// What a worker leaves that was killed in the middle of its call.
	exec(t, dead, "update river_job set state = 'running', attempt = 1, attempted_at = now() - interval '40 seconds', attempted_by = '{dead}'")
	exec(t, dead, "update tasks set status = 'processing', started_at = now(), created_at = now() - interval '40 seconds', lease_owner = 'dead/1', lease_until = now() - interval '1 second' where id = $1", task.ID)
	exec(t, dead, "insert into attempts (id, task_id, route_id, provider, upstream_model, images, lease_owner) values ('att_0', $1, 'nanobanana-sandbox', 'sandbox', 'sandbox', '{0}', 'dead/1')", task.ID)
	alive := apitest.New(t, apitest.Options{DatabaseURL: dead.DatabaseURL})
	done := alive.WaitForEnd(t, a.LiveKey, task.ID)
	if done.Status != "completed" || done.Cost != "$0.0100" {
		t.Errorf("ended as %+v", done)
	}
	if got := providersOf(t, alive, task.ID); len(got) != 2 || got[0] != "sandbox failed ambiguous" || got[1] != "sandbox succeeded" {
		t.Errorf("attempts: %v", got)
	}
	alive.CheckBooks(t)
}

func TestSweep_DiscardedJobFailsTheTaskAndReleasesTheHold(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.Options{NoWork: true})
	a := s.NewAccount(t)
	task := s.Generate(t, a.LiveKey, apiclient.GenerateRequest{Prompt: "a fox"})
	exec(t, s, "update river_job set state = 'discarded', finalized_at = now()")
	exec(t, s, "update tasks set created_at = now() - interval '10 seconds' where id = $1", task.ID)
	if err := s.Node.Tasks.SweepOnce(t.Context()); err != nil {
		t.Fatalf("sweep: %v", err)
	}
	done := s.WaitForEnd(t, a.LiveKey, task.ID)
	if done.Status != "failed" || done.Cost != "$0.00" {
		t.Errorf("ended as %+v", done)
	}
	if held := count(t, s, "select held_micros from accounts where user_id = $1", a.UserID); held != 0 {
		t.Errorf("%d micros are still held", held)
	}
	s.CheckBooks(t)
}

func TestSweep_LateTaskEndsWithWhatItDelivered(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.Options{})
	a := s.NewAccount(t)
	task := s.Generate(t, a.LiveKey, apiclient.GenerateRequest{Prompt: "[[timeout]] never"})
	apitest.Eventually(t, "the call runs", func() bool { return len(providersOf(t, s, task.ID)) == 1 })
	exec(t, s, "update tasks set deadline_at = now() - interval '1 second' where id = $1", task.ID)
	start := time.Now()
	done := s.WaitForEnd(t, a.LiveKey, task.ID)
	if done.Status != "failed" || done.Failure.Code != "timeout" || done.Cost != "$0.00" {
		t.Errorf("after %s ended as %+v", time.Since(start), done)
	}
	s.CheckBooks(t)
}

func TestSweep_VanishedJobIsQueuedAgain(t *testing.T) {
	t.Parallel()
	idle := apitest.New(t, apitest.Options{NoWork: true})
	a := idle.NewAccount(t)
	task := idle.Generate(t, a.LiveKey, apiclient.GenerateRequest{Prompt: "a fox"})
	exec(t, idle, "delete from river_job")
	exec(t, idle, "update tasks set created_at = now() - interval '10 seconds' where id = $1", task.ID)
	alive := apitest.New(t, apitest.Options{DatabaseURL: idle.DatabaseURL})
	if done := alive.WaitForEnd(t, a.LiveKey, task.ID); done.Status != "completed" {
		t.Errorf("ended as %+v", done)
	}
	alive.CheckBooks(t)
}

func TestAdvance_LeaseKeepsOtherWorkersAway(t *testing.T) {
	t.Parallel()
	idle := apitest.New(t, apitest.Options{NoWork: true})
	a := idle.NewAccount(t)
	task := idle.Generate(t, a.LiveKey, apiclient.GenerateRequest{Prompt: "a fox"})
	exec(t, idle, "update tasks set status = 'processing', started_at = now(), lease_owner = 'other/1', lease_until = now() + interval '1 hour' where id = $1", task.ID)
	alive := apitest.New(t, apitest.Options{DatabaseURL: idle.DatabaseURL})
	apitest.Eventually(t, "a worker has run the job", func() bool {
		return count(t, alive, "select count(*) from river_job where kind = 'task.advance' and state = 'completed'") == 1
	})
	if got := providersOf(t, alive, task.ID); len(got) != 0 {
		t.Errorf("another worker's task was worked on: %v", got)
	}
}

func TestSweep_TaskThatCannotBeHelpedDoesNotHoldUpTheOthers(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.Options{NoWork: true})
	a := s.NewAccount(t)
	broken := s.Generate(t, a.LiveKey, apiclient.GenerateRequest{Prompt: "a fox"})
	sound := s.Generate(t, a.LiveKey, apiclient.GenerateRequest{Prompt: "a hare"})
	exec(t, s, "update tasks set deadline_at = now() - interval '1 second'")
	exec(t, s, "delete from holds where task_id = $1", broken.ID)
	if err := s.Node.Tasks.SweepOnce(t.Context()); err == nil {
		t.Error("the task without a hold was ended without a word")
	}
	if done := s.WaitForEnd(t, a.LiveKey, sound.ID); done.Status != "failed" {
		t.Errorf("the other ended as %+v", done)
	}
}
