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
// steady load of the others in four stretches: alone, flooded, flooded, alone.
func measureFairness(t *testing.T, b *bench) {
	d := b.stage.copy(t, "fairness")
	node := startService(t, order{Part: "node", DatabaseURL: d.url, DataDir: d.stage.dir, Serve: true, Conns: poolConns, KeyLimit: fairLimit})
	ask := func(keys []string) string {
		var requests []string
		for _, key := range keys {
			requests = append(requests, fmt.Sprintf("GET /v1/tasks?per_page=1 HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\n\r\n", key))
		}
		return b.stage.writeRequests(t, requests)
	}
	others, one := ask(b.stage.keys[1:1+fairKeys]), ask(b.stage.keys[:1])
	stretch := b.pace.slice * 2
	var f fairness
	for range b.pace.rounds {
		steady := b.stage.startArrivals(t, arrivals{
			nodes: []*service{node}, requests: others, rate: fairRate, delay: time.Second, length: 4 * stretch, conns: 64, window: stretch,
		}, nil)
		flood := b.stage.startArrivals(t, arrivals{
			nodes: []*service{node}, requests: one, rate: floodRate, delay: time.Second + stretch, length: 2 * stretch, conns: 64, window: stretch,
		}, nil)
		flooded, floodOK := <-flood
		kept, steadyOK := <-steady
		if !floodOK || !steadyOK {
			t.FailNow()
		}
		f.note(t, kept, flooded)
	}
	b.sheet.add(result{
		key: "fairness/p99", what: fmt.Sprintf("p99 of others while one key asks for %d times its limit / without", floodRate/fairLimit),
		value: middle(f.ratios), spread: spread(f.ratios),
		detail: fmt.Sprintf("p99 alone %s ms, flooded %s ms; %d /s of %d keys; of the flood %d were admitted, %d refused with p99 %s ms",
			numbers(f.alone), numbers(f.flooded), fairRate, fairKeys, f.admitted, f.refused, numbers(f.refusals)),
	})
}

// fairness gathers the rounds.
type fairness struct {
	ratios, alone, flooded, refusals []float64
	admitted, refused                int
}

func (f *fairness) note(t *testing.T, others, flood arrived) {
	t.Helper()
	alone := (others.Windows[0].Latency.P99 + others.Windows[3].Latency.P99) / 2
	flooded := (others.Windows[1].Latency.P99 + others.Windows[2].Latency.P99) / 2
	f.alone, f.flooded, f.ratios = append(f.alone, alone), append(f.flooded, flooded), append(f.ratios, flooded/alone)
	limited := flood.Statuses[strconv.Itoa(http.StatusTooManyRequests)]
	f.admitted, f.refused, f.refusals = f.admitted+flood.Accepted, f.refused+limited, append(f.refusals, flood.Refused.P99)
	if most := floodSlack * fairLimit * (2 + flood.Seconds); float64(flood.Accepted) > most || limited == 0 {
		t.Errorf("%d of the flood were admitted, more than %.0f, and %d refused", flood.Accepted, most, limited)
	}
	if answered := others.Statuses[strconv.Itoa(http.StatusOK)]; others.Failed > 0 || answered+others.Unsent != others.Arrived {
		t.Errorf("of the others' %d requests %d failed and these were answered: %v", others.Arrived, others.Failed, others.Statuses)
	}
}
