package webhook_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/eggapi/eggapi/internal/pg"
	"github.com/eggapi/eggapi/internal/webhook"
)

func TestBody_HasTheDocumentedShapeAndOrder(t *testing.T) {
	t.Parallel()
	completed := webhook.Event{
		TaskID: "gen_1", Model: "nanobanana-pro", CostMicros: 16_000, EndedAt: time.Unix(1764000000, 5),
		OutputURLs: []string{"https://f.example/1.png?a=1&b=<2>", "https://f.example/2.png"},
	}
	failed := webhook.Event{TaskID: "gen_2", Model: "nanobanana", Failed: true, Error: "said \"no\"\n", EndedAt: time.Unix(1, 0)}
	for _, c := range []struct {
		event webhook.Event
		want  string
	}{
		{completed, `{"event":"task.completed","task_id":"gen_1","status":"completed","model":"nanobanana-pro",` +
			`"output":{"url":"https://f.example/1.png?a=1&b=<2>","urls":["https://f.example/1.png?a=1&b=<2>","https://f.example/2.png"]},` +
			`"error":null,"cost":"0.016000","timestamp":1764000000}`},
		{failed, `{"event":"task.failed","task_id":"gen_2","status":"failed","model":"nanobanana",` +
			`"output":null,"error":"said \"no\"\n","cost":"0.000000","timestamp":1}`},
	} {
		wantText(t, "the body", string(webhook.Body(c.event)), c.want)
	}
}

func TestEnqueue_StoresTheBytesOfBodyAndAJobThatNamesOnlyTheEvent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.event(t, alice, "https://customer.example/hook?token=s3cret")
	eventID := b.enqueue(t, e)
	wantText(t, "the payload", one[string](t, b.pool, `select payload from webhook_events where id = $1`, eventID), string(webhook.Body(e)))
	wantText(t, "the state", b.state(t, eventID), "pending 0")
	job := b.job(t, eventID)
	wantText(t, "the arguments", strings.ReplaceAll(string(job.EncodedArgs), " ", ""), `{"event_id":"`+eventID+`"}`)
	if job.Kind != "webhook.deliver" || job.Queue != webhook.Queue || job.MaxAttempts != 10 {
		t.Errorf("job %s in %s with %d attempts", job.Kind, job.Queue, job.MaxAttempts)
	}
	if !strings.HasPrefix(eventID, "evt_") {
		t.Errorf("the event is called %s", eventID)
	}
}

func TestEnqueue_LeavesNothingWhenTheTransactionIsRolledBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.event(t, alice, "https://customer.example/hook")
	wanted := errors.New("rolled back")
	err := pg.InPipe(t.Context(), b.pool, func(p *pg.Pipe) error {
		if _, err := webhook.Enqueue(t.Context(), p, []webhook.Event{e}); err != nil {
			return err
		}
		return errors.Join(p.Send(t.Context()), wanted)
	})
	if !errors.Is(err, wanted) {
		t.Fatal(err)
	}
	if n := one[int](t, b.pool, `select (select count(*) from webhook_events) + (select count(*) from river_job)`); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

func TestEnqueue_RefusesASecondEventOfATaskAndAnEventWithoutTime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.event(t, alice, "https://customer.example/hook")
	b.enqueue(t, e)
	timeless := b.event(t, alice, "https://customer.example/hook")
	timeless.EndedAt = time.Time{}
	for name, e := range map[string]webhook.Event{"again": e, "timeless": timeless} {
		err := pg.InPipe(t.Context(), b.pool, func(p *pg.Pipe) error {
			_, err := webhook.Enqueue(t.Context(), p, []webhook.Event{e})
			return err
		})
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if n := one[int](t, b.pool, `select count(*) from river_job`); n != 1 {
		t.Errorf("%d jobs, want 1", n)
	}
}
