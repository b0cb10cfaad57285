//go:build system

package bench

import (
	"fmt"
	"testing"
)

// everyLimit gives every key all the limits there are, none of which is ever reached.
const everyLimit = `
	update api_keys set models = array(select id from models), networks = '{127.0.0.0/8,::1}', requests_per_second = 1000000;
	update api_key_meters set spend_cap_micros = 1000000000000000, spend_window = 'month', time_zone = 'Europe/Vienna',
		running_cap = 1000000000, requests_per_day = 1000000000000;
	analyze api_keys, api_key_meters`

// measureLimits asks what keys with all limits get of what keys without have.
func measureLimits(t *testing.T, b *bench) {
	free, held := b.stage.copy(t, "free"), b.stage.copy(t, "held")
	if _, err := held.pool.Exec(t.Context(), everyLimit); err != nil {
		t.Fatalf("limit the keys: %v", err)
	}
	with, without := held.startNode(t, true, false), free.startNode(t, true, false)
	gets, posts := b.stage.gets(t), b.stage.posts(t, b.stage.keys, nil)
	for _, conns := range []int{32, 128} {
		for _, sides := range []comparison{{
			key: fmt.Sprintf("limits/get/%d", conns), what: fmt.Sprintf("GET of keys with all limits / with none, %d connections", conns),
			full:      func() rate { return b.load(t, with, gets, conns) },
			yardstick: func() rate { return b.load(t, without, gets, conns) },
		}, {
			key: fmt.Sprintf("limits/post/%d", conns), what: fmt.Sprintf("POST of keys with all limits / with none, %d connections", conns),
			full:      func() rate { return b.post(t, held, with, posts, conns) },
			yardstick: func() rate { return b.post(t, free, without, posts, conns) },
			between:   func() { b.stage.checkpoint(t) },
		}} {
			sides.yardstickName, sides.profiled = "without", []*service{with, without}
			sides.full()
			sides.yardstick()
			b.compare(t, sides)
		}
	}
}
