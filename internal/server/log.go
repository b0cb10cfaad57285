package server

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/eggapi/eggapi/internal/auth"
)

type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	tallies  map[*operation]*tally // nil is for what the contract does not declare
}

// tally is what is counted of one operation. Each status is looked up among all once, and not for each request.
type tally struct {
	mu       sync.RWMutex
	requests map[int]prometheus.Counter // by status
	duration prometheus.Observer        // nil before the first answer
}

// count adds one answer.
func (m *metrics) count(op *operation, status int, took time.Duration) {
	t := m.tallies[op]
	t.mu.RLock()
	requests, duration := t.requests[status], t.duration
	t.mu.RUnlock()
	if requests == nil {
		requests, duration = m.requests.WithLabelValues(op.name(), strconv.Itoa(status)), m.duration.WithLabelValues(op.name())
		t.mu.Lock()
		t.requests[status], t.duration = requests, duration
		t.mu.Unlock()
	}
	requests.Inc()
	duration.Observe(took.Seconds())
}

func newMetrics(r prometheus.Registerer, operations []*operation) *metrics {
	m := &metrics{
		tallies: map[*operation]*tally{nil: {requests: map[int]prometheus.Counter{}}},
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "eggapi_http_requests_total", Help: "Answers by operation and status.",
		}, []string{"operation", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "eggapi_http_request_seconds", Help: "Time to answer by operation.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}, []string{"operation"}),
	}
	for _, op := range operations {
		m.tallies[op] = &tally{requests: map[int]prometheus.Counter{}}
	}
	r.MustRegister(m.requests, m.duration)
	return m
}

// report counts an answer and writes the line of the access log: the route's template and never the query, a header
// or a body.
func (s *server) report(c echo.Context, op *operation, took time.Duration) {
	r, status := c.Request(), c.Response().Status
	s.metrics.count(op, status, took)
	level := slog.LevelInfo
	cause, failed := c.Get(causeKey).(error)
	// A full house is no fault, and thousands of errors a second would be one more load.
	if failed && !errors.Is(cause, http.ErrAbortHandler) && !errors.Is(cause, errCrowded) && r.Context().Err() == nil {
		level = slog.LevelError
	}
	if !s.Logger.Enabled(r.Context(), level) {
		return
	}
	principal := auth.PrincipalFrom(r.Context())
	attrs := make([]slog.Attr, 0, 11)
	attrs = append(attrs,
		slog.String("request_id", requestIDOf(c)), slog.String("operation", op.name()),
		slog.String("method", r.Method), slog.String("route", c.Path()), slog.Int("status", status),
		slog.Float64("duration_ms", float64(took.Microseconds())/1000), slog.String("ip", c.RealIP()),
	)
	if principal.UserID != "" {
		attrs = append(attrs, slog.String("user_id", principal.UserID), slog.String("credential", string(principal.Kind)))
	}
	if principal.KeyID != "" {
		attrs = append(attrs, slog.String("api_key_id", principal.KeyID))
	}
	if failed {
		attrs = append(attrs, slog.String("cause", cause.Error()))
	}
	s.Logger.LogAttrs(r.Context(), level, "request", attrs...)
}

func toIPNet(p netip.Prefix) *net.IPNet {
	p = p.Masked()
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
