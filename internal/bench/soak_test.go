//go:build system

package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"
)

const (
	soakWindows = 12
	soakMinutes = 60
	soakRate    = 100
)

// soakTables are those that every task leaves rows or dead rows in.
var soakTables = []string{"river_job", "tasks", "holds", "attempts", "accounts"}

// TestSoak lets orders come at a modest rate for long, with the database's own checkpoints and vacuums, and holds the
// second half to the first.
//
//	EGGAPI_BENCH_MINUTES  how long (60)
//	EGGAPI_BENCH_RATE     tasks per second (100)
func TestSoak(t *testing.T) {
	length := time.Duration(positive(t, "EGGAPI_BENCH_MINUTES", soakMinutes) * float64(time.Minute)).Truncate(time.Second)
	rate := positive(t, "EGGAPI_BENCH_RATE", soakRate)
	b := &bench{pace: newPace(t), stage: newStageWith(t, map[string]string{}), sheet: &sheet{}}
	d := b.stage.copy(t, "soak")
	node := d.startNode(t, true, true)
	orders := b.stage.posts(t, b.stage.keys, startReceiver(t))
	d.flow(t, []*service{node}, orders, 2)
	b.stage.generator(t)

	window := length / soakWindows
	sampler := startSampling(t, d, node, window)
	start := time.Now()
	load, tasks := d.follow(t, arrivals{nodes: []*service{node}, requests: orders, rate: rate, length: length, conns: 64})
	samples, err := sampler()
	if err != nil {
		t.Errorf("look at the database: %v", err)
	}
	if load.Failed > 0 || load.Refused.Count > 0 || load.Accepted == 0 {
		t.Errorf("the load went wrong: %d without an answer, %d refused: %v", load.Failed, load.Refused.Count, load.Statuses)
	}
	b.halves(tasks, start.Add(length/2))
	b.sheet.tell(t, append(b.about(t), fmt.Sprintf("%s at %g tasks/s", length, rate)), soakTable(tasks, samples, start, window))
	d.proveBooks(t)
}

func positive(t *testing.T, name string, usual float64) float64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || !(value > 0) || value > 24*60*60 {
		t.Fatalf("%s must be a positive number", name)
	}
	return value
}

// halves compares the tasks that were due in the second half with those of the first.
func (b *bench) halves(tasks []lived, middle time.Time) {
	var first, second []lived
	for _, one := range tasks {
		if one.due.Before(middle) {
			first = append(first, one)
		} else {
			second = append(second, one)
		}
	}
	for _, side := range []struct {
		key, what string
		of        func([]lived) []float64
	}{{"accept", "due to 202", toAccepted}, {"completed", "202 to completed", toCompleted}} {
		for _, percent := range []float64{50, 99} {
			was, is := percentile(side.of(first), percent), percentile(side.of(second), percent)
			b.sheet.add(result{
				key: fmt.Sprintf("soak/%s/p%g", side.key, percent), what: fmt.Sprintf("%s, p%g, second half", side.what, percent), value: is / was,
				detail: fmt.Sprintf("%s ms after %s ms", number(is), number(was)),
			})
		}
	}
}

// toAccepted gives how long each order took from when it was due to its 202, in milliseconds.
func toAccepted(tasks []lived) []float64 {
	waits := make([]float64, len(tasks))
	for i, one := range tasks {
		waits[i] = one.answered.Sub(one.due).Seconds() * 1000
	}
	return waits
}

// sampled is what a soak looks at at the end of each window.
type sampled struct {
	rss      float64 // MB
	database float64 // MB
	tables   []string
}

// startSampling looks at the end of each window. The function it gives stops that and hands over what was seen.
func startSampling(t *testing.T, d *database, node *service, window time.Duration) (stop func() ([]sampled, error)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var samples []sampled
	var failures []error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(window)
		defer tick.Stop()
		for len(samples) < soakWindows {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			one, err := d.sample(ctx)
			one.rss = node.megabytes(t, "VmRSS")
			samples, failures = append(samples, one), append(failures, err)
		}
	}()
	return func() ([]sampled, error) {
		cancel()
		<-ended
		return samples, errors.Join(failures...)
	}
}

func (d *database) sample(ctx context.Context) (s sampled, err error) {
	if err := d.pool.QueryRow(ctx, "select pg_database_size(current_database())::float8 / 1048576").Scan(&s.database); err != nil {
		return s, err
	}
	for _, table := range soakTables {
		var size, dead float64
		err := d.pool.QueryRow(ctx, "select pg_total_relation_size(relid)::float8 / 1048576, n_dead_tup::float8 from pg_stat_user_tables where relname = $1", table).
			Scan(&size, &dead)
		if err != nil {
			return s, err
		}
		s.tables = append(s.tables, fmt.Sprintf("%s / %.0f", number(size), dead))
	}
	return s, nil
}

func soakTable(tasks []lived, samples []sampled, start time.Time, window time.Duration) [][]string {
	head := []string{"window", "tasks/s", "202 p50", "p99 ms", "completed p50", "p99 ms", "database MB", "RSS MB"}
	for _, table := range soakTables {
		head = append(head, table+" MB / dead")
	}
	windows := make([][]lived, soakWindows)
	for _, one := range tasks {
		i := min(max(int(one.due.Sub(start)/window), 0), soakWindows-1)
		windows[i] = append(windows[i], one)
	}
	rows := [][]string{head}
	for i, w := range windows {
		accepted, completed := toAccepted(w), toCompleted(w)
		row := []string{
			strconv.Itoa(i + 1), number(float64(len(w)) / window.Seconds()),
			number(percentile(accepted, 50)), number(percentile(accepted, 99)), number(percentile(completed, 50)), number(percentile(completed, 99)),
		}
		if i < len(samples) {
			row = append(row, number(samples[i].database), number(samples[i].rss))
			row = append(row, samples[i].tables...)
		}
		rows = append(rows, row)
	}
	return rows
}
