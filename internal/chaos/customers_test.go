//go:build system

package chaos

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/eggapi/eggapi/gen/apiclient"
)

const (
	answerWithin = 10 * time.Second
	// Some customers lose their connection just after they have ordered.
	hastyAfter = 4 * time.Millisecond
)

// order is what one customer wants, and what he was told.
type order struct {
	name    string // in the prompt, and so in every call made for it
	key     string // its Idempotency-Key
	images  int32
	test    bool // with a test key: the sandbox draws, and nothing is charged
	edit    bool
	hasty   bool // gives up on the first answer almost at once
	doubled bool // sent by two at the same time

	mu      sync.Mutex
	sent    int
	ids     map[string]bool // tasks named by a 202
	refused string          // an answer that no repetition will change
}

// customers order, and repeat what was not answered.
type customers struct {
	plan
	url      string
	account  account
	hookURL  string
	imageURL string
	orders   []*order
}

func (c *customers) client(test bool) *apiclient.ClientWithResponses {
	key := c.account.liveKey
	if test {
		key = c.account.testKey
	}
	client, err := apiclient.NewClientWithResponses(c.url, apiclient.WithHTTPClient(&http.Client{Timeout: answerWithin}),
		apiclient.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
			r.Header.Set("Authorization", "Bearer "+key)
			return nil
		}))
	if err != nil {
		panic(err) // the URL is ours
	}
	return client
}

func (c *customers) awaitService(t *testing.T) {
	t.Helper()
	client := c.client(false)
	deadline := time.Now().Add(60 * time.Second)
	for time.Now().Before(deadline) {
		if ready, err := client.GetReadinessWithResponse(t.Context()); err == nil && ready.StatusCode() == http.StatusOK {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the service did not become ready")
}

// order sends all orders, spread over span, and returns when each was answered or patience is over.
func (c *customers) order(ctx context.Context, span, patience time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	live, test := c.client(false), c.client(true)
	var wg sync.WaitGroup
	defer wg.Wait()
	pace := time.NewTicker(span / time.Duration(c.tasks))
	defer pace.Stop()
	for n := range c.tasks {
		o := c.newOrder(n)
		c.orders = append(c.orders, o)
		client := live
		if o.test {
			client = test
		}
		senders := 1
		if o.doubled {
			senders = 2
		}
		for range senders {
			wg.Go(func() { c.send(ctx, client, o) })
		}
		select {
		case <-ctx.Done():
			return
		case <-pace.C:
		}
	}
}

func (c *customers) newOrder(n int) *order {
	name := fmt.Sprintf("order-%05d", n)
	kind := c.draw("kind " + name)
	return &order{
		name: name, key: fmt.Sprintf("%d-%s", c.seed, name), images: 1 + int32(c.draw("images "+name)*3),
		test: kind < 0.10, edit: kind >= 0.10 && kind < 0.16,
		hasty: c.draw("hasty "+name) < 0.10, doubled: c.draw("doubled "+name) < 0.10, ids: map[string]bool{},
	}
}

// send repeats an order with the same key until it is answered.
func (c *customers) send(ctx context.Context, client *apiclient.ClientWithResponses, o *order) {
	for ctx.Err() == nil && !c.sendOnce(ctx, client, o) {
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// sendOnce tells whether the answer was the last word.
func (c *customers) sendOnce(ctx context.Context, client *apiclient.ClientWithResponses, o *order) bool {
	o.mu.Lock()
	o.sent++
	first := o.sent == 1
	o.mu.Unlock()
	if o.hasty && first {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, hastyAfter)
		defer cancel()
	}
	got, err := client.GenerateWithResponse(ctx, &apiclient.GenerateParams{IdempotencyKey: &o.key}, c.request(o))
	if err != nil {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	switch status := got.StatusCode(); {
	case got.JSON202 != nil:
		o.ids[got.JSON202.Data.ID] = true
		return true
	case status == http.StatusConflict, status == http.StatusTooManyRequests, status >= http.StatusInternalServerError:
		return false
	default:
		o.refused = fmt.Sprintf("%d %s", status, got.Body)
		return true
	}
}

func (c *customers) request(o *order) apiclient.GenerateRequest {
	r := apiclient.GenerateRequest{
		Model: "nanobanana", Prompt: "A drill, " + o.name + ".", NumOutputs: &o.images, WebhookURL: &c.hookURL,
	}
	if o.edit {
		r.ImageUrls = []string{c.imageURL}
	}
	return r
}

// replay sends an answered order once more, when all is quiet, and gives what is wrong with the answer.
func (c *customers) replay(ctx context.Context, o *order) string {
	got, err := c.client(o.test).GenerateWithResponse(ctx, &apiclient.GenerateParams{IdempotencyKey: &o.key}, c.request(o))
	switch {
	case err != nil:
		return err.Error()
	case got.JSON202 == nil:
		return fmt.Sprintf("answered %d %s", got.StatusCode(), got.Body)
	case !o.ids[got.JSON202.Data.ID]:
		return "answered with another task, " + got.JSON202.Data.ID
	case got.HTTPResponse.Header.Get("Idempotent-Replayed") != "true":
		return "not marked as a replay"
	}
	return ""
}
