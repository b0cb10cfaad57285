package app

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/keepalive"
	"github.com/eggapi/eggapi/internal/mail"
	"github.com/eggapi/eggapi/internal/pg"
	"github.com/eggapi/eggapi/internal/task"
	"github.com/eggapi/eggapi/internal/webhook"
)

// How the queue is watched. Who stores a job wakes the workers after the commit, and a worker that is woken within the
// cooldown looks again at its end; the poll is for wake-ups that were lost with their process.
const (
	fetchCooldown     = 2 * time.Millisecond
	fetchPollInterval = 500 * time.Millisecond
	// Longer than any task may take: a task's own lease tells much sooner that its worker died.
	rescueAfter        = 15 * time.Minute
	webhookSweepEvery  = 30 * time.Second
	expiryEvery        = 10 * time.Minute
	completedRetention = 5 * time.Minute
	mailWorkers        = 4 // mail servers count connections
)

// newRiver gives a client that inserts jobs, and works them too when the node does.
func newRiver(n *Node) (*task.River, error) {
	cfg := &river.Config{Logger: n.o.Logger}
	if n.o.Work {
		cfg.FetchCooldown, cfg.FetchPollInterval = fetchCooldown, fetchPollInterval
		cfg.RescueStuckJobsAfter = rescueAfter
		cfg.CompletedJobRetentionPeriod = completedRetention
		cfg.Queues = map[string]river.QueueConfig{
			task.Queue:    {MaxWorkers: n.o.Config.Workers},
			webhook.Queue: {MaxWorkers: n.o.Config.WebhookWorkers},
		}
		cfg.Workers = river.NewWorkers()
		river.AddWorker(cfg.Workers, &task.Advancer{Tasks: n.tasks})
		river.AddWorker(cfg.Workers, n.deliverer)
		if n.o.Mail != nil {
			cfg.Queues[mail.Queue] = river.QueueConfig{MaxWorkers: mailWorkers}
			river.AddWorker(cfg.Workers, mail.NewSender(mail.SenderConfig{
				Pool: n.Pool, Transport: n.o.Mail, Link: n.Sessions.MailLink, Clock: n.o.Clock, Logger: n.o.Logger,
			}))
		}
	}
	client, err := river.NewClient[pgx.Tx](riverpgxv5.New(n.pools.queue), cfg)
	return client, fault.Wrap(err, "make the queue's client")
}

// wake tells the workers of queues, wherever they are, to look for jobs.
func (n *Node) wake(ctx context.Context, queues ...string) error {
	return pg.Q.QueueWake(ctx, n.pools.keyed, queues)
}

// tasks is asked for when work begins, since the worker needs the client and the client the worker.
func (n *Node) tasks() *task.Tasks { return n.Tasks }

// Start begins to listen for changes and, when the node works, to work the queues. It returns at once.
func (n *Node) Start(ctx context.Context) error {
	ctx, n.stop = context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { n.Keyring.Run(ctx) })
	if n.limits != nil {
		wg.Go(func() { n.limits.Run(ctx) })
	}
	if n.o.Work {
		if err := n.Tasks.River.Start(ctx); err != nil {
			n.stop()
			return fault.Wrap(err, "start the workers")
		}
		wg.Go(func() { n.Tasks.Sweep(ctx) })
		wg.Go(func() { task.NewKeeper(n.Pool, n.o.Logger, n.o.Clock).Run(ctx) })
		wg.Go(func() { n.sweepWebhooks(ctx) })
		wg.Go(func() { n.warnOfExpiry(ctx) })
	}
	go func() {
		wg.Wait()
		close(n.done)
	}()
	return nil
}

// warnOfExpiry writes to the owners of keys that expire.
func (n *Node) warnOfExpiry(ctx context.Context) {
	tick := time.NewTicker(expiryEvery)
	defer tick.Stop()
	for {
		if err := n.WarnOfExpiry(ctx); err != nil && ctx.Err() == nil {
			n.o.Logger.WarnContext(ctx, "owners of keys that expire could not be told; it is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// WarnOfExpiry puts mails to the owners of keys that expire on their way.
func (n *Node) WarnOfExpiry(ctx context.Context) error {
	letters := n.outbox()
	return n.Keyring.WarnOfExpiry(ctx, func(ctx context.Context, tx pg.Tx, e auth.Expiring) error {
		return letters.Enqueue(ctx, tx, mail.Message{Template: mail.KeyExpires, UserID: e.UserID, Values: map[string]string{
			"name": e.Name, "hint": e.Hint, "expires_at": e.ExpiresAt.UTC().Format("2 January 2006 15:04 UTC"),
		}})
	})
}

func (n *Node) sweepWebhooks(ctx context.Context) {
	tick := time.NewTicker(webhookSweepEvery)
	defer tick.Stop()
	for {
		if err := n.deliverer.Sweep(ctx, n.Tasks.River); err != nil && ctx.Err() == nil {
			n.o.Logger.WarnContext(ctx, "the sweep for lost webhooks failed", "error", err)
		}
		if err := n.deliverer.Forget(ctx, n.o.Config.WebhookLogDays); err != nil && ctx.Err() == nil {
			n.o.Logger.WarnContext(ctx, "forgetting old webhooks failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Drain makes readiness fail, so that no new requests are sent here.
func (n *Node) Drain() { n.draining.Store(true) }

// Stop lets running jobs finish until ctx ends, then cancels them, and closes everything. What
// was cut off is resumed by another worker.
func (n *Node) Stop(ctx context.Context) {
	n.Drain()
	if n.o.Work && n.stop != nil {
		if err := n.Tasks.River.Stop(ctx); err != nil {
			hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			if err := n.Tasks.River.StopAndCancel(hard); err != nil {
				n.o.Logger.WarnContext(ctx, "workers did not stop in time", "error", err)
			}
		}
	}
	if n.stop != nil {
		n.stop()
		<-n.done
	}
	if err := n.Tasks.Close(ctx); err != nil {
		n.o.Logger.WarnContext(ctx, "what was being accepted did not end in time", "error", err)
	}
	n.pools.close()
	if n.limits != nil {
		if err := n.limits.Close(ctx); err != nil {
			n.o.Logger.WarnContext(ctx, "the shared limits did not close", "error", err)
		}
	}
	if err := n.store.Close(); err != nil {
		n.o.Logger.WarnContext(ctx, "the storage did not close", "error", err)
	}
}

// A connection that waits this long for its next request gives back the memory of its requests.
const parkAfter = time.Second

// NewHTTPServer gives a server whose every wait is bounded.
func NewHTTPServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 60 * time.Second,
		IdleTimeout: 60 * time.Second, MaxHeaderBytes: 32 << 10,
	}
}

// Serve answers requests on l until ctx ends. Then it says through /readyz that it is going, still answers for
// EGGAPI_DRAIN_SECONDS, and lets what is under way finish for at most drain.
func (n *Node) Serve(ctx context.Context, l net.Listener, drain time.Duration) error {
	s := NewHTTPServer(n.partings(n.Handler))
	parking, err := keepalive.Listen(l, parkAfter)
	if err != nil {
		return fault.Wrap(err, "listen")
	}
	parking.Use(s)
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(parking) }()
	select {
	case err := <-failed:
		return fault.Wrap(err, "serve")
	case <-ctx.Done():
	}
	n.Drain()
	select {
	case err := <-failed:
		return fault.Wrap(err, "serve")
	case <-time.After(time.Duration(n.o.Config.DrainSeconds) * time.Second):
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if err := s.Shutdown(limit); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fault.Wrap(errors.Join(err, s.Close()), "finish the requests under way")
	}
	return nil
}

// partings closes each connection after its answer while the node drains, so that clients which keep connections go
// elsewhere in time and none is cut off between two requests.
func (n *Node) partings(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// ready runs the checks of readiness.
func (n *Node) ready(ctx context.Context) map[string]string {
	checks := map[string]string{"draining": "ok", "database": "ok", "listener": "ok", "queue": "ok", "storage": "ok"}
	if n.draining.Load() {
		checks["draining"] = "shutting down"
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := pg.RequireCurrent(ctx, n.Pool); err != nil {
		checks["database"] = "unavailable or older than this binary"
	}
	if !n.Keyring.Listening() {
		checks["listener"] = "not connected"
	}
	if _, err := pg.Q.QueueReady(ctx, n.Pool); err != nil {
		checks["queue"] = "unavailable"
	}
	if err := n.store.Ping(ctx); err != nil {
		checks["storage"] = "unavailable"
	}
	return checks
}
