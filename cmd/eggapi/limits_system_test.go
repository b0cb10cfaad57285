//go:build system

package main_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eggapi/eggapi/gen/apiclient"
	"github.com/eggapi/eggapi/internal/redistest"
)

const (
	limitPerSecond = 50                 // and bursts of twice as many
	limitLoad      = 3 * limitPerSecond // requests per second, over all processes
	limitDrained   = 2 * time.Second    // until a burst is used up under that load, and some more
	limitMeasured  = 4 * time.Second
	// How long a request may be held up because of the store, and by a busy machine.
	limitHeldUp = 50 * time.Millisecond
	limitNoise  = 250 * time.Millisecond
	// The longest pause between two probes of the store, and some more.
	limitBack = 8 * time.Second
)

// pressed is one answer under a load that does not wait for answers.
type pressed struct {
	at     time.Time // sent
	took   time.Duration
	status int
	err    error
}

// pressure is a steady load on one key, or on one address when there is none.
type pressure struct {
	path, key string
	url       func(i int) string

	mu      sync.Mutex
	answers []pressed
	stop    context.CancelFunc
	ended   chan struct{}
}

// press begins a load that lasts until release or the end of the test.
func press(t *testing.T, p *pressure) *pressure {
	t.Helper()
	var ctx context.Context
	ctx, p.stop = context.WithCancel(t.Context())
	p.ended = make(chan struct{})
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 200}}
	go func() {
		defer close(p.ended)
		var all sync.WaitGroup
		tick := time.NewTicker(time.Second / limitLoad)
		defer tick.Stop()
		for i := 0; ctx.Err() == nil; i++ {
			<-tick.C
			all.Go(func() { p.note(p.ask(client, p.url(i))) })
		}
		all.Wait()
		client.CloseIdleConnections()
	}()
	t.Cleanup(func() { p.release() })
	return p
}

func (p *pressure) ask(client *http.Client, url string) (a pressed) {
	a.at = time.Now()
	defer func() { a.took = time.Since(a.at) }()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url+p.path, nil)
	if err != nil {
		return pressed{at: a.at, err: err}
	}
	if p.key != "" {
		request.Header.Set("Authorization", "Bearer "+p.key)
	}
	response, err := client.Do(request)
	if err != nil {
		return pressed{at: a.at, err: err}
	}
	defer func() { _ = response.Body.Close() }()
	_, err = io.Copy(io.Discard, response.Body)
	return pressed{at: a.at, status: response.StatusCode, err: err}
}

func (p *pressure) note(a pressed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers = append(p.answers, a)
}

// release ends the load and waits for its last answer.
func (p *pressure) release() {
	p.stop()
	<-p.ended
}

// between tells what came of the requests that were sent in a stretch of time.
func (p *pressure) between(t *testing.T, from, to time.Time) (admitted, refused int, most time.Duration) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.answers {
		if a.at.Before(from) || !a.at.Before(to) {
			continue
		}
		most = max(most, a.took)
		switch {
		case a.err == nil && a.status == http.StatusOK:
			admitted++
		case a.err == nil && a.status == http.StatusTooManyRequests:
			refused++
		default:
			t.Errorf("a request was answered %d, %v", a.status, a.err)
		}
	}
	return admitted, refused, most
}

// lasts lets a stretch of time go by.
func lasts(d time.Duration) (from, to time.Time) {
	from = time.Now()
	time.Sleep(d)
	return from, time.Now()
}

// sharing starts two processes that share their limits, the first at addr.
func sharing(t *testing.T, d deployment, addr string, env ...string) [2]node {
	t.Helper()
	nodes := [2]node{d.serve(t, addr, env...), d.serve(t, freeAddr(t), env...)}
	mustShare(t, nodes, true)
	return nodes
}

func mustShare(t *testing.T, nodes [2]node, share bool) {
	t.Helper()
	for _, n := range nodes {
		eventually(t, limitBack, fmt.Sprintf("%s shares limits: %v", n.url, share), func() bool {
			_, _, body := get(t, n.metrics)
			return strings.Contains(string(body), "\neggapi_limits_shared 1\n") == share
		})
	}
}

func TestSystem_LimitsAreSharedBetweenProcesses(t *testing.T) {
	store := redistest.StartTLS(t)
	d := newDeployment(t, "EGGAPI_REDIS_URL="+store.URL, "SSL_CERT_FILE="+store.CAFile)
	perKey := sharing(t, d, hostOf(d.url), "EGGAPI_IP_LIMIT=0", fmt.Sprint("EGGAPI_KEY_LIMIT=", limitPerSecond))
	perAddress := sharing(t, d, freeAddr(t), "EGGAPI_KEY_LIMIT=0", fmt.Sprint("EGGAPI_IP_LIMIT=", limitPerSecond))
	c := d.newCustomer(t)
	anotherKey := newKey(t, c.session, apiclient.EnvironmentTest)
	for name, p := range map[string]*pressure{
		"a key, in turn": {path: "/v1/tasks", key: c.testKey, url: func(i int) string { return perKey[i%2].url }},
		"a key, nine of ten on one side": {path: "/v1/tasks", key: c.liveKey, url: func(i int) string {
			return perKey[min(1, i%10)].url
		}},
		"a key, on one side only": {path: "/v1/tasks", key: anotherKey, url: func(int) string { return perKey[1].url }},
		"an address, in turn":     {path: "/v1/models", url: func(i int) string { return perAddress[i%2].url }},
	} {
		t.Run(name, func(t *testing.T) {
			press(t, p)
			lasts(limitDrained)
			mustHoldToTheLimit(t, p, append(perKey[:], perAddress[:]...))
		})
	}
	t.Run("an address that guesses passwords, in turn", func(t *testing.T) { mustShareGuesses(t, perKey) })
	for _, n := range append(perKey[:], perAddress[:]...) {
		mustNotContain(t, n.output.String(), store.Password)
	}
}

// mustShareGuesses asks in turn for what may be asked thirty times a minute.
func mustShareGuesses(t *testing.T, nodes [2]node) {
	t.Helper()
	from, taken, client := time.Now(), 0, &http.Client{Timeout: 10 * time.Second}
	for i := range 80 {
		// The limit comes before what is wrong with the body, so that nothing is hashed.
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, nodes[i%2].url+"/api/auth/sign-in/email", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusTooManyRequests {
			taken++
		}
	}
	if most := 30 + int(time.Since(from)/(2*time.Second)) + 1; taken < 30 || taken > most {
		t.Errorf("%d of 80 were taken, want 30 to %d", taken, most)
	}
}

// mustHoldToTheLimit measures a stretch of a load in which limits were shared, and ends it.
func mustHoldToTheLimit(t *testing.T, p *pressure, nodes []node) {
	t.Helper()
	falls := func() (n int) {
		for _, one := range nodes {
			n += strings.Count(one.output.String(), "the shared store fails")
		}
		return n
	}
	for range 5 { // a machine that is busy with other things may take a slow answer for none
		before := falls()
		from, to := lasts(limitMeasured)
		if falls() > before {
			lasts(limitBack)
			continue
		}
		p.release()
		admitted, refused, _ := p.between(t, from, to)
		share := float64(admitted) / (limitPerSecond * to.Sub(from).Seconds())
		t.Logf("%d admitted, %d refused: %.3f of the limit", admitted, refused, share)
		if share < 0.9 || share > 1.1 {
			t.Errorf("%.3f of the limit was admitted", share)
		}
		return
	}
	t.Error("limits were never shared for long enough")
}

// The store is killed and hangs under load, and comes back. Nobody fails or waits because of it, nobody is let in uncounted.
func TestSystem_LossOfTheSharedLimitsIsNeitherAnOutageNorAnOpenDoor(t *testing.T) {
	store := redistest.Start(t)
	d := newDeployment(t, "EGGAPI_REDIS_URL="+store.URL, "EGGAPI_IP_LIMIT=100000", fmt.Sprint("EGGAPI_KEY_LIMIT=", limitPerSecond))
	nodes := sharing(t, d, hostOf(d.url))
	c := d.newCustomer(t)
	p := press(t, &pressure{path: "/v1/tasks", key: c.testKey, url: func(i int) string { return nodes[i%2].url }})
	lasts(limitDrained)
	for _, harm := range []struct {
		name     string
		do, undo func()
	}{
		{"killed", store.Kill, func() { store.Restart(t) }},
		{"hung", func() { store.Pause(t) }, func() { store.Resume(t) }},
	} {
		calmFrom, calmTo := lasts(limitMeasured / 2)
		from := time.Now()
		harm.do()
		mustShare(t, nodes, false)
		lasts(limitMeasured)
		to := time.Now()
		harm.undo()
		mustShare(t, nodes, true)
		back := time.Now()
		lasts(limitDrained)
		_, _, usual := p.between(t, calmFrom, calmTo)
		alone, refused, held := p.between(t, from, to)
		_, _, heldAfter := p.between(t, to, time.Now())
		// Each process counts for itself, and goes on from what the store last said: nobody has a fresh burst.
		most := float64(len(nodes)) * limitPerSecond * to.Sub(from).Seconds()
		t.Logf("%s: %d admitted (%.3f of what two may alone), %d refused, slowest %v, before %v, after %v; shared again after %v",
			harm.name, alone, float64(alone)/most, refused, held, usual, heldAfter, back.Sub(to))
		if float64(alone) > 1.1*most || refused == 0 || alone == 0 {
			t.Errorf("%s: %d admitted, %d refused; two processes may let %.0f in", harm.name, alone, refused, most)
		}
		if bound := limitHeldUp + max(limitNoise, usual); max(held, heldAfter) > bound {
			t.Errorf("%s: a request took %v, without that they take up to %v", harm.name, max(held, heldAfter), usual)
		}
	}
	mustHoldToTheLimit(t, p, nodes[:])
	for _, n := range nodes {
		text := n.output.String()
		mustNotContain(t, text, store.Password)
		if fell, rose := strings.Count(text, "the shared store fails"), strings.Count(text, "rate limits are shared"); fell < 2 || fell > 4 || rose != fell+1 {
			t.Errorf("%s told %d times of the loss and %d times of sharing", n.url, fell, rose)
		}
	}
}
