//go:build system

package bench

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"
)

// What an overload is.
const (
	overFactor  = 3   // times the peak, all in all
	steadyShare = 0.2 // of the peak, before, while and after
	overConns   = 2048
	overWindow  = time.Second
)

// measureOverload asks for three times what the service can take, and sees what it still takes, how fast it refuses
// the rest, and how soon it is its old self.
func measureOverload(t *testing.T, b *bench) {
	d := b.stage.copy(t, "overload")
	node := d.startNode(t, true, false)
	posts := b.stage.posts(t, b.stage.keys, nil)
	b.post(t, d, node, posts, inFlight)
	var o overload
	for i := range b.pace.overloads {
		b.stage.checkpoint(t)
		stop := func() {}
		if i == 0 {
			stop = profile(t, comparison{key: "overload", profiled: []*service{node}})
		}
		o.round(t, b, d, node, posts)
		stop()
	}
	b.sheet.add(result{
		key: "overload/goodput", what: fmt.Sprintf("202s while asked for %d times the peak / peak", overFactor), value: middle(o.goodputs), spread: spread(o.goodputs),
		detail: fmt.Sprintf("peak %s /s closed loop at %d connections; asked for %s /s on %d connections", numbers(o.peaks), inFlight, numbers(o.asked), overConns),
	})
	b.sheet.add(result{
		key: "overload/refusal", what: "503 or 429, p99 from sending; where none was refused, of the 202s", value: middle(o.refusals), spread: spread(o.refusals),
		detail: fmt.Sprintf("%d refused, %d accepted with p99 %s ms from sending, %d never sent", o.refused, o.accepted, number(slices.Max(o.acceptedP99)), o.unsent),
	})
	b.sheet.add(result{key: "overload/other", what: "answers that are neither 202, 429 nor 503, or none", value: float64(o.other), detail: fmt.Sprint(o.statuses)})
	b.sheet.add(result{key: "overload/memory", what: "most RSS of the service", value: node.megabytes(t, "VmHWM")})
	b.sheet.add(result{
		key: "overload/recovery", what: "until p99 of a 20 % load is below twice that of before", value: middle(o.recoveries), spread: spread(o.recoveries),
		detail: "before p99 " + numbers(o.before) + " ms",
	})
}

// overload gathers the rounds.
type overload struct {
	peaks, asked, goodputs, refusals, acceptedP99 []float64
	before, recoveries                            []float64
	refused, accepted, unsent, other              int
	statuses                                      map[string]int
}

func (o *overload) round(t *testing.T, b *bench, d *database, node *service, posts string) {
	t.Helper()
	var taken rate
	for range b.pace.slices {
		taken.add(b.post(t, d, node, posts, inFlight))
	}
	peak := taken.perSecond()
	before, over, after := b.pace.before, b.pace.over, b.pace.after
	nodes := []*service{node}
	steady := b.stage.startArrivals(t, arrivals{
		nodes: nodes, requests: posts, rate: steadyShare * peak, delay: time.Second, length: before + over + after, conns: 256, window: overWindow,
	}, nil)
	flood := b.stage.startArrivals(t, arrivals{
		nodes: nodes, requests: posts, rate: (overFactor - steadyShare) * peak, delay: time.Second + before, length: over, conns: overConns, window: overWindow,
	}, nil)
	f, floodOK := <-flood
	s, steadyOK := <-steady
	if !floodOK || !steadyOK {
		t.FailNow()
	}
	goodput := f.Accepted
	first, last := int(before/overWindow), int((before+over)/overWindow)
	for _, w := range s.Windows[first:last] {
		goodput += w.Accepted
	}
	o.peaks, o.asked = append(o.peaks, peak), append(o.asked, overFactor*peak)
	o.goodputs = append(o.goodputs, float64(goodput)/over.Seconds()/peak)
	slowest := f.Refused.P99
	if f.Refused.Count == 0 { // then all wait instead
		slowest = f.Sent.P99
	}
	o.refusals, o.acceptedP99 = append(o.refusals, slowest), append(o.acceptedP99, f.Sent.P99)
	o.refused, o.accepted, o.unsent = o.refused+f.Refused.Count, o.accepted+f.Sent.Count, o.unsent+f.Unsent
	o.note(f)
	o.recover(s.Windows, first, last)
}

func (o *overload) note(f arrived) {
	if o.statuses == nil {
		o.statuses = map[string]int{}
	}
	o.other += f.Failed
	for status, n := range f.Statuses {
		o.statuses[status] += n
		code, _ := strconv.Atoi(status)
		if !slices.Contains([]int{http.StatusAccepted, http.StatusTooManyRequests, http.StatusServiceUnavailable}, code) {
			o.other += n
		}
	}
}

// recover finds the first stretch after the overload from which on the steady load is answered as before.
func (o *overload) recover(windows []arrived, first, last int) {
	var before []float64
	for _, w := range windows[:first] {
		before = append(before, w.Latency.P99)
	}
	usual := middle(before)
	recovered := math.Inf(1)
	for i, w := range windows[last:] {
		if w.Latency.P99 <= 2*usual && w.Refused.Count == 0 && w.Failed+w.Unsent == 0 {
			recovered = float64(i) * overWindow.Seconds()
			break
		}
	}
	o.before, o.recoveries = append(o.before, usual), append(o.recoveries, recovered)
}
