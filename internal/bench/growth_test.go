//go:build system

package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/handlers"
	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/devdb"
	"github.com/eggapi/eggapi/internal/pg"
	"github.com/eggapi/eggapi/internal/task"
)

const (
	growthSmall  = 10_000
	growthRounds = 201
	// How much slower the median may be among many rows than among few.
	growthCeiling = 1.3
)

// TestGrowth asks the same things among 10,000 tasks and among EGGAPI_GROWTH_ROWS (without it a million, with -short 100,000),
// turn by turn.
func TestGrowth(t *testing.T) {
	many := 1_000_000
	if testing.Short() {
		many = 10 * growthSmall
	}
	if text := os.Getenv("EGGAPI_GROWTH_ROWS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n <= growthSmall {
			t.Fatalf("EGGAPI_GROWTH_ROWS must be a number above %d", growthSmall)
		}
		many = n
	}
	server := growthServer(t)
	few, lots := newGrowthDB(t, server, growthSmall), newGrowthDB(t, server, many)
	t.Logf("%-44s %12s %12s %6s", "p50", fmt.Sprintf("%d tasks", growthSmall), fmt.Sprintf("%d tasks", many), "ratio")
	for _, q := range growthQuestions() {
		var a, b time.Duration
		var ratio float64
		for range 3 { // a machine that was busy elsewhere is asked again
			a, b = growthMedians(t, q, few, lots)
			if ratio = float64(b) / float64(a); ratio <= growthCeiling {
				break
			}
		}
		t.Logf("%-44s %12s %12s %6.2f", q.name, a.Round(time.Microsecond), b.Round(time.Microsecond), ratio)
		if ratio > growthCeiling && !q.cold {
			t.Errorf("%s: %.2f times slower among %d tasks, at most %.1f is wanted", q.name, ratio, many, growthCeiling)
		}
	}
}

// growthDB is one filled database and what answers from it.
type growthDB struct {
	pool     *pgxpool.Pool
	handlers *handlers.Handlers
	rows     int
	turn     int
	from, to time.Time // the middle third of the ninety days
}

func growthServer(t *testing.T) *devdb.DB {
	t.Helper()
	server, err := devdb.Start(t.Context(), devdb.Options{
		Dir: filepath.Join(t.TempDir(), "db"), Logger: slog.New(slog.DiscardHandler), Disposable: true,
		Settings: map[string]string{"max_wal_size": "16GB", "shared_buffers": "2GB", "autovacuum": "off"},
	})
	if err != nil {
		t.Fatalf("start the database: %v", err)
	}
	t.Cleanup(func() {
		limit, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := server.Stop(limit); err != nil {
			t.Errorf("stop the database: %v", err)
		}
	})
	return server
}

func newGrowthDB(t *testing.T, server *devdb.DB, rows int) *growthDB {
	t.Helper()
	begun := time.Now()
	g := &growthDB{rows: rows, from: begun.AddDate(0, 0, -60), to: begun.AddDate(0, 0, -30)}
	address, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal("the database's address is malformed")
	}
	admin, err := pgxpool.New(t.Context(), address.String())
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	defer admin.Close()
	name := fmt.Sprintf("growth_%d", rows)
	if _, err := admin.Exec(t.Context(), "create database "+name); err != nil {
		t.Fatalf("create a database: %v", err)
	}
	address.Path = "/" + name
	if err := pg.Migrate(t.Context(), address.String()); err != nil {
		t.Fatalf("migrate: %v", err)
	}
	g.pool, err = pg.Connect(t.Context(), address.String(), pg.Options{MaxConns: 4, StatementTimeout: 30 * time.Minute})
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(g.pool.Close)
	growthFill(t, g.pool, rows)
	filled := time.Now()
	marks := g.keep(t)
	var size string
	if err := g.pool.QueryRow(t.Context(), "select pg_size_pretty(pg_database_size(current_database()))").Scan(&size); err != nil {
		t.Fatalf("size: %v", err)
	}
	t.Logf("%d tasks, %s, filled in %s, %d marks set in %s", rows, size, filled.Sub(begun).Round(time.Second), marks,
		time.Since(filled).Round(time.Second))
	g.handlers = handlers.New(handlers.Deps{Pool: g.pool, FileURL: func(path string) string { return "/files/" + path }, Clock: time.Now})
	return g
}

// keep runs the keeper over every account, and on until it finds nothing more to mark.
func (g *growthDB) keep(t *testing.T) (marks int) {
	t.Helper()
	keeper := task.NewKeeper(g.pool, slog.New(slog.DiscardHandler), time.Now)
	// A round looks at 500 accounts, so that after so many without a mark each was looked at.
	for idle := 0; idle <= growthOthers/500+1; {
		if err := keeper.Round(t.Context()); err != nil {
			t.Fatalf("keep house: %v", err)
		}
		before := marks
		err := g.pool.QueryRow(t.Context(), `select (select count(*) from task_marks) + (select count(*) from usage_marks) +
			(select count(*) from ledger_marks)`).Scan(&marks)
		if err != nil {
			t.Fatalf("count marks: %v", err)
		}
		if idle++; marks > before {
			idle = 0
		}
	}
	if wanted := g.rows * 6 / 10 / 200 * 3 * 8 / 10; marks < wanted {
		t.Fatalf("%d marks were set, want %d", marks, wanted)
	}
	if _, err := g.pool.Exec(t.Context(), "vacuum (analyze) task_marks, usage_marks, ledger_marks"); err != nil {
		t.Fatalf("vacuum: %v", err)
	}
	return marks
}

// growthQuestion is something the service asks.
type growthQuestion struct {
	name string
	ask  func(ctx context.Context, g *growthDB) error
	cold bool // asks for more than fits into memory: told, and held to nothing, for that is the disk's time
}

func growthMedians(t *testing.T, q growthQuestion, few, lots *growthDB) (a, b time.Duration) {
	t.Helper()
	ctx := auth.WithPrincipal(t.Context(), auth.Principal{UserID: growthHeavy, Environment: auth.EnvironmentLive})
	var took [2][]time.Duration
	for round := range growthRounds + 20 {
		for i, g := range []*growthDB{few, lots} {
			g.turn++
			begun := time.Now()
			if err := q.ask(ctx, g); err != nil && !errors.Is(err, errGrowthUndo) {
				t.Fatalf("%s: %v", q.name, err)
			}
			if round >= 20 {
				took[i] = append(took[i], time.Since(begun))
			}
		}
	}
	slices.Sort(took[0])
	slices.Sort(took[1])
	return took[0][growthRounds/2], took[1][growthRounds/2]
}

func growthQuestions() []growthQuestion {
	return slices.Concat(growthTaskLists(), growthOtherLists(), growthLookups(), growthWork())
}

func growthTaskLists() []growthQuestion {
	var questions []growthQuestion
	model, kind := "nanobanana-pro", api.ListTasksParamsType("image_edit")
	statuses := []api.ListTasksParamsStatus{"pending", "processing", "completed", "failed"}
	// Each is asked for its first page, and for a late one that is full among few tasks too.
	list := func(name string, late int, change func(g *growthDB, p *api.ListTasksParams)) {
		for _, page := range []int{1, late} {
			full := strings.TrimSpace(fmt.Sprintf("tasks, page %d %s", page, name))
			questions = append(questions, growthQuestion{name: full, ask: func(ctx context.Context, g *growthDB) error {
				p := api.ListTasksParams{Page: &page}
				change(g, &p)
				_, err := g.handlers.ListTasks(ctx, api.ListTasksRequestObject{Params: p})
				return err
			}})
		}
	}
	list("", 50, func(*growthDB, *api.ListTasksParams) {})
	for i, late := range []int{3, 2, 50, 10} {
		list(string(statuses[i]), late, func(_ *growthDB, p *api.ListTasksParams) { p.Status = &statuses[i] })
	}
	list("of a model", 50, func(_ *growthDB, p *api.ListTasksParams) { p.Model = &model })
	list("of a type", 16, func(_ *growthDB, p *api.ListTasksParams) { p.Type = &kind })
	list("of a model and type", 15, func(_ *growthDB, p *api.ListTasksParams) { p.Model, p.Type = &model, &kind })
	list("completed, of a model", 50, func(_ *growthDB, p *api.ListTasksParams) { p.Status, p.Model = &statuses[2], &model })
	list("failed, of a model", 3, func(_ *growthDB, p *api.ListTasksParams) { p.Status, p.Model = &statuses[3], &model })
	list("between two times", 50, func(g *growthDB, p *api.ListTasksParams) { p.CreatedAfter, p.CreatedBefore = &g.from, &g.to })
	list("of a model between two times", 30, func(g *growthDB, p *api.ListTasksParams) {
		p.CreatedAfter, p.CreatedBefore, p.Model = &g.from, &g.to, &model
	})
	return questions
}

func growthOtherLists() []growthQuestion {
	var questions []growthQuestion
	model := "nanobanana-pro"
	for _, page := range []int{1, 50} {
		usage := func(name string, change func(g *growthDB, p *api.ListUsageParams)) {
			name = strings.TrimSpace(fmt.Sprintf("usage, page %d %s", page, name))
			questions = append(questions, growthQuestion{name: name, ask: func(ctx context.Context, g *growthDB) error {
				p := api.ListUsageParams{Page: &page}
				change(g, &p)
				_, err := g.handlers.ListUsage(ctx, api.ListUsageRequestObject{Params: p})
				return err
			}})
		}
		usage("", func(*growthDB, *api.ListUsageParams) {})
		usage("of a model", func(_ *growthDB, p *api.ListUsageParams) { p.Model = &model })
		usage("between two times", func(g *growthDB, p *api.ListUsageParams) { p.CreatedAfter, p.CreatedBefore = &g.from, &g.to })
		questions = append(questions, growthQuestion{name: fmt.Sprintf("transactions, page %d", page), ask: func(ctx context.Context, g *growthDB) error {
			_, err := g.handlers.ListTransactions(ctx, api.ListTransactionsRequestObject{Params: api.ListTransactionsParams{Page: &page}})
			return err
		}})
	}
	summary := func(name string, params func(g *growthDB) api.SummarizeUsageParams) {
		questions = append(questions, growthQuestion{name: name, ask: func(ctx context.Context, g *growthDB) error {
			_, err := g.handlers.SummarizeUsage(ctx, api.SummarizeUsageRequestObject{Params: params(g)})
			return err
		}})
	}
	summary("usage summary", func(*growthDB) api.SummarizeUsageParams { return api.SummarizeUsageParams{} })
	summary("usage summary of a model", func(*growthDB) api.SummarizeUsageParams { return api.SummarizeUsageParams{Model: &model} })
	summary("usage summary between two times", func(g *growthDB) api.SummarizeUsageParams {
		return api.SummarizeUsageParams{CreatedAfter: &g.from, CreatedBefore: &g.to}
	})
	return questions
}

// taskOf names one of the last tasks that have ended, another at each turn.
func (g *growthDB) taskOf(last int) string {
	return fmt.Sprintf("gen_%026d", g.rows-growthOpen-g.turn*7919%last)
}

func growthGet(ctx context.Context, g *growthDB, taskID string) error {
	_, err := pg.Q.TaskGet(ctx, g.pool, db.TaskGetParams{ID: taskID, UserID: growthHeavy, Environment: "live"})
	if pg.NoRows(err) { // somebody else's
		return nil
	}
	return err
}

func growthLookups() []growthQuestion {
	return []growthQuestion{
		{name: "task by id, of the last 9000", ask: func(ctx context.Context, g *growthDB) error {
			return growthGet(ctx, g, g.taskOf(9000))
		}},
		{name: "task by id, of ninety days (disk)", cold: true, ask: func(ctx context.Context, g *growthDB) error {
			return growthGet(ctx, g, g.taskOf(g.rows-growthOpen))
		}},
		{name: "balance", ask: func(ctx context.Context, g *growthDB) error {
			_, err := pg.Q.AccountGet(ctx, g.pool, growthHeavy)
			return err
		}},
		{name: "claim on an idempotency key", ask: func(ctx context.Context, g *growthDB) error {
			_, err := pg.Q.IdempotencyGet(ctx, g.pool, db.IdempotencyGetParams{UserID: growthHeavy, Environment: "live", Key: g.taskOf(9000)})
			if pg.NoRows(err) {
				return nil
			}
			return err
		}},
	}
}

var errGrowthUndo = errors.New("undone, so that each turn finds the same")

// growthWrite runs a statement and undoes it.
func growthWrite(name string, write func(ctx context.Context, g *growthDB, tx pg.Tx) error) growthQuestion {
	return growthQuestion{name: name, ask: func(ctx context.Context, g *growthDB) error {
		return pg.InTx(ctx, g.pool, func(tx pg.Tx) error {
			return errors.Join(write(ctx, g, tx), errGrowthUndo)
		})
	}}
}

func growthWork() []growthQuestion {
	river := riverpgxv5.New(nil)
	return []growthQuestion{
		growthWrite("fetch of ten jobs", func(ctx context.Context, _ *growthDB, tx pg.Tx) error {
			jobs, err := river.UnwrapExecutor(tx).JobGetAvailable(ctx, &riverdriver.JobGetAvailableParams{
				ClientID: "growth", MaxAttemptedBy: 100, MaxToLock: 10, Queue: task.Queue,
			})
			if err == nil && len(jobs.Jobs) != 10 {
				return fmt.Errorf("fetched %d jobs", len(jobs.Jobs))
			}
			return err
		}),
		growthWrite("lease of a task", func(ctx context.Context, g *growthDB, tx pg.Tx) error {
			_, err := tx.Exec(ctx, `update tasks set lease_owner = 'growth', lease_until = now() + interval '30 seconds', status = 'processing'
				where id = $1 and status in ('pending', 'processing')`, fmt.Sprintf("gen_%026d", g.rows-g.turn%growthOpen))
			return err
		}),
		growthWrite("sweep for late tasks", func(ctx context.Context, _ *growthDB, tx pg.Tx) error {
			_, err := pg.Q.TaskSweepLateAnyOwner(ctx, tx, 200)
			return err
		}),
		growthWrite("sweep for lost tasks", func(ctx context.Context, _ *growthDB, tx pg.Tx) error {
			_, err := pg.Q.TaskSweepLostAnyOwner(ctx, tx, db.TaskSweepLostAnyOwnerParams{LeaseSeconds: 30, RowLimit: 200})
			return err
		}),
		growthWrite("sweep for lost webhooks", func(ctx context.Context, _ *growthDB, tx pg.Tx) error {
			_, err := pg.Q.WebhookEventLockLostAnyOwner(ctx, tx, db.WebhookEventLockLostAnyOwnerParams{OverdueSince: time.Now(), RowLimit: 500})
			return err
		}),
		growthWrite("forgetting keys", func(ctx context.Context, _ *growthDB, tx pg.Tx) error {
			_, err := pg.Q.IdempotencySweepAnyOwner(ctx, tx, 2000)
			return err
		}),
		growthWrite("forgetting webhooks", func(ctx context.Context, _ *growthDB, tx pg.Tx) error {
			_, err := pg.Q.WebhookEventForgetAnyOwner(ctx, tx, db.WebhookEventForgetAnyOwnerParams{
				EndedBefore: time.Now().AddDate(0, 0, -30), MaxRows: 1000,
			})
			return err
		}),
		growthWrite("looking for a next mark of tasks", func(ctx context.Context, _ *growthDB, tx pg.Tx) error {
			_, err := pg.Q.TaskMarkAdd(ctx, tx, db.TaskMarkAddParams{UserID: growthHeavy, Environment: "live", MarkRows: 200, CalmSeconds: 600})
			return err
		}),
	}
}
