//go:build system

package chaos

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eggapi/eggapi/internal/audit"
	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/config"
	"github.com/eggapi/eggapi/internal/devdb"
	"github.com/eggapi/eggapi/internal/ledger"
	"github.com/eggapi/eggapi/internal/money"
	"github.com/eggapi/eggapi/internal/pg"
	"github.com/eggapi/eggapi/internal/webhook"
)

const (
	authSecret   = "a-secret-of-the-drill-0123456789-abcdefgh"
	sealKey      = "drill:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	upstreamKey  = "key-of-the-drill"
	fundMicros   = 1000 * money.PerDollar
	leaseSeconds = 6
	cutEvery     = 100 * time.Millisecond
	// A dead worker's step resumes in at most 120 s; what it then does is not done in no time.
	quietWithin = 150 * time.Second
)

// plan is what a run is to do. The environment sets it:
//
//	EGGAPI_CHAOS_SECONDS  how long things are killed (60; 15 with -short)
//	EGGAPI_CHAOS_TASKS    how many tasks are ordered meanwhile (five a second)
//	EGGAPI_CHAOS_SEED     repeats the faults of an earlier run
type plan struct {
	seed  uint64
	span  time.Duration
	tasks int
}

func readPlan(t *testing.T) plan {
	t.Helper()
	seconds := 60
	if testing.Short() {
		seconds = 15
	}
	seconds = setting(t, "EGGAPI_CHAOS_SECONDS", seconds)
	return plan{
		seed:  uint64(setting(t, "EGGAPI_CHAOS_SEED", int(rand.Uint32()))),
		span:  time.Duration(seconds) * time.Second,
		tasks: setting(t, "EGGAPI_CHAOS_TASKS", 5*seconds),
	}
}

func setting(t *testing.T, name string, fallback int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return fallback
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s must be a positive whole number", name)
	}
	return n
}

// draw gives a number in [0, 1) that is the same for the same seed and name.
func (p plan) draw(name string) float64 {
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, p.seed, "/", name)
	return rand.New(rand.NewPCG(h.Sum64(), p.seed)).Float64()
}

// world is everything a run is made of.
type world struct {
	plan
	dir       string
	db        *devdb.DB
	pool      *pgxpool.Pool
	account   account
	bursts    *bursts
	upstream  *upstream
	receiver  *receiver
	crew      []*process
	customers *customers

	databaseRestarts int
	cuts             int
	quietAfter       time.Duration
}

type account struct {
	userID, liveKey, testKey, webhookSecret string
}

func TestChaos(t *testing.T) {
	p := readPlan(t)
	t.Logf("seed %d: %d tasks in %s (EGGAPI_CHAOS_SEED=%d repeats the faults)", p.seed, p.tasks, p.span, p.seed)
	w := newWorld(t, p)
	w.trouble(t)
	w.awaitQuiet(t)
	f := w.judge(t)
	w.stopCrew(t)
	w.report(t, f)
}

func newWorld(t *testing.T, p plan) *world {
	t.Helper()
	w := &world{plan: p, dir: t.TempDir()}
	binary := filepath.Join(w.dir, "eggapi")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "github.com/eggapi/eggapi/cmd/eggapi")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the binary: %v\n%s", err, out)
	}
	w.startDatabase(t)
	w.account = w.openAccount(t, "drill@example.com", fundMicros)
	w.bursts = &bursts{plan: p, account: w.openAccount(t, "bursts@example.com", p.burstFundMicros())}
	w.upstream = newUpstream(t, p)
	w.receiver = newReceiver(t, p, w.account.webhookSecret)
	addr := freeAddr(t)
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir, "DATABASE_URL=" + w.db.URL(), "EGGAPI_ADDR=" + addr, "EGGAPI_METRICS_ADDR=127.0.0.1:0",
		"EGGAPI_DATA_DIR=" + w.dir, "EGGAPI_AUTH_SECRETS=" + authSecret, "EGGAPI_SEAL_KEYS=" + sealKey,
		"EGGAPI_GEMINI_API_KEY=" + upstreamKey, "EGGAPI_GEMINI_BASE_URL=" + w.upstream.url, "EGGAPI_SANDBOX_FOR_LIVE=true",
		"EGGAPI_EGRESS_ALLOW=127.0.0.0/8", "EGGAPI_TASK_LEASE_SECONDS=" + strconv.Itoa(leaseSeconds),
		"EGGAPI_WEBHOOK_SCHEDULE=0s,500ms,1s,1s,2s,2s,4s,4s,8s,8s", "EGGAPI_IP_LIMIT=0", "EGGAPI_KEY_LIMIT=0", "EGGAPI_TEST_KEY_LIMIT=0", "EGGAPI_NEW_KEY_LIMIT=0", "EGGAPI_SIGN_IN_LIMIT=0",
		"EGGAPI_WORKERS=20", "EGGAPI_WEBHOOK_WORKERS=20", "EGGAPI_SHUTDOWN_SECONDS=20",
	}
	for _, name := range []string{"serve", "work-1", "work-2"} {
		role, _, _ := strings.Cut(name, "-")
		w.crew = append(w.crew, startProcess(t, processPlan{name: name, path: binary, args: []string{role}, env: env, dir: w.dir}))
	}
	w.customers = &customers{plan: p, url: "http://" + addr, account: w.account, hookURL: w.receiver.url, imageURL: w.upstream.url + "/input.png"}
	w.bursts.url = w.customers.url
	w.customers.awaitService(t)
	return w
}

// startDatabase brings up a server that keeps its promises; nothing in it is switched off for speed.
func (w *world) startDatabase(t *testing.T) {
	t.Helper()
	var err error
	w.db, err = devdb.Start(t.Context(), devdb.Options{Dir: filepath.Join(w.dir, "db"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatalf("start the database: %v", err)
	}
	t.Cleanup(func() {
		limit, cancel := context.WithTimeout(context.Background(), 15*time.Second)
		defer cancel()
		if err := w.db.Stop(limit); err != nil {
			t.Errorf("stop the database: %v", err)
		}
	})
	if err := pg.Migrate(t.Context(), w.db.URL()); err != nil {
		t.Fatalf("migrate: %v", err)
	}
	w.pool, err = pg.Connect(t.Context(), w.db.URL(), pg.Options{MaxConns: 8, StatementTimeout: 30 * time.Second})
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(w.pool.Close)
	var fsync string
	if err := w.pool.QueryRow(t.Context(), "show fsync").Scan(&fsync); err != nil || fsync != "on" {
		t.Fatalf("the drill needs a durable database: fsync is %q, %v", fsync, err)
	}
}

func (w *world) openAccount(t *testing.T, email string, micros int64) (a account) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	sessions, err := auth.NewSessions(auth.SessionConfig{Pool: w.pool, Clock: time.Now, Logger: log, Secrets: []string{authSecret}})
	if err != nil {
		t.Fatalf("open the account: %v", err)
	}
	in, err := sessions.SignUp(t.Context(), auth.SignUp{Name: "Drill", Email: email, Password: "correct horse 1"})
	if err != nil {
		t.Fatalf("sign up: %v", err)
	}
	a.userID = in.User.ID
	if _, err := ledger.TopUp(t.Context(), w.pool, ledger.Credit{
		UserID: in.User.ID, AmountMicros: micros, Reference: email, Now: time.Now(),
	}); err != nil {
		t.Fatalf("top up: %v", err)
	}
	keyring := auth.NewKeyring(auth.KeyringConfig{Pool: w.pool, Clock: time.Now, Logger: log})
	actor := audit.Actor{UserID: in.User.ID}
	for environment, secret := range map[string]*string{"live": &a.liveKey, "test": &a.testKey} {
		if _, *secret, err = keyring.Create(t.Context(), auth.NewKey{Actor: actor, Name: environment, Environment: environment}); err != nil {
			t.Fatalf("create a key: %v", err)
		}
	}
	keys, err := config.ParseSealKeys([]config.Secret{sealKey})
	if err != nil {
		t.Fatalf("read the seal key: %v", err)
	}
	sealer, err := webhook.NewSealer(webhook.SealKey{ID: keys[0].ID, Key: keys[0].Key})
	if err != nil {
		t.Fatalf("make a sealer: %v", err)
	}
	if a.webhookSecret, _, err = webhook.NewSecrets(w.pool, sealer, time.Now).Replace(t.Context(), actor); err != nil {
		t.Fatalf("set the webhook secret: %v", err)
	}
	return a
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("find a free port: %v", err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// trouble lets customers order at a steady pace and in bursts while processes die, and the database once.
func (w *world) trouble(t *testing.T) {
	t.Helper()
	started := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), w.span)
	defer cancel()
	ordered := make(chan struct{})
	go func() {
		defer close(ordered)
		// Customers go on for a while after the last kill: their orders must come through.
		w.customers.order(t.Context(), w.span, w.span+30*time.Second)
	}()
	burst := make(chan struct{})
	go func() {
		defer close(burst)
		w.bursts.come(ctx)
	}()
	cut := make(chan struct{})
	go func() {
		defer close(cut)
		w.cutSessions(ctx)
	}()
	restart := time.After(w.span / 2)
	for n := 0; ; n++ {
		pause := time.Duration((1.5 + 2.5*w.draw(fmt.Sprint("pause ", n))) * float64(time.Second))
		select {
		case <-ctx.Done():
			<-ordered
			<-burst
			<-cut
			w.settleDoubts(t)
			t.Logf("trouble lasted %s", time.Since(started).Round(time.Second))
			return
		case <-restart:
			w.restartDatabase(t)
		case <-time.After(pause):
			w.crew[int(w.draw(fmt.Sprint("victim ", n))*float64(len(w.crew)))].kill()
		}
	}
}

// cutSessions ends sessions of the service between two statements of a transaction, where a broken promise would show, and
// now and then in the middle of one.
func (w *world) cutSessions(ctx context.Context) {
	const query = `select coalesce((select pg_terminate_backend(pid) from pg_stat_activity
		where application_name = 'eggapi' and pid <> pg_backend_pid()
		and (state = 'idle in transaction' or state = 'active' and random() < 0.2)
		order by random() limit 1), false)`
	every := time.NewTicker(cutEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		done := false
		if err := w.pool.QueryRow(ctx, query).Scan(&done); err == nil && done {
			w.cuts++
		}
	}
}

func (w *world) restartDatabase(t *testing.T) {
	t.Helper()
	if err := w.db.RestartImmediate(t.Context()); err != nil {
		t.Fatalf("restart the database: %v", err)
	}
	w.databaseRestarts++
}

// awaitQuiet waits until nothing is left to do.
func (w *world) awaitQuiet(t *testing.T) {
	t.Helper()
	const left = `select
		(select count(*) from tasks where status in ('pending', 'processing')),
		(select count(*) from webhook_events where status = 'pending'),
		(select count(*) from river_job where state in ('available', 'pending', 'retryable', 'scheduled'))`
	started := time.Now()
	var tasks, events, jobs int
	for time.Since(started) < quietWithin {
		err := w.pool.QueryRow(t.Context(), left).Scan(&tasks, &events, &jobs)
		if err == nil && tasks+events+jobs == 0 {
			w.quietAfter = time.Since(started)
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
	w.quietAfter = time.Since(started)
	t.Errorf("no quiet after %s: %d tasks open, %d webhooks undelivered, %d jobs waiting", quietWithin, tasks, events, jobs)
}
