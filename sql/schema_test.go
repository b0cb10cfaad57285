package sql_test

import (
	"context"
	"maps"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/dbtest"
	"github.com/eggapi/eggapi/internal/pg"
)

// explainer runs EXPLAIN in place of a query and keeps the plan.
type explainer struct {
	tx   pgx.Tx
	plan string
}

func (e *explainer) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return pgconn.CommandTag{}, e.explain(ctx, sql, args)
}

func (e *explainer) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := e.explain(ctx, sql, args); err != nil {
		return nil, err
	}
	return e.tx.Query(ctx, "select 1 where false")
}

func (e *explainer) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if err := e.explain(ctx, sql, args); err != nil {
		return failedRow{err}
	}
	return e.tx.QueryRow(ctx, "select 1 where false")
}

// SendBatch explains nothing: batch queries are about sets of keys.
func (e *explainer) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	return e.tx.SendBatch(ctx, b)
}

func (e *explainer) explain(ctx context.Context, sql string, args []any) error {
	// The mode that plans for the very arguments given, as pg.Replanned does.
	rows, err := e.tx.Query(ctx, "explain "+sql, append([]any{pgx.QueryExecModeCacheDescribe}, args...)...)
	if err != nil {
		return err
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	e.plan = strings.Join(lines, "\n")
	return err
}

type failedRow struct{ err error }

func (f failedRow) Scan(...any) error { return f.err }

// With sequential scans priced out of reach, a plan that still has one, or sorts a list, lacks an index.
func TestIndexes_ServeEveryListLookupAndSweep(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	named := map[string]string{
		"tasks of a user": "tasks_list_idx", "failed tasks": "tasks_failed_idx", "pending tasks": "tasks_unended_idx",
		"processing tasks": "tasks_unended_idx", "completed tasks": "tasks_list_idx", "failed tasks of a model": "tasks_failed_idx",
		"tasks by model": "tasks_kind_idx", "tasks by type": "tasks_kind_idx", "tasks by model and type": "tasks_kind_idx",
		"completed tasks by model": "tasks_kind_idx", "tasks between two times": "tasks_list_idx",
		"usage of a user": "usage_records_list_idx", "usage by model": "usage_records_model_idx",
		"keys of a user": "api_keys_user_id_idx", "ledger of a user": "ledger_entries_user_id_idx", "late tasks": "tasks_deadline_idx",
		"lost tasks": "tasks_deadline_idx", "ran out keys": "idempotency_keys_expires_at_idx", "ran out sessions": "session_expiresAt_idx",
		"ran out verifications": "verification_expiresAt_idx", "ended webhook events": "webhook_events_ended_idx",
		"the mark before": "task_marks_pkey",
	}
	all := queries()
	maps.Copy(all, countsAndSweeps())
	for name, query := range all {
		t.Run(name, func(t *testing.T) {
			err := pg.InSnapshot(t.Context(), pool, func(tx pg.Tx) error {
				if _, err := tx.Exec(t.Context(), "set local enable_seqscan = off; set local enable_bitmapscan = off"); err != nil {
					return err
				}
				e := &explainer{tx: tx}
				if err := query(t.Context(), e); err != nil && !pg.NoRows(err) {
					return err
				}
				// Rows come out of the index in order, so that no more are read than the page needs.
				ordered := regexp.MustCompile(`Limit[^\n]*\n([^\n]*LockRows[^\n]*\n)?[^\n]*-> {2}Index (Only )?Scan (Backward )?using "?` + named[name] + `"? `)
				list := named[name] != "" && name != "lost tasks"
				if strings.Contains(e.plan, "Seq Scan") || !strings.Contains(e.plan, named[name]) || list && !ordered.MatchString(e.plan) {
					t.Errorf("its own index does not serve this:\n%s", e.plan)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// queries are those that must stay fast however many rows there are.
func queries() map[string]func(ctx context.Context, e db.DBTX) error {
	model, kind, at := "nanobanana", "image_edit", time.Now()
	completed, failed, pending, processing := "completed", "failed", "pending", "processing"
	return map[string]func(ctx context.Context, e db.DBTX) error{
		"tasks of a user":          taskList(db.TaskListParams{}),
		"failed tasks":             taskList(db.TaskListParams{Status: &failed}),
		"pending tasks":            taskList(db.TaskListParams{Status: &pending}),
		"processing tasks":         taskList(db.TaskListParams{Status: &processing}),
		"completed tasks":          taskList(db.TaskListParams{Status: &completed}),
		"failed tasks of a model":  taskList(db.TaskListParams{Status: &failed, Model: &model}),
		"tasks between two times":  taskList(db.TaskListParams{CreatedAfter: &at, CreatedBefore: &at}),
		"tasks by model":           taskListOfKind(db.TaskListOfKindParams{Model: &model}),
		"tasks by type":            taskListOfKind(db.TaskListOfKindParams{Type: &kind}),
		"tasks by model and type":  taskListOfKind(db.TaskListOfKindParams{Model: &model, Type: &kind}),
		"completed tasks by model": taskListOfKind(db.TaskListOfKindParams{Model: &model, Status: &completed}),
		"task by id": func(ctx context.Context, e db.DBTX) error {
			_, err := pg.Q.TaskGet(ctx, e, db.TaskGetParams{ID: "x", UserID: "u", Environment: "live"})
			return err
		},
		"usage of a user": func(ctx context.Context, e db.DBTX) error {
			_, err := pg.Q.UsageList(ctx, e, db.UsageListParams{UserID: "u", Environment: "live", RowLimit: 20})
			return err
		},
		"usage by model": func(ctx context.Context, e db.DBTX) error {
			_, err := pg.Q.UsageList(ctx, e, db.UsageListParams{UserID: "u", Environment: "live", Model: &model, RowLimit: 20})
			return err
		},
		"keys of a user": func(ctx context.Context, e db.DBTX) error {
			_, err := pg.Q.APIKeyList(ctx, e, db.APIKeyListParams{UserID: "u", RowLimit: 20})
			return err
		},
		"key by digest": func(ctx context.Context, e db.DBTX) error {
			_, err := pg.Q.APIKeyBySecretSetAnyOwner(ctx, e, [][]byte{[]byte("x")})
			return err
		},
		"ledger of a user": func(ctx context.Context, e db.DBTX) error {
			_, err := pg.Q.LedgerEntryList(ctx, e, db.LedgerEntryListParams{UserID: "u", RowLimit: 20})
			return err
		},
		"session by token": func(ctx context.Context, e db.DBTX) error {
			_, err := pg.Q.SessionByTokenAnyOwner(ctx, e, "x")
			return err
		},
		"late tasks": func(ctx context.Context, e db.DBTX) error {
			_, err := pg.Q.TaskSweepLateAnyOwner(ctx, e, 10)
			return err
		},
		"lost tasks": func(ctx context.Context, e db.DBTX) error {
			_, err := pg.Q.TaskSweepLostAnyOwner(ctx, e, db.TaskSweepLostAnyOwnerParams{LeaseSeconds: 30, RowLimit: 10})
			return err
		},
	}
}

// countsAndSweeps are those behind the totals, and those that keep the tables small.
func countsAndSweeps() map[string]func(ctx context.Context, e db.DBTX) error {
	at := time.Now()
	return map[string]func(ctx context.Context, e db.DBTX) error{
		"count of tasks": func(ctx context.Context, e db.DBTX) error {
			_, err := pg.Q.TaskCount(ctx, e, db.TaskCountParams{
				UserID: "u", Environment: "live", CreatedAfter: &at, CreatedBefore: &at, MarkedFrom: &at, MarkedUntil: &at,
			})
			return err
		},
		"usage until a mark": func(ctx context.Context, e db.DBTX) error {
			_, err := pg.Q.UsageSummary(ctx, e, db.UsageSummaryParams{
				UserID: "u", Environment: "live", CreatedAfter: &at, CreatedBefore: &at, MarkedFrom: &at, MarkedUntil: &at,
			})
			return err
		},
		"count of ledger entries": func(ctx context.Context, e db.DBTX) error {
			_, err := pg.Q.LedgerEntryCount(ctx, e, db.LedgerEntryCountParams{UserID: "u", SinceID: 9})
			return err
		},
		"the mark before": func(ctx context.Context, e db.DBTX) error {
			_, err := pg.Q.TaskMarkBefore(ctx, e, db.TaskMarkBeforeParams{UserID: "u", Environment: "live", CreatedBefore: at})
			return err
		},
		"users who lack marks of tasks": func(ctx context.Context, e db.DBTX) error {
			_, err := pg.Q.TaskMarkDueAnyOwner(ctx, e, db.TaskMarkDueAnyOwnerParams{UserIDs: []string{"u"}, MarkRows: 9})
			return err
		},
		"users who lack marks of usage": func(ctx context.Context, e db.DBTX) error {
			_, err := pg.Q.UsageMarkDueAnyOwner(ctx, e, db.UsageMarkDueAnyOwnerParams{UserIDs: []string{"u"}, MarkRows: 9})
			return err
		},
		"users who lack marks of the ledger": func(ctx context.Context, e db.DBTX) error {
			_, err := pg.Q.LedgerMarkDueAnyOwner(ctx, e, db.LedgerMarkDueAnyOwnerParams{UserIDs: []string{"u"}, MarkRows: 9})
			return err
		},
		"ran out keys": func(ctx context.Context, e db.DBTX) error {
			_, err := pg.Q.IdempotencySweepAnyOwner(ctx, e, 9)
			return err
		},
		"ran out sessions": func(ctx context.Context, e db.DBTX) error {
			_, err := pg.Q.SessionForgetAnyOwner(ctx, e, db.SessionForgetAnyOwnerParams{Days: 7, MaxRows: 9})
			return err
		},
		"ran out verifications": func(ctx context.Context, e db.DBTX) error {
			_, err := pg.Q.VerificationForgetAnyOwner(ctx, e, db.VerificationForgetAnyOwnerParams{Days: 7, MaxRows: 9})
			return err
		},
		"ended webhook events": func(ctx context.Context, e db.DBTX) error {
			_, err := pg.Q.WebhookEventForgetAnyOwner(ctx, e, db.WebhookEventForgetAnyOwnerParams{EndedBefore: at, MaxRows: 9})
			return err
		},
	}
}

func taskList(p db.TaskListParams) func(ctx context.Context, e db.DBTX) error {
	p.UserID, p.Environment, p.RowLimit = "u", "live", 20
	return func(ctx context.Context, e db.DBTX) error {
		_, err := pg.Q.TaskList(ctx, e, p)
		return err
	}
}

func taskListOfKind(p db.TaskListOfKindParams) func(ctx context.Context, e db.DBTX) error {
	p.UserID, p.Environment, p.RowLimit = "u", "live", 20
	return func(ctx context.Context, e db.DBTX) error {
		_, err := pg.Q.TaskListOfKind(ctx, e, p)
		return err
	}
}

// The tables are Better Auth's own: a column more would have to be nullable, a column less would break it.
func TestBetterAuth_TablesHaveItsColumns(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	rows, err := pool.Query(t.Context(), `select table_name || '.' || column_name || ' ' || data_type || case is_nullable when 'NO' then '!' else '' end
		from information_schema.columns where table_name in ('user', 'session', 'account', 'verification') order by table_name, ordinal_position`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Fields(strings.NewReplacer("timestamp with time zone", "timestamptz", " ", "~").Replace(strings.Join(got, "\n")))
	for _, column := range []string{
		"user.id~text!", "user.name~text!", "user.email~text!", "user.emailVerified~boolean!", "user.image~text", "user.createdAt~timestamptz!",
		"session.expiresAt~timestamptz!", "session.token~text!", "session.updatedAt~timestamptz!", "session.ipAddress~text", "session.userId~text!",
		"account.accountId~text!", "account.providerId~text!", "account.userId~text!", "account.password~text", "account.updatedAt~timestamptz!",
		"verification.identifier~text!", "verification.value~text!", "verification.expiresAt~timestamptz!",
	} {
		if !contains(want, column) {
			t.Errorf("column %s is missing among %v", column, want)
		}
	}
}

func contains(all []string, one string) bool {
	for _, s := range all {
		if s == one {
			return true
		}
	}
	return false
}
