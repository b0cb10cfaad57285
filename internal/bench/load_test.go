//go:build system

package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func loadName() string {
	if _, err := exec.LookPath("wrk"); err == nil {
		return "wrk"
	}
	return "own client"
}

// load asks a service for what is in a file, in turn from anywhere in it, for a slice on some connections, each of
// which waits for its answer. Any answer but 2xx fails the test.
func (b *bench) load(t *testing.T, of *service, requestsPath string, conns int) rate {
	t.Helper()
	if b.pace.loadName == "wrk" {
		return b.wrk(t, of, requestsPath, conns)
	}
	o := order{Part: "load", Addrs: []string{of.addr}, RequestsPath: requestsPath, Conns: conns, Seconds: b.pace.slice.Seconds()}
	out, err := command(t, o).Output()
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return readRate(t, out)
}

// wrkScript makes wrk send the requests of a file in turn.
const wrkScript = `
local file = assert(io.open(%q, "rb"))
local text = file:read("*a")
file:close()
local requests = {}
for one in text:gmatch("[^\30]+") do requests[#requests + 1] = one end
local n = math.floor(%f * #requests)
request = function()
  n = n %% #requests + 1
  return requests[n]
end
`

var (
	wrkAnswers = regexp.MustCompile(`(\d+) requests in`)
	wrkRate    = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
)

func (b *bench) wrk(t *testing.T, of *service, requestsPath string, conns int) rate {
	t.Helper()
	script := requestsPath + ".lua"
	if err := os.WriteFile(script, fmt.Appendf(nil, wrkScript, requestsPath, rand.Float64()), 0o600); err != nil {
		t.Fatalf("write the script: %v", err)
	}
	out, err := exec.CommandContext(t.Context(), "wrk", "-t1", "-c"+strconv.Itoa(conns), "-d"+b.pace.slice.String(), "-s", script, "http://"+of.addr).CombinedOutput()
	answers, perSecond := wrkAnswers.FindSubmatch(out), wrkRate.FindSubmatch(out)
	if err != nil || answers == nil || perSecond == nil || strings.Contains(string(out), "Non-2xx") || strings.Contains(string(out), "Socket errors") {
		t.Fatalf("wrk: %v\n%s", err, out)
	}
	times, _ := strconv.Atoi(string(answers[1]))
	wanted, _ := strconv.ParseFloat(string(perSecond[1]), 64)
	return rate{times: times, seconds: float64(times) / wanted}
}

// load is the part of the process that asks.
func load(ctx context.Context, o order) error {
	requests, err := readRequests(o.RequestsPath)
	if err != nil {
		return err
	}
	answers, errs := make([]int, o.Conns), make([]error, o.Conns)
	var wg sync.WaitGroup
	start := time.Now()
	until := start.Add(o.duration())
	for i := range o.Conns {
		wg.Go(func() { answers[i], errs[i] = askOver(ctx, o, requests, until) })
	}
	wg.Wait()
	took := time.Since(start)
	if err := errors.Join(errs...); err != nil {
		return err
	}
	total := 0
	for _, n := range answers {
		total += n
	}
	return writeRate(rate{times: total, seconds: took.Seconds()})
}

func askOver(ctx context.Context, o order, requests []string, until time.Time) (answers int, err error) {
	c, err := dial(ctx, o.Addrs[0], until.Add(10*time.Second))
	if err != nil {
		return 0, err
	}
	defer c.close()
	for next := rand.IntN(len(requests)); time.Now().Before(until); next = (next + 1) % len(requests) {
		a, err := c.ask(requests[next])
		if err == nil && a.status/100 != 2 {
			err = fmt.Errorf("answered %d", a.status)
		}
		if err != nil {
			return answers, err
		}
		answers++
	}
	return answers, nil
}

func readRequests(path string) ([]string, error) {
	text, err := os.ReadFile(path)
	return strings.Split(string(text), requestsEnd), err
}

// writeRate is how a process that plays a part tells what came of it; readRate reads it.
func writeRate(r rate) error {
	_, err := fmt.Fprintln(os.Stdout, r.times, r.seconds)
	return err
}

func readRate(t *testing.T, out []byte) (r rate) {
	t.Helper()
	if _, err := fmt.Sscan(string(out), &r.times, &r.seconds); err != nil || r.times == 0 {
		t.Fatalf("nothing was measured: %q %v", out, err)
	}
	return r
}
