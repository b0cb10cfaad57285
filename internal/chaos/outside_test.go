//go:build system

package chaos

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eggapi/eggapi/internal/provider/providertest"
	"github.com/eggapi/eggapi/internal/webhook"
)

// serveOutside answers on the loopback interface until the test ends, and gives the address.
func serveOutside(t *testing.T, h http.Handler) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return "http://" + l.Addr().String()
}

// upstream is the image model, and the place where input images lie.
type upstream struct {
	*providertest.Gemini
	url string
}

// faults of the upstream, with the part of the orders that meet each. The rest gets pictures in
// under a second.
var faults = []struct {
	part  float64
	token string
}{
	{0.08, "[[503:once]]"}, // passing: another try
	{0.03, "[[500]]"},      // lasting: another route
	{0.04, "[[429:1s]]"},
	{0.04, "[[cut:once]]"}, // made and paid for, but lost on the way
	{0.03, "[[reset:once]]"},
	{0.03, "[[truncated:once]]"},
	{0.03, "[[html]]"},
	{0.03, "[[noimage:once]]"},
	{0.04, "[[block]]"}, // final
	{0.06, "[[slow:4s]]"},
	{0.02, "[[slow:9s]]"}, // longer than a lease
}

var orderName = regexp.MustCompile(`(order|burst)-\d+`)

func newUpstream(t *testing.T, p plan) *upstream {
	t.Helper()
	g := providertest.NewGemini(upstreamKey)
	g.Delay = 50 * time.Millisecond
	g.Inject = func(prompt string) string {
		name := orderName.FindString(prompt)
		if strings.HasPrefix(name, "burst") {
			return ""
		}
		drawn := p.draw("fault " + name)
		for _, f := range faults {
			if drawn -= f.part; drawn < 0 {
				return f.token
			}
		}
		return fmt.Sprintf("[[slow:%dms]]", int(900*p.draw("slow "+name)))
	}
	mux := http.NewServeMux()
	mux.Handle("/v1beta/", g)
	picture := providertest.Picture("input", "16:9", "1K")
	mux.HandleFunc("GET /input.png", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/png")
		_, _ = w.Write(picture)
	})
	return &upstream{Gemini: g, url: serveOutside(t, mux)}
}

// notice is all that a customer was told about one task.
type notice struct {
	ids     map[string]int // tries by webhook-id
	bodies  map[string]bool
	taken   int // tries answered with success
	refused int
	status  string
	cost    string
}

// receiver is the customers' server. It believes nothing unsigned, and is not always well.
type receiver struct {
	plan
	url    string
	secret string

	mu      sync.Mutex
	notices map[string]*notice // by task
	forged  []string
}

func newReceiver(t *testing.T, p plan, secret string) *receiver {
	t.Helper()
	r := &receiver{plan: p, secret: secret, notices: map[string]*notice{}}
	r.url = serveOutside(t, r) + "/hooks"
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(io.LimitReader(req.Body, 1<<20))
	if err != nil {
		return
	}
	var told struct {
		TaskID string `json:"task_id"`
		Status string `json:"status"`
		Cost   string `json:"cost"`
	}
	err = webhook.Verify(r.secret, req.Header.Get, body, time.Now(), time.Minute)
	if err == nil {
		err = json.Unmarshal(body, &told)
	}
	id := req.Header.Get(webhook.HeaderStandardID)
	if err != nil {
		r.mu.Lock()
		r.forged = append(r.forged, fmt.Sprintf("webhook %s: %v: %s", id, err, body))
		r.mu.Unlock()
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	n, try := r.note(told.TaskID, id, body)
	mood := r.draw(fmt.Sprint("mood ", id, try))
	switch {
	case try > 4:
	case mood < 0.10:
		r.count(&n.refused)
		w.WriteHeader(http.StatusInternalServerError)
		return
	case mood < 0.15:
		time.Sleep(2 * time.Second)
	case mood < 0.18:
		r.count(&n.refused)
		panic(http.ErrAbortHandler) // read, and gone without an answer
	}
	r.mu.Lock()
	n.status, n.cost = told.Status, told.Cost
	n.taken++
	r.mu.Unlock()
}

func (r *receiver) note(taskID, id string, body []byte) (n *notice, try int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n = r.notices[taskID]
	if n == nil {
		n = &notice{ids: map[string]int{}, bodies: map[string]bool{}}
		r.notices[taskID] = n
	}
	n.ids[id]++
	n.bodies[string(body)] = true
	return n, n.ids[id]
}

func (r *receiver) count(counter *int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*counter++
}
