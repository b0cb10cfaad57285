//go:build system

package bench

import (
	"fmt"
	"testing"
)

// measureLatency lets orders come at a steady rate, and sees how long each waits for a worker and for its end, with
// one node and with two that each serve and work.
func measureLatency(t *testing.T, b *bench) {
	d := b.stage.copy(t, "latency")
	orders := b.stage.posts(t, b.stage.keys, startReceiver(t))
	nodes := []*service{d.startNode(t, true, true)}
	d.flow(t, nodes, orders, 1)
	b.latencies(t, d, nodes, orders)
	nodes = append(nodes, d.startNode(t, true, true))
	d.flow(t, nodes, orders, 1)
	b.latencies(t, d, nodes, orders)
	d.proveBooks(t)
}

func (b *bench) latencies(t *testing.T, d *database, nodes []*service, orders string) {
	t.Helper()
	for _, rate := range []float64{10, 50, 200} {
		b.stage.checkpoint(t)
		load, tasks := d.follow(t, arrivals{nodes: nodes, requests: orders, rate: rate, length: b.pace.steady, conns: 64})
		if load.Accepted == 0 || load.Failed > 0 {
			t.Fatalf("the load went wrong: %+v", load)
		}
		var ids []string
		for _, one := range tasks {
			ids = append(ids, one.id)
		}
		started, completed := d.toStarted(t, ids), toCompleted(tasks)
		where := fmt.Sprintf("%g tasks/s, nodes: %d", rate, len(nodes))
		if rate == 50 {
			key := fmt.Sprintf("latency/%d", len(nodes))
			detail := fmt.Sprintf("%d tasks; 202 after p50 %s ms, p99 %s ms", len(tasks), number(load.Latency.P50), number(load.Latency.P99))
			b.sheet.add(result{key: key + "/p50", what: "accept to completed, p50, " + where, value: percentile(completed, 50), detail: detail})
			b.sheet.add(result{key: key + "/p99", what: "accept to completed, p99, " + where, value: percentile(completed, 99)})
		}
		b.sheet.add(result{
			key: fmt.Sprintf("start/%d/%g", len(nodes), rate), what: "accept to started, p50, " + where, value: percentile(started, 50),
			detail: fmt.Sprintf("p99 %s ms, max %s ms; to completed p50 %s ms, p99 %s ms", number(percentile(started, 99)), number(percentile(started, 100)),
				number(percentile(completed, 50)), number(percentile(completed, 99))),
		})
	}
}
