package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const question = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

func planFor(s *httptest.Server) plan {
	return plan{
		targets: []string{s.Listener.Addr().String()}, requests: []string{question},
		rate: 100, length: time.Second, most: 1000, conns: 4, timeout: 5 * time.Second,
	}
}

func drive(t *testing.T, p plan) summary {
	t.Helper()
	samples, err := p.drive(t.Context(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return p.summarize(samples)
}

// stalling answers at once, but for one stretch in which nobody is answered.
func stalling(t *testing.T, after, stall time.Duration) *httptest.Server {
	t.Helper()
	var once sync.Once
	var from time.Time
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		once.Do(func() { from = time.Now() })
		if at := time.Since(from); at >= after && at < after+stall {
			select {
			case <-time.After(after + stall - at):
			case <-r.Context().Done():
			}
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func TestDrive_AStallIsChargedForEverybodyWhoCameMeanwhile(t *testing.T) {
	s := drive(t, planFor(stalling(t, 300*time.Millisecond, 400*time.Millisecond)))
	if s.Arrived != 100 || s.Statuses["200"] != 100 {
		t.Fatalf("%+v", s)
	}
	// 40 of 100 were due within the stall, evenly; only four connections saw it.
	if s.Latency.P90 < 200 || s.Latency.Max < 350 {
		t.Errorf("from when they were due: p90 %.0f ms, max %.0f ms", s.Latency.P90, s.Latency.Max)
	}
	if s.Sent.P90 > 200 {
		t.Errorf("from when they were sent: p90 %.0f ms, though only four waited", s.Sent.P90)
	}
}

func TestDrive_WhatNeverLeftCountsWithTheTimeItWaited(t *testing.T) {
	p := planFor(stalling(t, 0, 3*time.Second))
	s := drive(t, p)
	if s.Unsent != 96 || s.Statuses["200"] != 4 || s.Latency.Count != 100 {
		t.Fatalf("%+v", s)
	}
	if s.Latency.P50 < 400 {
		t.Errorf("p50 %.0f ms", s.Latency.P50)
	}
}

func TestDrive_RefusalsAndBrokenConnectionsAreToldApart(t *testing.T) {
	n := 0
	var mu sync.Mutex
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		switch n++; n % 4 {
		case 0:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 1:
			panic(http.ErrAbortHandler)
		case 2:
			w.Header().Set("Connection", "close")
		}
	}))
	defer server.Close()
	p := planFor(server)
	p.conns, p.window = 1, 500*time.Millisecond
	s := drive(t, p)
	if s.Statuses["200"] != 50 || s.Statuses["503"] != 25 || s.Failed != 25 || s.Refused.Count != 25 || s.Sent.Count != 50 {
		t.Errorf("%+v", s)
	}
	if s.Accepted != 50 || s.Windows[0].Accepted+s.Windows[1].Accepted != 50 {
		t.Errorf("%d accepted, in windows: %+v", s.Accepted, s.Windows)
	}
	if len(s.Windows) != 2 || s.Windows[0].Arrived != 50 || s.Windows[1].FromSeconds != 0.5 {
		t.Errorf("windows: %+v", s.Windows)
	}
}

func TestDrive_TellsOfEachAcceptedTask(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `{"data":{"id":"gen_1"}}`)
	}))
	defer server.Close()
	p := planFor(server)
	p.ids, p.most = true, 7
	var out bytes.Buffer
	if _, err := p.drive(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	for _, line := range lines {
		var id string
		var due, answered int64
		if _, err := fmt.Sscan(line, &id, &due, &answered); err != nil || id != "gen_1" || answered < due || time.Since(time.UnixMicro(due)) > time.Minute {
			t.Errorf("%q: %v", line, err)
		}
	}
	if len(lines) != 7 {
		t.Errorf("%d lines", len(lines))
	}
}

func TestDrive_EndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	p := planFor(stalling(t, 0, 0))
	p.length = time.Hour
	if _, err := p.drive(ctx, io.Discard); err == nil {
		t.Error("a run that was cut short looks whole")
	}
}

func TestSchedule_IsTheSameForASeedAndKeepsItsRate(t *testing.T) {
	p := plan{rate: 1000, poisson: true, seed: 7, length: 10 * time.Second, most: mostRequests}
	a, b := newSchedule(p), newSchedule(p)
	count := 0
	for {
		n, due, ok := a.next()
		if _, again, _ := b.next(); again != due {
			t.Fatalf("arrival %d is due at %s and %s", n, due, again)
		}
		if !ok {
			break
		}
		count++
	}
	if count < 9600 || count > 10400 { // four standard deviations
		t.Errorf("%d arrivals in 10 s", count)
	}
}

func TestMeasure_GivesNearestRanks(t *testing.T) {
	var values []time.Duration
	for n := 1000; n > 0; n-- {
		values = append(values, time.Duration(n)*time.Millisecond)
	}
	want := latencies{Count: 1000, P50: 500, P90: 900, P99: 990, P999: 999, Max: 1000}
	if got := measure(values); got != want {
		t.Errorf("%+v", got)
	}
	if got := measure([]time.Duration{time.Second}); got.P50 != 1000 || got.Max != 1000 {
		t.Errorf("%+v", got)
	}
}

func TestParse_RefusesOtherMachinesAndUnboundedRuns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "requests")
	if err := os.WriteFile(path, []byte(question+"\x1e"+question), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := parse([]string{"-requests", path, "-target", "127.0.0.1:1,127.0.0.1:2", "-arrivals", "poisson"})
	if err != nil || len(p.requests) != 2 || len(p.targets) != 2 || !p.poisson {
		t.Fatalf("%+v %v", p, err)
	}
	for _, args := range [][]string{
		{"-target", "192.0.2.1:80"},
		{"-target", "localhost:80"},
		{"-target", "127.0.0.1:80,example.com:80"},
		{"-rate", "0"},
		{"-rate", "NaN"},
		{"-for", "25h"},
		{"-most", "10000001"},
		{"-conns", "4097"},
		{"-timeout", "0s"},
		{"-arrivals", "sometimes"},
	} {
		if _, err := parse(append([]string{"-requests", path}, args...)); err == nil {
			t.Errorf("%v was taken", args)
		}
	}
}

func TestSummary_ReadsBack(t *testing.T) {
	text, err := json.Marshal(summary{part: part{Arrived: 3}, Windows: []part{{Unsent: 1}}})
	if err != nil || !strings.Contains(string(text), `"arrived":3`) || !strings.Contains(string(text), `"windows":[{`) {
		t.Errorf("%s %v", text, err)
	}
}
