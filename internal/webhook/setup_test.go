package webhook_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertest"
	"github.com/riverqueue/river/rivertype"

	"github.com/eggapi/eggapi/internal/dbtest"
	"github.com/eggapi/eggapi/internal/fetch"
	"github.com/eggapi/eggapi/internal/pg"
	"github.com/eggapi/eggapi/internal/webhook"
)

const (
	alice = "usr_alice"
	bob   = "usr_bob"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// bundle is one test's world: a database of its own, a clock that stands still, and a deliverer.
type bundle struct {
	pool      *pgxpool.Pool
	clock     *clock
	secrets   *webhook.Secrets
	client    *river.Client[pgx.Tx] // inserts only
	deliverer *webhook.Deliverer
	worker    *rivertest.Worker[webhook.DeliverArgs, pgx.Tx]
	tasks     int
}

func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{pool: dbtest.New(t), clock: &clock{at: start}}
	for _, user := range []string{alice, bob} {
		b.exec(t, `insert into "user" ("id", "name", "email", "emailVerified", "updatedAt") values ($1, $1, $1, true, now())`, user)
	}
	sealer, err := webhook.NewSealer(sealKey("k1", 1))
	must(t, err)
	b.secrets = webhook.NewSecrets(b.pool, sealer, b.clock.now)
	b.client, err = river.NewClient(riverpgxv5.New(b.pool), &river.Config{Logger: quiet()})
	must(t, err)
	b.deliver(t, webhook.DelivererConfig{})
	return b
}

// deliver replaces the deliverer. What the config leaves out is filled in.
func (b *bundle) deliver(t *testing.T, c webhook.DelivererConfig) {
	t.Helper()
	if c.Poster == nil {
		c.Poster = loopback(t)
	}
	if c.Pool == nil {
		c.Pool = b.pool
	}
	if c.Clock == nil {
		c.Clock = b.clock.now
	}
	c.Secrets, c.Logger = b.secrets, quiet()
	b.deliverer = webhook.NewDeliverer(c)
	config := &river.Config{Logger: quiet(), Test: river.TestConfig{Time: b.clock}}
	b.worker = rivertest.NewWorker(t, riverpgxv5.New(b.pool), config, b.deliverer)
}

// event gives an event of a new task of a user.
func (b *bundle) event(t *testing.T, user, url string) webhook.Event {
	t.Helper()
	b.tasks++
	taskID := fmt.Sprintf("gen_%s_%d", user, b.tasks)
	b.exec(t, `insert into tasks (id, user_id, environment, model, type, prompt, aspect_ratio, resolution, num_outputs,
		price_id, unit_price_micros, deadline_at)
		select $1, $2, 'live', model, 'image_generate', 'p', '16:9', '1k', 1, id, unit_micros, now() + interval '5 minutes'
		from prices limit 1`, taskID, user)
	return webhook.Event{
		UserID: user, Environment: "live", TaskID: taskID, URL: url, Model: "nanobanana-pro",
		OutputURLs: []string{"https://files.example/a.png?x=1&y=2"}, CostMicros: 16_000, EndedAt: b.clock.now(),
	}
}

func (b *bundle) enqueue(t *testing.T, e webhook.Event) (eventID string) {
	t.Helper()
	must(t, pg.InPipe(t.Context(), b.pool, func(p *pg.Pipe) error {
		eventIDs, err := webhook.Enqueue(t.Context(), p, []webhook.Event{e})
		if err == nil {
			eventID = eventIDs[0]
		}
		return err
	}))
	return eventID
}

// work runs an event's job once, as River would, and gives the job as River left it.
func (b *bundle) work(t *testing.T, eventID string) *rivertest.WorkResult {
	t.Helper()
	var result *rivertest.WorkResult
	must(t, pgx.BeginFunc(t.Context(), b.pool, func(tx pgx.Tx) (err error) {
		// The error is the job's own; River's verdict on it is in the result.
		result, _ = b.worker.WorkJob(t.Context(), t, tx, b.job(t, eventID))
		return nil
	}))
	if result == nil {
		t.Fatal("the job was not worked")
	}
	return result
}

func (b *bundle) job(t *testing.T, eventID string) *rivertype.JobRow {
	t.Helper()
	job, err := b.client.JobGet(t.Context(), one[int64](t, b.pool, `select job_id from webhook_events where id = $1`, eventID))
	must(t, err)
	return job
}

func (b *bundle) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := b.pool.Exec(t.Context(), sql, args...)
	must(t, err)
}

// state gives an event's status and how many tries it has had.
func (b *bundle) state(t *testing.T, eventID string) string {
	t.Helper()
	return one[string](t, b.pool, `select status || ' ' || attempts from webhook_events where id = $1`, eventID)
}

func one[T any](t *testing.T, pool *pgxpool.Pool, sql string, args ...any) (value T) {
	t.Helper()
	must(t, pool.QueryRow(t.Context(), sql, args...).Scan(&value))
	return value
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantText(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %q, want %q", what, got, want)
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func sealKey(id string, fill byte) webhook.SealKey {
	k := webhook.SealKey{ID: id}
	for i := range k.Key {
		k.Key[i] = fill
	}
	return k
}

// clock stands still until it is moved. It is also River's clock in tests.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.at }

func (c *clock) set(at time.Time) { c.mu.Lock(); defer c.mu.Unlock(); c.at = at }

func (c *clock) add(d time.Duration) { c.set(c.now().Add(d)) }

func (c *clock) Now() time.Time { return c.now() }

func (c *clock) NowOrNil() *time.Time { now := c.now(); return &now }

// loopback gives the real client, allowed to call this machine.
func loopback(t *testing.T) *fetch.Client {
	t.Helper()
	c, err := fetch.New(fetch.Policy{AllowNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	must(t, err)
	t.Cleanup(c.Close)
	return c
}

// postFunc is a Poster made of a function.
type postFunc func(ctx context.Context, r fetch.PostRequest) (fetch.PostResponse, error)

func (f postFunc) Post(ctx context.Context, r fetch.PostRequest) (fetch.PostResponse, error) {
	return f(ctx, r)
}

// request is what a receiver got.
type request struct {
	header http.Header
	body   []byte
}

// receiver is a customer's server. It keeps what it gets and answers as told.
type receiver struct {
	url string
	mu  sync.Mutex
	got []request
}

func receive(t *testing.T, answer http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		r.got = append(r.got, request{header: req.Header.Clone(), body: body})
		r.mu.Unlock()
		answer(w, req)
	}))
	t.Cleanup(server.Close)
	r.url = server.URL + "/hook"
	return r
}

func (r *receiver) requests() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]request(nil), r.got...)
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}
