//go:build system

package chaos

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eggapi/eggapi/gen/apiclient"
	"github.com/eggapi/eggapi/internal/money"
)

const (
	burstEvery  = 1500 * time.Millisecond
	burstOrders = 40
	// What one image costs, and for how many of a run's burst orders the account has money.
	burstPriceMicros = money.PerDollar / 100
	burstCovered     = 0.5
	burstPromise     = "who ordered in a burst was told the truth"
)

// burstOrder is sent once, from a connection of its own, so that its answer can be held against what is stored.
type burstOrder struct {
	name, key string
	status    int // 0 = unanswered
	taskID    string
	stored    []string // tasks it had made when it was sent again
	again     string   // the task named by the answer to its second sending, when that was needed
	refused   bool     // by that answer
}

func (b *burstOrder) unknown() bool {
	return b.status == 0 || b.status >= http.StatusInternalServerError
}

// bursts are many customers of one account that does not cover them all, who come at the same moment, again and again.
type bursts struct {
	plan
	url     string
	account account
	orders  []*burstOrder
}

func (p plan) burstFundMicros() int64 {
	return int64(burstCovered*burstOrders*float64(p.span/burstEvery)) * burstPriceMicros
}

// client opens a connection for each request.
func (b *bursts) client() *apiclient.ClientWithResponses {
	h := &http.Client{Timeout: answerWithin, Transport: &http.Transport{DisableKeepAlives: true}}
	client, err := apiclient.NewClientWithResponses(b.url, apiclient.WithHTTPClient(h),
		apiclient.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
			r.Header.Set("Authorization", "Bearer "+b.account.liveKey)
			return nil
		}))
	if err != nil {
		panic(err) // the URL is ours
	}
	return client
}

// come lets burst follow on burst until ctx ends, and returns when each order was answered or given up.
func (b *bursts) come(ctx context.Context) {
	client := b.client()
	every := time.NewTicker(burstEvery)
	defer every.Stop()
	var all sync.WaitGroup
	defer all.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		for range burstOrders {
			name := fmt.Sprintf("burst-%05d", len(b.orders))
			o := &burstOrder{name: name, key: fmt.Sprintf("%d-%s", b.seed, name)}
			b.orders = append(b.orders, o)
			all.Go(func() { b.sendOnce(context.WithoutCancel(ctx), client, o) })
		}
	}
}

func (b *bursts) sendOnce(ctx context.Context, client *apiclient.ClientWithResponses, o *burstOrder) {
	if b.draw("hasty "+o.name) < 0.2 {
		var hangUp context.CancelFunc
		ctx, hangUp = context.WithTimeout(ctx, time.Duration(b.draw("hang up "+o.name)*float64(60*time.Millisecond)))
		defer hangUp()
	}
	o.status, o.taskID = b.send(ctx, client, o)
}

func (b *bursts) send(ctx context.Context, client *apiclient.ClientWithResponses, o *burstOrder) (status int, taskID string) {
	got, err := client.GenerateWithResponse(ctx, &apiclient.GenerateParams{IdempotencyKey: &o.key},
		apiclient.GenerateRequest{Model: "nanobanana", Prompt: "A drill, " + o.name + "."})
	if err != nil {
		return 0, ""
	}
	if got.JSON202 != nil {
		taskID = got.JSON202.Data.ID
	}
	return got.StatusCode(), taskID
}

// settleDoubts asks again, once the trouble is over, for every order whose fate its customer does not know.
func (w *world) settleDoubts(t *testing.T) {
	t.Helper()
	w.customers.awaitService(t)
	limit, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	stored := w.burstTasks(limit, t)
	client := w.bursts.client()
	for _, o := range w.bursts.orders {
		if !o.unknown() {
			continue
		}
		o.stored = stored[o.name]
		for limit.Err() == nil && o.again == "" && !o.refused {
			status, taskID := w.bursts.send(limit, client, o)
			o.again = taskID
			o.refused = status == http.StatusForbidden
		}
	}
}

// burstTasks gives the tasks that burst orders made, by their names.
func (w *world) burstTasks(ctx context.Context, t *testing.T) map[string][]string {
	t.Helper()
	rows, err := w.pool.Query(ctx, "select substring(prompt from 'burst-[0-9]+'), id from tasks where user_id = $1", w.bursts.account.userID)
	if err != nil {
		t.Fatalf("list the tasks of the bursts: %v", err)
	}
	tasks := map[string][]string{}
	var name, id string
	if _, err := pgx.ForEachRow(rows, []any{&name, &id}, func() error {
		tasks[name] = append(tasks[name], id)
		return nil
	}); err != nil {
		t.Fatalf("list the tasks of the bursts: %v", err)
	}
	return tasks
}

// judgeBursts: a 202 is a task, a refusal is none and leaves no claim, and what was not answered is one task at most, the
// same whenever it is asked for.
func (w *world) judgeBursts(ctx context.Context, t *testing.T, f *findings) {
	t.Helper()
	tasks := w.burstTasks(ctx, t)
	var claims []string
	if err := w.pool.QueryRow(ctx, "select coalesce(array_agg(key), '{}') from idempotency_keys where user_id = $1",
		w.bursts.account.userID).Scan(&claims); err != nil {
		t.Fatalf("list the claims of the bursts: %v", err)
	}
	claimed := map[string]bool{}
	for _, key := range claims {
		claimed[key] = true
	}
	for _, o := range w.bursts.orders {
		have := tasks[o.name]
		told := o.taskID
		if o.unknown() {
			told = o.again
		}
		switch {
		case o.unknown() && told == "" && !o.refused:
			f.breach(burstPromise, "%s was answered %d, and not at all when sent again", o.name, o.status)
		case len(o.stored) > 1, len(o.stored) == 1 && o.stored[0] != told:
			f.breach(burstPromise, "%s had made %v, and was answered %q when sent again", o.name, o.stored, told)
		case told != "" && (len(have) != 1 || have[0] != told || !claimed[o.key]):
			f.breach(burstPromise, "%s was answered with %s and has %v, claimed %v", o.name, told, have, claimed[o.key])
		case told == "" && (len(have) != 0 || claimed[o.key]):
			f.breach(burstPromise, "%s was refused (%d) and has %v, claimed %v", o.name, o.status, have, claimed[o.key])
		}
	}
}
