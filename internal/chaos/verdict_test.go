//go:build system

package chaos

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eggapi/eggapi/internal/ledger"
	"github.com/eggapi/eggapi/internal/money"
)

// shownPerPromise bounds the list of breaches of one promise.
const shownPerPromise = 10

// findings is what was found when all was quiet.
type findings struct {
	tasks    []taskRow
	breaches map[string][]string // by promise
	orphans  int                 // jobs that were never finished, of tasks and webhooks that were
	attempts int                 // calls the service knows of, to the fake upstream
	lost     int                 // of these, calls that a dead worker had sent or was about to
	files    int
}

// promises are checked in this order; a promise without a breach was kept.
var promises = []string{
	"every 202 is a task that ended",
	"every task ended in time",
	"an Idempotency-Key makes at most one task",
	"an answered order is answered the same again",
	"every order is answered in the end, and none is refused",
	burstPromise,
	"each task is billed once, for what it delivered",
	"the books are whole",
	"the balance is what was paid in less what was billed",
	"each end is told at least once, under one id, signed",
	"no job is stuck",
	"every listed file exists",
	"calls the upstream saw are calls the service noted",
}

func (f *findings) breach(promise, format string, args ...any) {
	f.breaches[promise] = append(f.breaches[promise], fmt.Sprintf(format, args...))
}

// taskRow is a task with all that hangs on it.
type taskRow struct {
	ID, Environment, Status, Prompt string
	Told                            bool // by webhook
	FailureCode                     *string
	UnitPriceMicros, CostMicros     int64
	EndedAfterSeconds               *float64
	Images                          int // delivered
	HoldState                       *string
	SettledMicros                   int64
	Entries                         int   // ledger entries
	BilledMicros                    int64 // the user's side of them
	UsageRows                       int
	UsageUnits, UsageMicros         int64
	EventIDs                        []string
	Calls, AnsweredCalls, LostCalls int // to the fake upstream
}

const taskQuery = `select t.id, t.environment, t.status, t.prompt, t.webhook_url is not null as told, t.failure_code, t.unit_price_micros, t.cost_micros,
	extract(epoch from t.completed_at - t.created_at)::float8 as ended_after_seconds,
	(select count(*) from outputs o where o.task_id = t.id) as images,
	h.state as hold_state, coalesce(h.settled_micros, 0) as settled_micros,
	(select count(*) from ledger_entries e where e.task_id = t.id) as entries,
	(select coalesce(-sum(e.amount_micros), 0)::bigint from ledger_entries e where e.task_id = t.id and e.user_id is not null) as billed_micros,
	(select count(*) from usage_records u where u.task_id = t.id) as usage_rows,
	(select coalesce(sum(u.units), 0)::bigint from usage_records u where u.task_id = t.id) as usage_units,
	(select coalesce(sum(u.cost_micros), 0)::bigint from usage_records u where u.task_id = t.id) as usage_micros,
	(select coalesce(array_agg(w.id), '{}') from webhook_events w where w.task_id = t.id) as event_ids,
	(select count(*) from attempts a where a.task_id = t.id and a.provider = 'gemini') as calls,
	(select count(*) from attempts a where a.task_id = t.id and a.provider = 'gemini' and (a.state = 'succeeded' or a.http_status is not null)) as answered_calls,
	(select count(*) from attempts a where a.task_id = t.id and a.provider = 'gemini' and a.error_code = 'worker_lost') as lost_calls
from tasks t left join holds h on h.task_id = t.id order by t.id`

// judge holds what is stored, what customers were told and what the upstream saw against each other.
func (w *world) judge(t *testing.T) *findings {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	f := &findings{breaches: map[string][]string{}}
	rows, err := w.pool.Query(ctx, taskQuery)
	if err != nil {
		t.Fatalf("list the tasks: %v", err)
	}
	if f.tasks, err = pgx.CollectRows(rows, pgx.RowToStructByPos[taskRow]); err != nil {
		t.Fatalf("list the tasks: %v", err)
	}
	w.judgeOrders(ctx, f)
	w.judgeBursts(ctx, t, f)
	for _, row := range f.tasks {
		judgeMoney(f, row)
		if row.Told {
			w.judgeNotice(f, row)
		}
		w.judgeCalls(f, row)
	}
	w.judgeBooks(ctx, t, f)
	w.judgeJobs(ctx, t, f)
	w.judgeFiles(ctx, t, f)
	return f
}

func (w *world) judgeOrders(ctx context.Context, f *findings) {
	byOrder := map[string][]string{}
	ended := map[string]bool{}
	for _, row := range f.tasks {
		name := orderName.FindString(row.Prompt)
		byOrder[name] = append(byOrder[name], row.ID)
		ended[row.ID] = row.Status == "completed" || row.Status == "failed"
		if !ended[row.ID] {
			f.breach("every task ended in time", "%s is %s", row.ID, row.Status)
		} else if *row.EndedAfterSeconds > quietWithin.Seconds() {
			f.breach("every task ended in time", "%s took %.0f s", row.ID, *row.EndedAfterSeconds)
		}
	}
	for _, o := range w.customers.orders {
		for id := range o.ids {
			if !ended[id] {
				f.breach("every 202 is a task that ended", "%s was answered with %s", o.name, id)
			}
		}
		if len(o.ids) > 1 || len(byOrder[o.name]) > 1 {
			f.breach("an Idempotency-Key makes at most one task", "%s has %v and was answered with %v", o.name, byOrder[o.name], o.ids)
		}
		if o.refused != "" || len(o.ids) == 0 {
			f.breach("every order is answered in the end, and none is refused", "%s, sent %d times: %s", o.name, o.sent, o.refused)
			continue
		}
		if problem := w.customers.replay(ctx, o); problem != "" {
			f.breach("an answered order is answered the same again", "%s: %s", o.name, problem)
		}
	}
}

func judgeMoney(f *findings, row taskRow) {
	const promise = "each task is billed once, for what it delivered"
	want := row.UnitPriceMicros * int64(row.Images)
	if row.Environment == "test" {
		want = 0
	}
	holdState, entries, usageRows := "settled", 2, 1
	if want == 0 {
		holdState, entries = "voided", 0
	}
	if row.Images == 0 {
		usageRows = 0
	}
	hold := ""
	if row.HoldState != nil {
		hold = *row.HoldState
	}
	if row.Environment == "test" {
		holdState = ""
	}
	switch {
	case (row.Status == "completed") != (row.Images > 0):
		f.breach(promise, "%s is %s with %d images", row.ID, row.Status, row.Images)
	case row.CostMicros != want || row.BilledMicros != want || row.SettledMicros != want || row.UsageMicros != want:
		f.breach(promise, "%s: %d images are worth %d; cost %d, billed %d, settled %d, usage %d",
			row.ID, row.Images, want, row.CostMicros, row.BilledMicros, row.SettledMicros, row.UsageMicros)
	case hold != holdState || row.Entries != entries || row.UsageRows != usageRows || row.UsageUnits != int64(row.Images):
		f.breach(promise, "%s (%s, %d images): hold %q, %d entries, %d usage rows of %d units",
			row.ID, row.Status, row.Images, hold, row.Entries, row.UsageRows, row.UsageUnits)
	}
}

func (w *world) judgeNotice(f *findings, row taskRow) {
	const promise = "each end is told at least once, under one id, signed"
	w.receiver.mu.Lock()
	defer w.receiver.mu.Unlock()
	n := w.receiver.notices[row.ID]
	switch {
	case n == nil || n.taken == 0:
		f.breach(promise, "%s (%s) was never told", row.ID, row.Status)
	case len(row.EventIDs) != 1 || len(n.ids) != 1 || n.ids[row.EventIDs[0]] == 0:
		f.breach(promise, "%s: events %v, told as %v", row.ID, row.EventIDs, n.ids)
	case len(n.bodies) != 1 || n.status != row.Status || n.cost != money.Plain(row.CostMicros):
		f.breach(promise, "%s is %s for %s; told %s for %s in %d versions", row.ID, row.Status, money.Plain(row.CostMicros), n.status, n.cost, len(n.bodies))
	}
}

// judgeCalls: a call that was answered was seen, and a call that was seen was noted before it was made.
func (w *world) judgeCalls(f *findings, row taskRow) {
	seen := w.upstream.CallsFor(orderName.FindString(row.Prompt) + ".")
	f.attempts += row.Calls
	f.lost += row.LostCalls
	if seen > row.Calls || seen < row.AnsweredCalls {
		f.breach("calls the upstream saw are calls the service noted", "%s: %d seen; %d noted, %d of them answered, %d lost",
			row.ID, seen, row.Calls, row.AnsweredCalls, row.LostCalls)
	}
}

func (w *world) judgeBooks(ctx context.Context, t *testing.T, f *findings) {
	t.Helper()
	violations, err := ledger.Check(ctx, w.pool)
	if err != nil {
		t.Fatalf("check the books: %v", err)
	}
	for _, v := range violations {
		f.breach("the books are whole", "%s: %s: %d", v.Invariant, v.Subject, v.AmountMicros)
	}
	var balance, held int64
	const query = "select sum(balance_micros)::bigint, sum(held_micros)::bigint from accounts"
	if err := w.pool.QueryRow(ctx, query).Scan(&balance, &held); err != nil {
		t.Fatalf("read the balance: %v", err)
	}
	want := int64(fundMicros) + w.burstFundMicros()
	for _, row := range f.tasks {
		want -= row.CostMicros
	}
	if balance != want || held != 0 {
		f.breach("the balance is what was paid in less what was billed", "balance %d, want %d; held %d", balance, want, held)
	}
	for _, forged := range w.receiver.forged {
		f.breach("each end is told at least once, under one id, signed", "%s", forged)
	}
}

// judgeJobs: jobs of dead workers stay "running" until the queue clears them away, and jobs that met trouble too often
// are discarded. Both are harmless once what they were for has ended; any other job that is not done is stuck.
func (w *world) judgeJobs(ctx context.Context, t *testing.T, f *findings) {
	t.Helper()
	rows, err := w.pool.Query(ctx, `select j.kind || ' ' || j.args::text || ' is ' || j.state,
		j.state in ('running', 'discarded') and (coalesce(t.status, '') in ('completed', 'failed') or coalesce(e.status, '') = 'delivered') as orphan
		from river_job j left join tasks t on t.id = j.args->>'task_id' left join webhook_events e on e.id = j.args->>'event_id'
		where j.state not in ('completed', 'cancelled')`)
	if err != nil {
		t.Fatalf("list the jobs: %v", err)
	}
	var job string
	var orphan bool
	if _, err := pgx.ForEachRow(rows, []any{&job, &orphan}, func() error {
		if orphan {
			f.orphans++
		} else {
			f.breach("no job is stuck", "%s", job)
		}
		return nil
	}); err != nil {
		t.Fatalf("list the jobs: %v", err)
	}
}

func (w *world) judgeFiles(ctx context.Context, t *testing.T, f *findings) {
	t.Helper()
	rows, err := w.pool.Query(ctx, "select path, mime, size_bytes from outputs order by task_id, image")
	if err != nil {
		t.Fatalf("list the files: %v", err)
	}
	var path, mime string
	var size int64
	if _, err := pgx.ForEachRow(rows, []any{&path, &mime, &size}, func() error {
		f.files++
		if problem := w.fetchFile(ctx, path, mime, size); problem != "" {
			f.breach("every listed file exists", "%s: %s", path, problem)
		}
		return nil
	}); err != nil {
		t.Fatalf("list the files: %v", err)
	}
}

func (w *world) fetchFile(ctx context.Context, path, mime string, size int64) string {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.customers.url+"/files/"+strings.TrimPrefix(path, "/"), nil)
	if err != nil {
		return err.Error()
	}
	client := http.Client{Timeout: answerWithin}
	got, err := client.Do(r)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = got.Body.Close() }()
	n, err := io.Copy(io.Discard, got.Body)
	if err != nil || got.StatusCode != http.StatusOK || n != size || got.Header.Get("Content-Type") != mime {
		return fmt.Sprintf("answered %d with %d bytes of %s, want %d of %s; %v", got.StatusCode, n, got.Header.Get("Content-Type"), size, mime, err)
	}
	return ""
}
