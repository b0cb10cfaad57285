package webhook_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestSweep_GivesANewJobToAnEventThatLostIts(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]string{
		"gone":      `delete from river_job where id = $1`,
		"discarded": `update river_job set state = 'discarded', finalized_at = now() where id = $1`,
		"cancelled": `update river_job set state = 'cancelled', finalized_at = now() where id = $1`,
		"dead":      `update river_job set state = 'running', attempted_at = '2026-11-23 12:00Z' where id = $1`,
		"completed": `update river_job set state = 'completed', finalized_at = now() where id = $1`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			r := receive(t, status(http.StatusOK))
			eventID := b.enqueue(t, b.event(t, alice, r.url))
			lost := b.job(t, eventID).ID
			b.exec(t, lose, lost)
			b.clock.add(59 * time.Second)
			must(t, b.deliverer.Sweep(t.Context(), b.client))
			if got := one[int64](t, b.pool, `select job_id from webhook_events`); got != lost {
				t.Fatal("swept before the minute was over")
			}
			b.clock.add(2 * time.Second)
			must(t, b.deliverer.Sweep(t.Context(), b.client))
			if job := b.job(t, eventID); job.ID == lost || job.Queue != "webhooks" || job.MaxAttempts != 10 {
				t.Errorf("job %d in %s follows job %d", job.ID, job.Queue, lost)
			}
			if due := one[time.Time](t, b.pool, `select next_attempt_at from webhook_events`); !due.Equal(b.clock.now()) {
				t.Errorf("due at %v: another sweep would take it again", due)
			}
			b.work(t, eventID)
			wantText(t, "the state", b.state(t, eventID), "delivered 1")
			wantText(t, "the id", r.requests()[0].header.Get("webhook-id"), eventID)
		})
	}
}

func TestSweep_LeavesWaitingAndEndedEventsAlone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := receive(t, status(http.StatusInternalServerError))
	gone := receive(t, status(http.StatusGone))
	ended := b.enqueue(t, b.event(t, alice, gone.url))
	b.work(t, ended)
	b.enqueue(t, b.event(t, alice, r.url)) // has its job
	retried := b.enqueue(t, b.event(t, alice, r.url))
	b.work(t, retried)
	b.exec(t, `delete from river_job where id = $1`, b.job(t, retried).ID)
	b.exec(t, `update webhook_events set next_attempt_at = $2 where id = $1`, retried, b.clock.now().Add(2*time.Hour))
	working := b.enqueue(t, b.event(t, alice, r.url))
	b.exec(t, `update river_job set state = 'running', attempted_at = $2 where id = $1`, b.job(t, working).ID,
		b.clock.now().Add(time.Hour-59*time.Second))
	b.clock.add(time.Hour)
	before := one[int](t, b.pool, `select count(*) from river_job`)
	must(t, b.deliverer.Sweep(t.Context(), b.client))
	if after := one[int](t, b.pool, `select count(*) from river_job`); after != before {
		t.Errorf("%d new jobs", after-before)
	}
}

func TestSweep_ConcurrentSweepsGiveOneJobEachAndAtMost500(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.event(t, alice, "https://customer.example/hook")
	b.enqueue(t, e)
	b.exec(t, `insert into tasks select (jsonb_populate_record(t, jsonb_build_object('id', 'gen_more_' || n))).*
		from tasks t, generate_series(1, 599) n`)
	b.exec(t, `insert into webhook_events select (jsonb_populate_record(e, jsonb_build_object('id', 'evt_more_' || n,
		'task_id', 'gen_more_' || n))).* from webhook_events e, generate_series(1, 599) n`)
	b.exec(t, `delete from river_job`)
	b.clock.add(time.Hour)
	must(t, b.deliverer.Sweep(t.Context(), b.client))
	if n := one[int](t, b.pool, `select count(*) from river_job`); n != 500 {
		t.Errorf("%d jobs after one sweep, want 500", n)
	}
	errs := make([]error, 4)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = b.deliverer.Sweep(t.Context(), b.client) })
	}
	wg.Wait()
	for _, err := range errs {
		must(t, err)
	}
	wantText(t, "jobs, events with a job of their own", one[string](t, b.pool, `select count(*) || ' ' || count(distinct e.id)
		from river_job j left join webhook_events e on e.job_id = j.id and e.id = j.args->>'event_id'`), "600 600")
}

func TestForget_RemovesWhatEndedLongAgoAndNothingElse(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := receive(t, status(http.StatusGone))
	for range 3 {
		b.work(t, b.enqueue(t, b.event(t, alice, r.url)))
	}
	const all = `select string_agg(id, ' ' order by id) from webhook_events`
	ids := strings.Fields(one[string](t, b.pool, all))
	now := b.clock.now()
	b.exec(t, `update webhook_events set ended_at = $2 where id = $1`, ids[0], now.AddDate(0, 0, -30).Add(-time.Second))
	b.exec(t, `update webhook_events set ended_at = $2 where id = $1`, ids[1], now.AddDate(0, 0, -30).Add(time.Second))
	b.exec(t, `update webhook_events set ended_at = null, status = 'pending', created_at = '2020-01-01Z' where id = $1`, ids[2])
	must(t, b.deliverer.Forget(t.Context(), 0))
	if n := one[int](t, b.pool, `select count(*) from webhook_events`); n != 3 {
		t.Errorf("0 days left %d of 3 events", n)
	}
	must(t, b.deliverer.Forget(t.Context(), 30))
	if left := strings.Fields(one[string](t, b.pool, all)); !slices.Equal(left, ids[1:]) {
		t.Errorf("%v is left of %v", left, ids)
	}
	if n := one[int](t, b.pool, `select count(*) from webhook_deliveries where event_id = $1`, ids[0]); n != 0 {
		t.Errorf("%d tries of the forgotten event are left", n)
	}
}
