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
	one.startNode(t, false, true)
	pair := []*service{two.startNode(t, true, false), two.startNode(t, true, false)}
	two.startNode(t, false, true)
	two.startNode(t, false, true)
	one.flow(t, servers, orders, 1)
	two.flow(t, pair, orders, 1)
	measured := two.now(t)
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
	waits := two.startsSince(t, measured)
	b.sheet.add(result{
		key: "nodes/wait", what: "longest wait for a worker while some are free, 64 tasks in flight", value: percentile(waits, 100),
		detail: fmt.Sprintf("%d tasks, p50 %s ms, p99 %s ms", len(waits), number(percentile(waits, 50)), number(percentile(waits, 99))),
	})
	one.proveBooks(t)
	two.proveBooks(t)
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
