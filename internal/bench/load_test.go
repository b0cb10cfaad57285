//go:build system

package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// requestsEnd stands between the requests of a file; no request contains it.
const requestsEnd = "\x1e"

func loadName() string {
	if _, err := exec.LookPath("wrk"); err == nil {
		return "wrk"
	}
	return "own client"
}

// load asks a service for what is in a file, over and over for a second, and fails the test on any answer but 2xx.
func (s *stage) load(t *testing.T, of *service, requestsPath string) rate {
	t.Helper()
	if s.loadName == "wrk" {
		return loadByWrk(t, of, requestsPath)
	}
	out, err := command(t, order{Part: "load", Addr: of.addr, RequestsPath: requestsPath, Conns: conns, Seconds: 1}).Output()
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
local requests, n = {}, 0
for one in text:gmatch("[^\30]+") do requests[#requests + 1] = one end
request = function()
  n = n %% #requests + 1
  return requests[n]
end
`

var (
	wrkAnswers = regexp.MustCompile(`(\d+) requests in`)
	wrkRate    = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
)

func loadByWrk(t *testing.T, of *service, requestsPath string) rate {
	t.Helper()
	script := requestsPath + ".lua"
	if err := os.WriteFile(script, fmt.Appendf(nil, wrkScript, requestsPath), 0o600); err != nil {
		t.Fatalf("write the script: %v", err)
	}
	out, err := exec.CommandContext(t.Context(), "wrk", "-t1", "-c"+strconv.Itoa(conns), "-d1s", "-s", script, "http://"+of.addr).CombinedOutput()
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
	text, err := os.ReadFile(o.RequestsPath)
	if err != nil {
		return err
	}
	requests := strings.Split(string(text), requestsEnd)
	callers := make([]*caller, o.Conns)
	errs := make([]error, o.Conns)
	var wg sync.WaitGroup
	start := time.Now()
	until := start.Add(time.Duration(o.Seconds * float64(time.Second)))
	for i := range callers {
		callers[i] = &caller{addr: o.Addr, requests: requests, next: i * len(requests) / o.Conns}
		wg.Go(func() { errs[i] = callers[i].run(ctx, until) })
	}
	wg.Wait()
	took := time.Since(start)
	if err := errors.Join(errs...); err != nil {
		return err
	}
	answers := 0
	for _, c := range callers {
		answers += c.answers
	}
	return writeRate(rate{times: answers, seconds: took.Seconds()})
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

// caller asks on one connection, and waits for each answer.
type caller struct {
	addr     string
	requests []string
	next     int
	answers  int
}

func (c *caller) run(ctx context.Context, until time.Time) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(until.Add(10 * time.Second)); err != nil {
		return err
	}
	in := bufio.NewReaderSize(conn, 16<<10)
	for time.Now().Before(until) {
		if _, err := io.WriteString(conn, c.requests[c.next]); err != nil {
			return err
		}
		c.next = (c.next + 1) % len(c.requests)
		if err := readAnswer(in); err != nil {
			return err
		}
		c.answers++
	}
	return nil
}

// readAnswer reads one answer of HTTP/1.1 with a Content-Length, and as little of it as possible.
func readAnswer(in *bufio.Reader) error {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return err
	}
	if len(line) < 12 || line[9] != '2' {
		return fmt.Errorf("answered %q", line)
	}
	length := -1
	for {
		if line, err = in.ReadSlice('\n'); err != nil {
			return err
		}
		if len(line) <= 2 {
			break
		}
		if value, found := strings.CutPrefix(string(line), "Content-Length: "); found {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return errors.New("the answer has no length")
	}
	_, err = in.Discard(length)
	return err
}
