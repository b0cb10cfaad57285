package webhook_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/eggapi/eggapi/internal/fetch"
	"github.com/eggapi/eggapi/internal/webhook"
)

func TestWork_ReceiverCanVerifyBothSignaturesOfTheStoredBytes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := receive(t, status(http.StatusNoContent))
	eventID := b.enqueue(t, b.event(t, alice, r.url))
	if kind := b.work(t, eventID).EventKind; kind != river.EventKindJobCompleted {
		t.Errorf("the job is %s", kind)
	}
	wantText(t, "the state", b.state(t, eventID), "delivered 1")
	secret, err := b.secrets.Ensure(t.Context(), alice)
	must(t, err)
	got := r.requests()
	if len(got) != 1 {
		t.Fatalf("%d requests, want 1", len(got))
	}
	must(t, webhook.Verify(secret, got[0].header.Get, got[0].body, b.clock.now(), 0))
	official, err := standardwebhooks.NewWebhook(secret)
	must(t, err)
	must(t, official.VerifyIgnoringTimestamp(got[0].body, got[0].header))
	wantText(t, "the body", string(got[0].body), one[string](t, b.pool, `select payload from webhook_events`))
	wantText(t, "the content type", got[0].header.Get("Content-Type"), "application/json")
	wantText(t, "the id", got[0].header.Get("webhook-id"), eventID)
	wantText(t, "the log", one[string](t, b.pool, `select concat_ws(' ', event_id, user_id, attempt, http_status, error_code)
		from webhook_deliveries`), eventID+" usr_alice 1 204")
}

func TestWork_JobOfAnEndedEventDoesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := receive(t, status(http.StatusOK))
	eventID := b.enqueue(t, b.event(t, alice, r.url))
	for range 3 {
		must(t, b.deliverer.Work(t.Context(), b.again(t, eventID)))
	}
	wantText(t, "the state", b.state(t, eventID), "delivered 1")
	if n := len(r.requests()); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

func TestWork_JobThatWasReplacedDoesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := receive(t, status(http.StatusOK))
	eventID := b.enqueue(t, b.event(t, alice, r.url))
	replaced := b.again(t, eventID)
	b.exec(t, `update webhook_events set job_id = job_id + 1`)
	must(t, b.deliverer.Work(t.Context(), replaced))
	wantText(t, "the state", b.state(t, eventID), "pending 0")
	if n := len(r.requests()); n != 0 {
		t.Errorf("%d requests, want none", n)
	}
}

func TestWork_JobWithoutAnEventIsCancelled(t *testing.T) {
	t.Parallel()
	b := setup(t)
	err := b.deliverer.Work(t.Context(), jobOf(1, "evt_none"))
	if cancelled := (*river.JobCancelError)(nil); !errors.As(err, &cancelled) {
		t.Errorf("gave %v", err)
	}
}

// TestWork_TriesTenTimesByTheScheduleThenGivesUp runs three days through River's own executor on a clock that is moved.
func TestWork_TriesTenTimesByTheScheduleThenGivesUp(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := receive(t, status(http.StatusInternalServerError))
	eventID := b.enqueue(t, b.event(t, alice, r.url))
	delays := webhook.DefaultSchedule()
	var total time.Duration
	for n := 1; n < len(delays); n++ {
		before := b.clock.now()
		job := b.work(t, eventID).Job
		if job.State != rivertype.JobStateRetryable && job.State != rivertype.JobStateAvailable || job.Attempt != n {
			t.Fatalf("after try %d the job is %s, attempt %d", n, job.State, job.Attempt)
		}
		gap := job.ScheduledAt.Sub(before)
		if low, high := delays[n]*8/10, delays[n]*12/10; gap < low || gap > high {
			t.Errorf("try %d follows after %v, want %v to %v", n+1, gap, low, high)
		}
		next := one[time.Time](t, b.pool, `select next_attempt_at from webhook_events where id = $1`, eventID)
		if !next.Equal(job.ScheduledAt) {
			t.Errorf("try %d is due at %v, River says %v", n+1, next, job.ScheduledAt)
		}
		total += gap
		b.clock.set(job.ScheduledAt)
	}
	wantText(t, "the state before the last try", b.state(t, eventID), "pending 9")
	if kind := b.work(t, eventID).EventKind; kind != river.EventKindJobCompleted {
		t.Errorf("after the last try the job is %s", kind)
	}
	wantText(t, "the state", b.state(t, eventID), "exhausted 10")
	if n := len(r.requests()); n != 10 || total < 60*time.Hour {
		t.Errorf("%d tries over %v, want 10 over at least 60 h", n, total)
	}
	for _, got := range r.requests() {
		wantText(t, "the id of a try", got.header.Get("webhook-id"), eventID)
	}
}

func TestWork_StatusDecides(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for code, want := range map[int]string{
		200: "delivered 1", 201: "delivered 1", 299: "delivered 1",
		302: "pending 1", 400: "pending 1", 401: "pending 1", 404: "pending 1", 429: "pending 1",
		500: "pending 1", 503: "pending 1", 410: "exhausted 1",
	} {
		r := receive(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(code)
		})
		eventID := b.enqueue(t, b.event(t, alice, r.url))
		b.work(t, eventID)
		if got := b.state(t, eventID); got != want || len(r.requests()) != 1 {
			t.Errorf("status %d leaves the event %s after %d requests, want %s", code, got, len(r.requests()), want)
		}
	}
}

func TestWork_RetryAfterIsHeldBetweenTheDelayAndTwiceIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.deliver(t, webhook.DelivererConfig{Jitter: -1})
	const delay = 5 * time.Second
	for _, c := range []struct {
		code   int
		header string
		want   time.Duration
	}{
		{429, "7", 7 * time.Second},
		{503, "7", 7 * time.Second},
		{500, "7", delay},
		{302, "7", delay},
		{429, "", delay},
		{429, "0", delay},
		{429, "-1", delay},
		{429, "NaN", delay},
		{429, "1e12", delay},
		{429, "1", delay},
		{429, "999999999999999999999999", 2 * delay},
		{429, "3600", 2 * delay},
		{503, "Mon, 01 Jan 2001 00:00:00 GMT", delay},
		{503, "Fri, 31 Dec 2199 23:59:59 GMT", 2 * delay},
		{503, "Fri, 99 Foo", delay},
	} {
		r := receive(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", c.header)
			w.WriteHeader(c.code)
		})
		job := b.work(t, b.enqueue(t, b.event(t, alice, r.url))).Job
		if got := job.ScheduledAt.Sub(b.clock.now()); got != c.want {
			t.Errorf("status %d with Retry-After %q is tried after %v, want %v", c.code, c.header, got, c.want)
		}
	}
}

func TestWork_KeepsAStorableStartOfTheReplyAndNoSecret(t *testing.T) {
	t.Parallel()
	b := setup(t)
	secret, err := b.secrets.Ensure(t.Context(), alice)
	must(t, err)
	r := receive(t, func(w http.ResponseWriter, req *http.Request) {
		_ = req.Header.Write(w)
		_, _ = w.Write([]byte("\x00\xff key " + secret + strings.Repeat("\xffé", 5000)))
	})
	eventID := b.enqueue(t, b.event(t, alice, r.url))
	b.work(t, eventID)
	reply := one[string](t, b.pool, `select response_body from webhook_deliveries`)
	if len(reply) > 4096 || len(reply) < 4000 || !strings.Contains(reply, "key whsec_[secret]") {
		t.Errorf("kept %d bytes: %.600q", len(reply), reply)
	}
	everything := one[string](t, b.pool, `select (select string_agg(d::text, '') from webhook_deliveries d)
		|| (select string_agg(e::text, '') from webhook_events e) || (select string_agg(j::text, '') from river_job j)`)
	if strings.Contains(everything, strings.TrimPrefix(secret, "whsec_")) {
		t.Error("the secret is in a delivery, an event or a job")
	}
}

func TestWork_CrashBeforeTheCommitSendsTheSameIDAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := receive(t, status(http.StatusOK))
	eventID := b.enqueue(t, b.event(t, alice, r.url))
	doomed, err := pgxpool.NewWithConfig(t.Context(), b.pool.Config())
	must(t, err)
	real := loopback(t)
	b.deliver(t, webhook.DelivererConfig{Pool: doomed, Poster: postFunc(
		func(ctx context.Context, p fetch.PostRequest) (fetch.PostResponse, error) {
			resp, err := real.Post(ctx, p)
			doomed.Close() // the answer is here, the database is gone
			return resp, err
		})})
	job := b.work(t, eventID).Job
	wantText(t, "the state after the crash", b.state(t, eventID), "pending 0")
	if wait := job.ScheduledAt.Sub(b.clock.now()); wait != 5*time.Second {
		t.Errorf("the job runs again after %v", wait)
	}
	b.deliver(t, webhook.DelivererConfig{})
	b.work(t, eventID)
	wantText(t, "the state", b.state(t, eventID), "delivered 1")
	got := r.requests()
	if len(got) != 2 || got[0].header.Get("webhook-id") != eventID || got[1].header.Get("webhook-id") != eventID {
		t.Errorf("the receiver got %v", got)
	}
}

func TestWork_CrashAfterTheCommitDoesNotTryEarly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.deliver(t, webhook.DelivererConfig{Jitter: -1})
	r := receive(t, status(http.StatusInternalServerError))
	eventID := b.enqueue(t, b.event(t, alice, r.url))
	b.work(t, eventID)
	b.clock.add(2 * time.Second)
	snoozed := b.deliverer.Work(t.Context(), b.again(t, eventID))
	if s := (*river.JobSnoozeError)(nil); !errors.As(snoozed, &s) || s.Duration != 3*time.Second {
		t.Errorf("gave %v, want a snooze of 3 s", snoozed)
	}
	b.clock.add(3 * time.Second)
	b.work(t, eventID)
	wantText(t, "the state", b.state(t, eventID), "pending 2")
}

func TestWork_StoppingProcessBurnsNoTry(t *testing.T) {
	t.Parallel()
	b := setup(t)
	eventID := b.enqueue(t, b.event(t, alice, "http://127.0.0.1:1/hook"))
	ctx, cancel := context.WithCancel(t.Context())
	b.deliver(t, webhook.DelivererConfig{Poster: postFunc(
		func(ctx context.Context, _ fetch.PostRequest) (fetch.PostResponse, error) {
			cancel()
			return fetch.PostResponse{}, ctx.Err()
		})})
	if err := b.deliverer.Work(ctx, b.again(t, eventID)); !errors.Is(err, context.Canceled) {
		t.Errorf("gave %v", err)
	}
	wantText(t, "the state", b.state(t, eventID), "pending 0")
}

func TestWork_AnswerToAStoppingProcessIsNoted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	eventID := b.enqueue(t, b.event(t, alice, "http://127.0.0.1:1/hook"))
	ctx, cancel := context.WithCancel(t.Context())
	b.deliver(t, webhook.DelivererConfig{Poster: postFunc(
		func(context.Context, fetch.PostRequest) (fetch.PostResponse, error) {
			cancel()
			return fetch.PostResponse{Status: 200}, nil
		})})
	must(t, b.deliverer.Work(ctx, b.again(t, eventID)))
	wantText(t, "the state", b.state(t, eventID), "delivered 1")
}

func TestWork_LateAnswerOfASecondJobChangesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := receive(t, status(http.StatusInternalServerError))
	eventID := b.enqueue(t, b.event(t, alice, r.url))
	b.deliver(t, webhook.DelivererConfig{Poster: postFunc(
		func(context.Context, fetch.PostRequest) (fetch.PostResponse, error) {
			b.exec(t, `update webhook_events set status = 'delivered', attempts = 1, ended_at = now() where id = $1`, eventID)
			return fetch.PostResponse{Status: 500}, nil
		})})
	must(t, b.deliverer.Work(t.Context(), b.again(t, eventID)))
	wantText(t, "the state", b.state(t, eventID), "delivered 1")
	if n := one[int](t, b.pool, `select count(*) from webhook_deliveries`); n != 0 {
		t.Errorf("%d tries logged", n)
	}
}

// again gives an event's job as River hands it to a worker.
func (b *bundle) again(t *testing.T, eventID string) *river.Job[webhook.DeliverArgs] {
	t.Helper()
	return jobOf(one[int64](t, b.pool, `select job_id from webhook_events where id = $1`, eventID), eventID)
}

func jobOf(jobID int64, eventID string) *river.Job[webhook.DeliverArgs] {
	return &river.Job[webhook.DeliverArgs]{
		JobRow: &rivertype.JobRow{ID: jobID, Attempt: 1, MaxAttempts: 10}, Args: webhook.DeliverArgs{EventID: eventID},
	}
}
