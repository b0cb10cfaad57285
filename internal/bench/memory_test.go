//go:build system

package bench

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

const idleConns = 5000

// measureMemory sees how much memory a serving process takes under load, and another for connections that are kept
// and not used.
func measureMemory(t *testing.T, b *bench) {
	d := b.stage.copy(t, "memory")
	loaded := d.startNode(t, true, false)
	posts := b.stage.posts(t, b.stage.keys, nil)
	const conns = 128
	for from := time.Now(); time.Since(from) < b.pace.steady; {
		b.post(t, d, loaded, posts, conns)
	}
	b.sheet.add(result{key: "memory/load", what: fmt.Sprintf("most RSS while POST at %d connections, %s", conns, b.pace.steady), value: loaded.megabytes(t, "VmHWM")})

	kept := d.startNode(t, true, false)
	question := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\n\r\n", sampleTask, b.stage.keys[0])
	var held []*caller
	ask := func(c *caller) {
		if a, err := c.ask(question); err != nil || a.status != http.StatusOK {
			t.Fatalf("ask: %d %v", a.status, err)
		}
	}
	// Others go on ordering meanwhile, so that the collector of garbage comes by as it does in the field.
	hold := func(n int) float64 {
		for range n {
			c, err := dial(t.Context(), kept.addr, time.Now().Add(2*time.Minute))
			if err != nil {
				t.Fatalf("connect: %v", err)
			}
			t.Cleanup(c.close)
			ask(c)
			held = append(held, c)
		}
		for from := time.Now(); time.Since(from) < b.pace.steady; {
			b.post(t, d, kept, posts, 8)
		}
		return kept.megabytes(t, "VmRSS")
	}
	before := hold(100)
	after := hold(idleConns)
	for _, c := range held { // an idle connection is one that still answers
		ask(c)
	}
	b.sheet.add(result{
		key: "memory/idle", what: fmt.Sprintf("RSS more with %d idle connections, beside orders", idleConns), value: after - before,
		detail: fmt.Sprintf("%s MB, before %s MB; %.1f kB a connection", number(after), number(before), 1024*(after-before)/idleConns),
	})
}
