package task_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"pgregory.net/rapid"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/dbtest"
	"github.com/eggapi/eggapi/internal/pg"
	"github.com/eggapi/eggapi/internal/task"
)

var (
	countModels   = []string{"nanobanana", "nanobanana-pro"}
	countTypes    = []string{task.TypeGenerate, task.TypeEdit}
	countStatuses = []string{task.StatusPending, task.StatusProcessing, task.StatusCompleted, task.StatusFailed}
)

// tb is a test of rapid's or a plain one.
type tb interface {
	rapid.TB
	Context() context.Context
}

// counted is a user whose tasks are counted in both ways.
type counted struct {
	pool *pgxpool.Pool
	user string
	n    int
}

// add stores a task, and its usage when it completed. Without a time it is created now.
func (c *counted) add(t tb, model, kind, status string, created *time.Time) {
	c.n++
	query := `with t as (
			insert into tasks (id, user_id, environment, model, type, status, prompt, aspect_ratio, resolution, num_outputs, price_id,
				unit_price_micros, cost_micros, error, deadline_at, created_at, completed_at)
			select $1, $2, 'live', $3, $4, $5, 'a fox', '16:9', '1k', 1, 1, 10000, case $5 when 'completed' then 10000 else 0 end,
				case $5 when 'failed' then 'no' end, now(), coalesce($6, clock_timestamp()), case when $5 in ('completed', 'failed') then now() end
			returning *)
		insert into usage_records (id, user_id, environment, task_id, model, type, units, cost_micros, created_at)
		select 'use_' || id, user_id, environment, id, model, type, 1 + length(id) % 3, cost_micros, created_at from t where status = 'completed'`
	if _, err := c.pool.Exec(t.Context(), query, fmt.Sprintf("%s_%d", c.user, c.n), c.user, model, kind, status, created); err != nil {
		t.Errorf("add a task: %v", err)
	}
}

// endOne ends the oldest open task.
func (c *counted) endOne(t tb, status string) {
	_, err := c.pool.Exec(t.Context(), `update tasks set status = $2, completed_at = now(), error = case $2 when 'failed' then 'no' end
		where id = (select id from tasks where user_id = $1 and completed_at is null order by created_at limit 1)`, c.user, status)
	if err != nil {
		t.Errorf("end a task: %v", err)
	}
}

// mark sets a mark of each kind a few rows after the last, unless something before it may still change.
func (c *counted) mark(t tb, rows, calmSeconds int32) {
	p := db.TaskMarkAddParams{UserID: c.user, Environment: "live", MarkRows: rows, CalmSeconds: calmSeconds}
	if _, err := pg.Q.TaskMarkAdd(t.Context(), c.pool, p); err != nil {
		t.Errorf("mark tasks: %v", err)
	}
	if _, err := pg.Q.UsageMarkAdd(t.Context(), c.pool, db.UsageMarkAddParams(p)); err != nil {
		t.Errorf("mark usage: %v", err)
	}
}

// check compares every kind of total with the plain one, in one snapshot.
func (c *counted) check(t tb, f task.Filter) {
	err := pg.InSnapshot(t.Context(), c.pool, func(tx pg.Tx) error {
		var want int64
		if err := tx.QueryRow(t.Context(), `select count(*) from tasks where user_id = $1 and ($2::text is null or status = $2)
			and ($3::text is null or model = $3) and ($4::text is null or type = $4) and ($5::timestamptz is null or created_at > $5)
			and ($6::timestamptz is null or created_at < $6)`, c.user, f.Status, f.Model, f.Type, f.CreatedAfter, f.CreatedBefore).Scan(&want); err != nil {
			return err
		}
		got, err := task.Count(t.Context(), tx, f)
		if err != nil {
			return err
		}
		if got != want {
			t.Fatalf("counted %d tasks, there are %d, for %+v", got, want, f)
		}
		return c.checkUsage(t, tx, f)
	})
	if err != nil {
		t.Fatalf("count: %v", err)
	}
}

func (c *counted) checkUsage(t tb, tx pg.Tx, f task.Filter) error {
	rows, err := tx.Query(t.Context(), `select model, sum(units)::bigint as units, sum(cost_micros)::bigint as cost_micros, count(*) as requests
		from usage_records where user_id = $1 and ($2::text is null or model = $2) and ($3::timestamptz is null or created_at > $3)
		and ($4::timestamptz is null or created_at < $4) group by model order by model`, c.user, f.Model, f.CreatedAfter, f.CreatedBefore)
	if err != nil {
		return err
	}
	want, err := pgx.CollectRows(rows, pgx.RowToStructByPos[task.UsageSum])
	if err != nil {
		return err
	}
	got, err := task.SumUsage(t.Context(), tx, task.UsageFilter{
		UserID: f.UserID, Environment: f.Environment, Model: f.Model, CreatedAfter: f.CreatedAfter, CreatedBefore: f.CreatedBefore,
	})
	if err == nil && !slices.Equal(got, want) {
		t.Fatalf("summed %v, there is %v, for %+v", got, want, f)
	}
	return err
}

// drawFilter draws the ends of a filter so that they often fall on a task, and so on a mark.
func drawFilter(r *rapid.T, user string, begin time.Time) task.Filter {
	oneOf := func(name string, of []string) *string {
		if rapid.Bool().Draw(r, "any "+name) {
			return nil
		}
		v := rapid.SampledFrom(of).Draw(r, name)
		return &v
	}
	end := func(name string) *time.Time {
		if rapid.Bool().Draw(r, "no "+name) {
			return nil
		}
		at := begin.Add(time.Duration(rapid.IntRange(-1, 21).Draw(r, name)) * time.Minute)
		at = at.Add(time.Duration(rapid.IntRange(-1, 1).Draw(r, "beside "+name)) * time.Microsecond)
		return &at
	}
	return task.Filter{
		UserID: user, Environment: "live", Status: oneOf("status", countStatuses), Model: oneOf("model", countModels),
		Type: oneOf("type", countTypes), CreatedAfter: end("after"), CreatedBefore: end("before"),
	}
}

func TestCount_IsExactWhateverIsMarked(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	users := 0
	rapid.Check(t, func(r *rapid.T) {
		users++
		c := &counted{pool: pool, user: fmt.Sprintf("usr_%d", users)}
		begin := time.Now().Add(-time.Hour).Truncate(time.Minute)
		for range rapid.IntRange(0, 25).Draw(r, "tasks") {
			// Few minutes, so that many tasks share one.
			at := begin.Add(time.Duration(rapid.IntRange(0, 20).Draw(r, "minute")) * time.Minute)
			c.add(r, rapid.SampledFrom(countModels).Draw(r, "model"), rapid.SampledFrom(countTypes).Draw(r, "type"),
				// Most have ended, or no mark could pass.
				rapid.SampledFrom(append(countStatuses, "completed", "completed", "failed", "failed")).Draw(r, "status"), &at)
		}
		for range rapid.IntRange(1, 12).Draw(r, "acts") {
			switch rapid.IntRange(0, 5).Draw(r, "act") {
			case 0:
				c.add(r, countModels[0], countTypes[0], rapid.SampledFrom(countStatuses).Draw(r, "status"), nil)
			case 1:
				c.endOne(r, rapid.SampledFrom(countStatuses[2:]).Draw(r, "end"))
			default:
				c.mark(r, rapid.Int32Range(1, 4).Draw(r, "rows"), 0)
			}
			c.check(r, drawFilter(r, c.user, begin))
		}
	})
}

// Marks are set and tasks come and end while totals are read; at no moment is one wrong.
func TestCount_IsExactWhileTasksComeEndAndAreMarked(t *testing.T) {
	t.Parallel()
	c := &counted{pool: dbtest.New(t), user: "usr_1"}
	stop := make(chan struct{})
	var busy sync.WaitGroup
	for _, act := range []func(){
		func() { c.add(t, countModels[c.n%2], countTypes[c.n%2], task.StatusPending, nil) },
		func() { c.endOne(t, task.StatusFailed) },
		func() { c.mark(t, 3, 1) },
		func() { c.mark(t, 2, 1) },
	} {
		busy.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					act()
				}
			}
		})
	}
	failed := task.StatusFailed
	for marks, until := 0, time.Now().Add(time.Minute); marks < 50 && !t.Failed(); {
		c.check(t, task.Filter{UserID: c.user, Environment: "live"})
		c.check(t, task.Filter{UserID: c.user, Environment: "live", Status: &failed})
		if err := c.pool.QueryRow(t.Context(), "select count(*) from task_marks").Scan(&marks); err != nil || time.Now().After(until) {
			t.Errorf("only %d marks were set: %v", marks, err)
		}
	}
	close(stop)
	busy.Wait()
}
