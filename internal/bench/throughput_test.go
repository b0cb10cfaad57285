//go:build system

package bench

import (
	"fmt"
	"testing"
)

// measureGet reads tasks through the full chain and through the least that could tell them.
func measureGet(t *testing.T, b *bench) {
	d := b.stage.copy(t, "gets")
	full := d.startNode(t, true, false)
	bare := startService(t, order{Part: "bare", DatabaseURL: d.url, Conns: poolConns})
	if is, should := full.body(t, sampleTask, b.stage.keys[0]), bare.body(t, sampleTask, b.stage.keys[0]); is != should {
		t.Fatalf("the two services do not answer alike:\n%s\n%s", is, should)
	}
	gets := b.stage.gets(t)
	for _, conns := range []int{32, 128} {
		sides := comparison{
			key: fmt.Sprintf("get/%d", conns), what: fmt.Sprintf("GET /v1/tasks/{id} / bare handler, %d connections", conns),
			full:          func() rate { return b.load(t, full, gets, conns) },
			yardstick:     func() rate { return b.load(t, bare, gets, conns) },
			yardstickName: "bare", profiled: []*service{full, bare},
		}
		sides.full()
		sides.yardstick()
		b.compare(t, sides)
	}
}

// measurePost places orders for many accounts.
func measurePost(t *testing.T, b *bench) {
	d := b.stage.copy(t, "posts")
	b.comparePosts(t, d, posting{key: "post", what: "POST /v1/generate / naive SQL", keys: b.stage.keys, accounts: users}, 32, 128)
}

// measurePostHot places orders for one account, whose row every one of them changes.
func measurePostHot(t *testing.T, b *bench) {
	d := b.stage.copy(t, "posts_hot")
	b.comparePosts(t, d, posting{key: "post-hot", what: "POST, one account / naive SQL, one account", keys: b.stage.keys[:1], accounts: 1}, 32, 128)
}

// measurePostSingle places one order at a time, as one customer's one worker does. With a key of its own for each order
// every look-up would miss the key cache, which the yardstick has no part in.
func measurePostSingle(t *testing.T, b *bench) {
	d := b.stage.copy(t, "posts_single")
	b.comparePosts(t, d, posting{key: "post-single", what: "POST / naive SQL", keys: b.stage.keys[:1], accounts: 1}, 1)
}

// posting is for whom orders are placed.
type posting struct {
	key, what string
	keys      []string
	accounts  int // that the yardstick draws from
}

func (b *bench) comparePosts(t *testing.T, d *database, p posting, conns ...int) {
	t.Helper()
	full := d.startNode(t, true, false)
	posts := b.stage.posts(t, p.keys, nil)
	for _, n := range conns {
		key, noun := p.key, "connections"
		if len(conns) > 1 {
			key = fmt.Sprintf("%s/%d", p.key, n)
		}
		if n == 1 {
			noun = "connection"
		}
		sides := comparison{
			key: key, what: fmt.Sprintf("%s, %d %s", p.what, n, noun),
			full:          func() rate { return b.post(t, d, full, posts, n) },
			yardstick:     func() rate { return b.naive(t, d, p.accounts, n) },
			yardstickName: "naive", profiled: []*service{full},
			between: func() { b.stage.checkpoint(t) },
		}
		sides.full()
		sides.yardstick()
		b.compare(t, sides)
	}
}

// countedTables get one row for each accepted task.
var countedTables = []string{"tasks", "holds", "river_job"}

// post orders from a node, and holds the database to every order that was accepted.
func (b *bench) post(t *testing.T, d *database, of *service, posts string, conns int) rate {
	t.Helper()
	before := make([]int, len(countedTables))
	for i, table := range countedTables {
		before[i] = d.count(t, table)
	}
	r := b.load(t, of, posts, conns)
	for i, table := range countedTables {
		// Requests under way when the load ends may be accepted, though nobody counts the answer.
		if grown := d.count(t, table) - before[i]; grown < r.times || grown > r.times+conns {
			t.Errorf("%d orders were accepted, yet %s grew by %d", r.times, table, grown)
		}
	}
	return r
}
