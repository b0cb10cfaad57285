//go:build system

package bench

import (
	"fmt"
	"math"
	"testing"

	"github.com/jackc/pgx/v5"
)

// measureNodes compares two processes that serve and two that work with one of each, on the same PostgreSQL.
func measureNodes(t *testing.T, b *bench) {
	one, two := b.stage.copy(t, "nodes_one"), b.stage.copy(t, "nodes_two")
	orders := b.stage.posts(t, b.stage.keys, startReceiver(t))
	servers := []*service{one.startNode(t, true, false)}
	pair := []*service{two.startNode(t, true, false), two.startNode(t, true, false)}
	costs := [2]*cost{
		{of: one, processes: append(servers[:1:1], one.startNode(t, false, true))},
		{of: two, processes: append(pair[:2:2], two.startNode(t, false, true), two.startNode(t, false, true))},
	}
	one.flow(t, servers, orders, 1)
	two.flow(t, pair, orders, 1)
	measured := two.now(t)
	costs[0].begin(t)
	costs[1].begin(t)
	var ones, twos, ratios, noises []float64
	seconds := b.pace.flow.Seconds() / 2
	for range b.pace.rounds {
		b.stage.checkpoint(t)
		first := one.flow(t, servers, orders, seconds).rate()
		both := two.flow(t, pair, orders, seconds).rate()
		both.add(two.flow(t, pair, orders, seconds).rate())
		second := one.flow(t, servers, orders, seconds).rate()
		noises = append(noises, math.Abs(first.perSecond()/second.perSecond()-1))
		first.add(second)
		ones, twos = append(ones, first.perSecond()), append(twos, both.perSecond())
		ratios = append(ratios, both.perSecond()/first.perSecond())
	}
	noise := middle(noises)
	b.sheet.add(result{
		key: "nodes/ratio", what: "2 serve + 2 work / 1 serve + 1 work, within the noise", value: middle(ratios), spread: spread(ratios), met: middle(ratios) >= 1-noise,
		detail: fmt.Sprintf("%s /s, one of each %s /s; noise %.0f %%, the difference of two slices of the same", numbers(twos), numbers(ones), 100*noise),
	})
	costs[0].end(t)
	costs[1].end(t)
	b.sheet.add(result{
		key: "nodes/commits", what: "commits a task, 2 serve + 2 work / 1 serve + 1 work", value: costs[1].commits / costs[0].commits,
		detail: fmt.Sprintf("%s, one of each %s; CPU of the processes %s ms a task, one of each %s ms", number(costs[1].commits),
			number(costs[0].commits), number(costs[1].milliseconds), number(costs[0].milliseconds)),
	})
	waits := two.startsSince(t, measured)
	b.sheet.add(result{
		key: "nodes/wait", what: "longest wait for a worker while some are free, 64 tasks in flight", value: percentile(waits, 100),
		detail: fmt.Sprintf("%d tasks, p50 %s ms, p99 %s ms", len(waits), number(percentile(waits, 50)), number(percentile(waits, 99))),
	})
	one.proveBooks(t)
	two.proveBooks(t)
}

// cost is what the tasks of a stretch of time cost: commits of the database, and time of the processors in some processes.
type cost struct {
	of                    *database
	processes             []*service
	tasks                 int
	commits, milliseconds float64 // a task, once ended; sums before
}

func (c *cost) begin(t *testing.T) { c.tasks, c.commits, c.milliseconds = c.sums(t) }

func (c *cost) end(t *testing.T) {
	tasks, commits, milliseconds := c.sums(t)
	n := float64(tasks - c.tasks)
	c.commits, c.milliseconds = (commits-c.commits)/n, (milliseconds-c.milliseconds)/n
}

func (c *cost) sums(t *testing.T) (tasks int, commits, milliseconds float64) {
	t.Helper()
	tasks = c.of.count(t, "tasks")
	if err := c.of.pool.QueryRow(t.Context(), "select xact_commit::float8 from pg_stat_database where datname = current_database()").Scan(&commits); err != nil {
		t.Fatalf("count commits: %v", err)
	}
	for _, p := range c.processes {
		milliseconds += p.cpuTime(t).Seconds() * 1000
	}
	return tasks, commits, milliseconds
}

// now gives the database's time as text.
func (d *database) now(t *testing.T) (at string) {
	t.Helper()
	if err := d.pool.QueryRow(t.Context(), "select now()::text").Scan(&at); err != nil {
		t.Fatalf("ask for the time: %v", err)
	}
	return at
}

// startsSince gives how long each task since then waited for a worker, in milliseconds.
func (d *database) startsSince(t *testing.T, since string) []float64 {
	t.Helper()
	rows, err := d.pool.Query(t.Context(), "select extract(epoch from started_at - created_at)::float8 * 1000 from tasks where created_at > $1::text::timestamptz", since)
	if err != nil {
		t.Fatalf("read the tasks: %v", err)
	}
	waits, err := pgx.CollectRows(rows, pgx.RowTo[float64])
	if err != nil || len(waits) == 0 {
		t.Fatalf("read the tasks: %d, %v", len(waits), err)
	}
	return waits
}
