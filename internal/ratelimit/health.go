package ratelimit

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// fallAfter is how many exchanges in a row must fail. Some may be due to a processor that is busy with other things.
	fallAfter = 10
	// How long after a fall, and between probes, until the store is tried again: doubled each time, and back at the least
	// once the store has been well for calm.
	leastPause = 250 * time.Millisecond
	mostPause  = 4 * time.Second
	calm       = 10 * time.Second
)

// health knows whether the shared store may be asked. Who finds it closed does not wait: only run tries whether it is
// well again, so that no request is the one that finds out it is not.
type health struct {
	up       atomic.Bool
	failures atomic.Int32 // in a row
	fell     chan error   // why; one at a time, since only run lifts it up again

	clock  func() time.Time
	logger *slog.Logger
	shared prometheus.Gauge
	failed prometheus.Counter
}

func newHealth(c SharedConfig) *health {
	h := &health{
		fell: make(chan error, 1), clock: c.Clock, logger: c.Logger,
		shared: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "eggapi_limits_shared", Help: "1 while rate limits are shared between processes, 0 while this one counts for itself.",
		}),
		failed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "eggapi_limits_shared_failures_total", Help: "Exchanges with the shared store of rate limits that failed, probes too.",
		}),
	}
	c.Registry.MustRegister(h.shared, h.failed)
	return h
}

// note takes down how an exchange ended.
func (h *health) note(err error) {
	if err == nil {
		h.failures.Store(0)
		return
	}
	h.failed.Inc()
	if h.failures.Add(1) >= fallAfter && h.up.CompareAndSwap(true, false) {
		h.shared.Set(0)
		h.fell <- err
	}
}

// run tries the store until it is well, waits for its fall, and begins again, until ctx ends.
func (h *health) run(ctx context.Context, probe func(context.Context) error) {
	defer h.shared.Set(0)
	defer h.up.Store(false)
	pause, told := leastPause, false
	for {
		err := probe(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			h.failed.Inc()
		} else {
			from := h.clock()
			if err = h.lift(ctx); err == nil {
				return
			}
			told = false
			if h.clock().Sub(from) >= calm {
				pause = leastPause
			}
		}
		if !told {
			h.logger.WarnContext(ctx, "rate limits are counted in each process: the shared store fails", "error", err)
			told = true
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, mostPause)
	}
}

// lift lets the store be asked, and waits until it falls. It gives why, or nil when ctx has ended.
func (h *health) lift(ctx context.Context) error {
	h.failures.Store(0)
	h.shared.Set(1)
	h.up.Store(true)
	h.logger.InfoContext(ctx, "rate limits are shared")
	select {
	case <-ctx.Done():
		return nil
	case err := <-h.fell:
		return err
	}
}
