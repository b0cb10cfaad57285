//go:build system

package bench

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// arrivals is a load that does not depend on the answers: requests come at a rate, and time counts from when each was
// due. It is made by tools/bench.
type arrivals struct {
	nodes    []*service
	requests string // a file
	rate     float64
	delay    time.Duration
	length   time.Duration
	conns    int
	window   time.Duration
}

// arrived is what tools/bench tells of a stretch of a run.
type arrived struct {
	Seconds  float64
	Arrived  int
	Unsent   int
	Failed   int
	Accepted int
	Statuses map[string]int
	Latency  latencies // from when it was due, of what was accepted or left without an answer
	Sent     latencies // from when it was sent, of what was accepted
	Refused  latencies // from when it was sent, of what was refused
	Windows  []arrived
}

type latencies struct {
	Count int
	P50   float64 `json:"p50_ms"`
	P99   float64 `json:"p99_ms"`
	Max   float64 `json:"max_ms"`
}

// generator builds tools/bench, once.
func (s *stage) generator(t *testing.T) string {
	t.Helper()
	path := filepath.Join(s.dir, "open-loop")
	if exists(path) {
		return path
	}
	cmd := exec.CommandContext(t.Context(), "go", "-C", filepath.Join("..", "..", "tools"), "build", "-o", path, "./bench")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build tools/bench: %v\n%s", err, out)
	}
	return path
}

// startArrivals begins a load. The channel gives what came of it; tell hears of each accepted task when it is answered.
func (s *stage) startArrivals(t *testing.T, a arrivals, tell func(taskID string, due, answered time.Time)) <-chan arrived {
	t.Helper()
	var targets []string
	for _, n := range a.nodes {
		targets = append(targets, n.addr)
	}
	args := []string{
		"-target", strings.Join(targets, ","), "-requests", a.requests, "-rate", strconv.FormatFloat(a.rate, 'f', 2, 64), "-arrivals", "poisson",
		"-seed", strconv.FormatInt(time.Now().UnixNano()%1e6, 10), "-delay", a.delay.String(), "-for", a.length.String(),
		"-conns", strconv.Itoa(a.conns), "-window", a.window.String(), "-most", "10000000",
	}
	if tell != nil {
		args = append(args, "-ids")
	}
	cmd := exec.CommandContext(t.Context(), s.generator(t), args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatalf("start tools/bench: %v", err)
	}
	results := make(chan arrived, 1)
	go func() {
		defer close(results)
		result, err := readArrivals(bufio.NewScanner(out), tell)
		if waitErr := cmd.Wait(); err == nil {
			err = waitErr
		}
		if err != nil {
			t.Errorf("tools/bench: %v", err)
			return
		}
		results <- result
	}()
	return results
}

func readArrivals(lines *bufio.Scanner, tell func(string, time.Time, time.Time)) (result arrived, err error) {
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "{") {
			return result, json.Unmarshal(lines.Bytes(), &result)
		}
		var id string
		var due, answered int64
		if _, err := fmt.Sscan(lines.Text(), &id, &due, &answered); err != nil {
			return result, err
		}
		tell(id, time.UnixMicro(due), time.UnixMicro(answered))
	}
	return result, fmt.Errorf("it told nothing: %w", lines.Err())
}

// lived is one task of a load, as seen from outside.
type lived struct {
	id                  string
	due, answered, done time.Time
}

// follow makes a load and watches each of its tasks until it is completed.
func (d *database) follow(t *testing.T, a arrivals) (arrived, []lived) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), d.url)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	w := newWatch()
	var tasks []*lived // appended to by one, read when it has ended
	stop := w.start(t.Context(), conn)
	result, ok := <-d.stage.startArrivals(t, a, func(id string, due, answered time.Time) {
		one := &lived{id: id, due: due, answered: answered}
		tasks = append(tasks, one)
		w.add(id, func(at time.Time) { one.done = at })
	})
	if !ok {
		t.FailNow()
	}
	awaitWithin(t, flowPeriod, "every accepted task is completed", func() bool { return w.left() == 0 })
	if err := stop(); err != nil {
		t.Fatalf("watch the tasks: %v", err)
	}
	d.awaitHooks(t)
	all := make([]lived, len(tasks))
	for i, one := range tasks {
		all[i] = *one
	}
	return result, all
}

// toCompleted gives how long each task took from its 202 until it was seen to be completed, in milliseconds.
func toCompleted(tasks []lived) []float64 {
	waits := make([]float64, len(tasks))
	for i, one := range tasks {
		waits[i] = max(0, one.done.Sub(one.answered).Seconds()*1000)
	}
	return waits
}

// toStarted gives how long each task waited for a worker, in milliseconds: from when the node that took it noted it
// to when the database gave it to a worker, by the one clock of this machine.
func (d *database) toStarted(t *testing.T, ids []string) []float64 {
	t.Helper()
	rows, err := d.pool.Query(t.Context(), "select extract(epoch from started_at - created_at)::float8 * 1000 from tasks where id = any($1)", ids)
	if err != nil {
		t.Fatalf("read the tasks: %v", err)
	}
	waits, err := pgx.CollectRows(rows, pgx.RowTo[float64])
	if err != nil || len(waits) != len(ids) {
		t.Fatalf("read the tasks: %d of %d, %v", len(waits), len(ids), err)
	}
	return waits
}
