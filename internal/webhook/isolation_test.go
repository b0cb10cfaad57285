package webhook_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/eggapi/eggapi/internal/fetch"
	"github.com/eggapi/eggapi/internal/webhook"
)

// TestDeliver_BlackHoleHostDoesNotHoldUpOthers runs a real River client whose workers one host could fill twelve times over.
func TestDeliver_BlackHoleHostDoesNotHoldUpOthers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.deliver(t, webhook.DelivererConfig{Clock: time.Now})
	var inFlight, most atomic.Int32
	done := make(chan struct{})
	blackHole := receive(t, func(http.ResponseWriter, *http.Request) {
		n := inFlight.Add(1)
		defer inFlight.Add(-1)
		for seen := most.Load(); n > seen && !most.CompareAndSwap(seen, n); seen = most.Load() {
		}
		<-done
	})
	for range 100 {
		b.enqueue(t, b.event(t, alice, blackHole.url))
	}
	answered := make(chan struct{}, 10)
	for range 10 {
		healthy := receive(t, func(http.ResponseWriter, *http.Request) { answered <- struct{}{} })
		b.enqueue(t, b.event(t, bob, healthy.url))
	}
	stop := b.run(t, 8)
	for range 10 {
		await(t, answered)
	}
	if n := most.Load(); n < 1 || n > 4 {
		t.Errorf("%d calls at once to the black hole, want at most 4", n)
	}
	close(done)
	stop()
}

// TestDeliver_FailedTryIsMadeAgainByRiver needs NextRetry and River to agree on what is past.
func TestDeliver_FailedTryIsMadeAgainByRiver(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.deliver(t, webhook.DelivererConfig{Clock: time.Now, Schedule: []time.Duration{0, time.Nanosecond, time.Nanosecond}})
	var calls atomic.Int32
	delivered := make(chan struct{})
	r := receive(t, func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) < 3 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		close(delivered)
	})
	eventID := b.enqueue(t, b.event(t, alice, r.url))
	stop := b.run(t, 2)
	await(t, delivered)
	stop()
	wantText(t, "the state", b.state(t, eventID), "delivered 3")
}

func TestWork_OpenBreakerSnoozesAndBurnsNoTry(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var calls int
	b.deliver(t, webhook.DelivererConfig{Poster: postFunc(
		func(context.Context, fetch.PostRequest) (fetch.PostResponse, error) {
			calls++
			return fetch.PostResponse{}, fetch.ErrPostTimeout
		})})
	var eventID string
	for range 6 {
		eventID = b.enqueue(t, b.event(t, alice, "https://slow.example/hook"))
		b.work(t, eventID)
	}
	job := b.job(t, eventID)
	wantText(t, "the state", b.state(t, eventID), "pending 0")
	if wait := job.ScheduledAt.Sub(b.clock.now()); calls != 5 || job.Attempt != 0 || wait < time.Minute {
		t.Errorf("%d calls, then attempt %d in %v", calls, job.Attempt, wait)
	}
	b.clock.set(job.ScheduledAt)
	if err := b.deliverer.Work(t.Context(), b.again(t, eventID)); err == nil || errors.As(err, new(*river.JobSnoozeError)) {
		t.Errorf("after the minute: %v", err)
	}
	wantText(t, "the state after the minute", b.state(t, eventID), "pending 1")
}

// run works the queue by a real River client until the function it gives is called.
func (b *bundle) run(t *testing.T, workers int) (stop func()) {
	t.Helper()
	bundle := river.NewWorkers()
	river.AddWorker(bundle, b.deliverer)
	client, err := river.NewClient(riverpgxv5.New(b.pool), &river.Config{
		Logger: quiet(), Workers: bundle, TestOnly: true,
		FetchCooldown: 5 * time.Millisecond, FetchPollInterval: 20 * time.Millisecond,
		Queues: map[string]river.QueueConfig{webhook.Queue: {MaxWorkers: workers}},
	})
	must(t, err)
	must(t, client.Start(t.Context()))
	return func() {
		t.Helper()
		must(t, client.Stop(t.Context()))
	}
}

// await gives up long before a post's timeout or River's own retry policy could help.
func await(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(10 * time.Second):
		t.Fatal("nothing came within 10 s")
	}
}
