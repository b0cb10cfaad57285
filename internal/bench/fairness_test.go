//go:build system

package bench

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"
)

// What is fair. Customers stay below the limit of a key; one does not.
const (
	fairLimit  = 10              // requests per second and key, bursts of twice as many
	fairKeys   = 100             // of customers
	fairRate   = 300             // requests per second of all customers together
	floodRate  = 100 * fairLimit // of the one who does not
	floodSlack = 1.1
)

// measureFairness has one key ask for a hundred times its limit, and sees what that costs the others. A round is a
// steady load of the others in seven stretches: getting warm, alone, flood elsewhere, flooded, flooded, flood elsewhere, alone. A
// flood elsewhere is at a process of its own: it takes as much of the machine and nothing of what the others share.
func measureFairness(t *testing.T, b *bench) {
	d := b.stage.copy(t, "fairness")
	start := func() []*service {
		return []*service{startService(t, order{Part: "node", DatabaseURL: d.url, DataDir: d.stage.dir, Serve: true, Conns: poolConns, KeyLimit: fairLimit})}
	}
	node, elsewhere := start(), start()
	ask := func(keys []string) string {
		var requests []string
		for _, key := range keys {
			requests = append(requests, fmt.Sprintf("GET /v1/tasks?per_page=1 HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\n\r\n", key))
		}
		return b.stage.writeRequests(t, requests)
	}
	// Not the first: he has a great many tasks, and lists of them cost more.
	others, one := ask(b.stage.keys[2:2+fairKeys]), ask(b.stage.keys[1:2])
	stretch := b.pace.slice * 2
	flood := func(nodes []*service, from, length time.Duration) <-chan arrived {
		return b.stage.startArrivals(t, arrivals{
			nodes: nodes, requests: one, rate: floodRate, delay: time.Second + from, length: length, conns: 64, window: stretch,
		}, nil)
	}
	var f fairness
	for range b.pace.rounds {
		steady := b.stage.startArrivals(t, arrivals{
			nodes: node, requests: others, rate: fairRate, delay: time.Second, length: 7 * stretch, conns: 64, window: stretch,
		}, nil)
		before, here, after := flood(elsewhere, 2*stretch, stretch), flood(node, 3*stretch, 2*stretch), flood(elsewhere, 5*stretch, stretch)
		_, beforeOK := <-before
		_, afterOK := <-after
		flooded, hereOK := <-here
		kept, steadyOK := <-steady
		if !beforeOK || !afterOK || !hereOK || !steadyOK {
			t.FailNow()
		}
		f.note(t, kept, flooded)
	}
	what := fmt.Sprintf("p99 of others while one key asks for %d times its limit / ", floodRate/fairLimit)
	b.sheet.add(result{
		key: "fairness/process", what: what + "while it asks another process", value: middle(f.shared), spread: spread(f.shared),
		detail: fmt.Sprintf("p99 flooded %s ms, flood elsewhere %s ms; %d /s of %d keys", numbers(f.flooded), numbers(f.elsewhere), fairRate, fairKeys),
	})
	b.sheet.add(result{
		key: "fairness/p99", what: what + "without it", value: middle(f.ratios), spread: spread(f.ratios),
		detail: fmt.Sprintf("p99 alone %s ms; of the flood %d were admitted, %d refused with p99 %s ms", numbers(f.alone), f.admitted, f.refused, numbers(f.refusals)),
	})
}

// fairness gathers the rounds.
type fairness struct {
	ratios, shared, alone, elsewhere, flooded, refusals []float64
	admitted, refused                                   int
}

func (f *fairness) note(t *testing.T, others, flood arrived) {
	t.Helper()
	p99 := func(one, other int) float64 {
		return (others.Windows[one].Latency.P99 + others.Windows[other].Latency.P99) / 2
	}
	alone, elsewhere, flooded := p99(1, 6), p99(2, 5), p99(3, 4)
	f.alone, f.elsewhere, f.flooded = append(f.alone, alone), append(f.elsewhere, elsewhere), append(f.flooded, flooded)
	f.ratios, f.shared = append(f.ratios, flooded/alone), append(f.shared, flooded/elsewhere)
	limited := flood.Statuses[strconv.Itoa(http.StatusTooManyRequests)]
	f.admitted, f.refused, f.refusals = f.admitted+flood.Accepted, f.refused+limited, append(f.refusals, flood.Refused.P99)
	if most := floodSlack * fairLimit * (2 + flood.Seconds); float64(flood.Accepted) > most || limited == 0 {
		t.Errorf("%d of the flood were admitted, more than %.0f, and %d refused", flood.Accepted, most, limited)
	}
	if answered := others.Statuses[strconv.Itoa(http.StatusOK)]; others.Failed > 0 || answered+others.Unsent != others.Arrived {
		t.Errorf("of the others' %d requests %d failed and these were answered: %v", others.Arrived, others.Failed, others.Statuses)
	}
}
