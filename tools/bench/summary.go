package main

import (
	"slices"
	"strconv"
	"time"
)

// latencies are percentiles in milliseconds, exact: the least value that the share of the samples does not exceed.
type latencies struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50_ms"`
	P90   float64 `json:"p90_ms"`
	P99   float64 `json:"p99_ms"`
	P999  float64 `json:"p999_ms"`
	Max   float64 `json:"max_ms"`
}

func measure(values []time.Duration) latencies {
	if len(values) == 0 {
		return latencies{}
	}
	slices.Sort(values)
	at := func(perMille int) float64 {
		rank := (len(values)*perMille + 999) / 1000 // rounded up: nearest rank
		return milliseconds(values[max(rank, 1)-1])
	}
	return latencies{Count: len(values), P50: at(500), P90: at(900), P99: at(990), P999: at(999), Max: at(1000)}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// part is what came of the arrivals of some stretch of a run.
type part struct {
	FromSeconds float64        `json:"from_seconds"`
	Seconds     float64        `json:"seconds"`
	Arrived     int            `json:"arrived"`
	Unsent      int            `json:"unsent"` // every connection was busy until the end
	Failed      int            `json:"failed"` // no answer
	Statuses    map[string]int `json:"statuses"`
	Accepted    int            `json:"accepted"` // how many 2xx came within the stretch, whenever they were due
	// Latency counts from when a request was due until a 2xx; what was never sent or answered counts with the time it
	// had waited by then.
	Latency latencies `json:"latency"`
	// Sent is the same from when it was sent, of 2xx alone; Refused of all other answers.
	Sent    latencies `json:"sent"`
	Refused latencies `json:"refused"`
}

// summary is what a run prints at its end.
type summary struct {
	part
	Windows []part `json:"windows,omitempty"`
}

func (p plan) summarize(samples []sample) summary {
	s := summary{part: partOf(samples, 0, p.length)}
	windows := make([][]sample, 0)
	if p.window > 0 {
		windows = make([][]sample, (p.length+p.window-1)/p.window)
		for _, one := range samples {
			windows[one.due/p.window] = append(windows[one.due/p.window], one)
		}
	}
	for i, w := range windows {
		from := time.Duration(i) * p.window
		s.Windows = append(s.Windows, partOf(w, from, min(p.window, p.length-from)))
	}
	for _, one := range samples {
		if one.status/100 != 2 || one.answered >= p.length {
			continue
		}
		s.Accepted++
		if p.window > 0 {
			s.Windows[one.answered/p.window].Accepted++
		}
	}
	return s
}

func partOf(samples []sample, from, length time.Duration) part {
	p := part{FromSeconds: from.Seconds(), Seconds: length.Seconds(), Arrived: len(samples), Statuses: map[string]int{}}
	var latency, sent, refused []time.Duration
	for _, s := range samples {
		switch {
		case s.status == statusUnsent:
			p.Unsent++
			latency = append(latency, s.answered-s.due)
		case s.status == statusFailed:
			p.Failed++
			latency = append(latency, s.answered-s.due)
		case s.status/100 == 2:
			latency = append(latency, s.answered-s.due)
			sent = append(sent, s.answered-s.sent)
		default:
			refused = append(refused, s.answered-s.sent)
		}
		if s.status > 0 {
			p.Statuses[strconv.Itoa(s.status)]++
		}
	}
	p.Latency, p.Sent, p.Refused = measure(latency), measure(sent), measure(refused)
	return p
}
