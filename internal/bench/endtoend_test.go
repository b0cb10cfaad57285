//go:build system

package bench

import (
	"fmt"
	"testing"
)

// inFlight is how many tasks are under way in a closed loop: each that ends is followed by the next order.
const inFlight = 64

// measureEndToEnd has one process take orders and work them, with an upstream that takes no time and a receiver for
// each webhook, and compares it with taking orders alone.
func measureEndToEnd(t *testing.T, b *bench) {
	d, alone := b.stage.copy(t, "flow"), b.stage.copy(t, "flow_alone")
	node, taker := d.startNode(t, true, true), alone.startNode(t, true, false)
	orders := b.stage.posts(t, b.stage.keys, startReceiver(t))
	plain := b.stage.posts(t, b.stage.keys, nil)
	nodes := []*service{node}
	d.flow(t, nodes, orders, 1)
	b.post(t, alone, taker, plain, inFlight)
	var flows, posts, ratios []float64
	for round := range b.pace.rounds {
		b.stage.checkpoint(t)
		stop := func() {}
		if round == b.pace.rounds/2 {
			stop = profile(t, comparison{key: "end-to-end", profiled: nodes})
		}
		var worked, taken rate
		sides := []func(){
			func() { worked = d.flow(t, nodes, orders, b.pace.flow.Seconds()).rate() },
			func() {
				for range b.pace.slices {
					taken.add(b.post(t, alone, taker, plain, inFlight))
				}
			},
		}
		sides[round%2]()
		sides[1-round%2]()
		stop()
		flows, posts = append(flows, worked.perSecond()), append(posts, taken.perSecond())
		ratios = append(ratios, worked.perSecond()/taken.perSecond())
	}
	const enough = 0.5
	b.sheet.add(result{
		key: "end-to-end", what: fmt.Sprintf("tasks completed, %d in flight; or ≥ %g of POST alone", inFlight, enough),
		value: middle(flows), spread: spread(flows), met: middle(ratios) >= enough,
		detail: fmt.Sprintf("POST alone at %d connections %s /s, ratio %s", inFlight, numbers(posts), numbers(ratios)),
	})
	d.proveBooks(t)
}
