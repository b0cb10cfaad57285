package server

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/eggapi/eggapi/internal/auth"
)

type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "eggapi_http_requests_total", Help: "Answers by operation and status.",
		}, []string{"operation", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "eggapi_http_request_seconds", Help: "Time to answer by operation.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}, []string{"operation"}),
	}
	r.MustRegister(m.requests, m.duration)
	return m
}

// accessLog answers errors itself, so that the line it writes knows the final status. It logs the
// route's template and never the query, a header or a body.
func (s *server) accessLog(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		if err := next(c); err != nil {
			c.Error(err)
		}
		took := time.Since(start)
		status, name := c.Response().Status, "none"
		if op, ok := c.Get(operationKey).(*operation); ok {
			name = op.id
		}
		s.metrics.requests.WithLabelValues(name, strconv.Itoa(status)).Inc()
		s.metrics.duration.WithLabelValues(name).Observe(took.Seconds())
		s.log(c, name, took)
		return nil
	}
}

func (s *server) log(c echo.Context, operation string, took time.Duration) {
	r, status := c.Request(), c.Response().Status
	level := slog.LevelInfo
	cause, failed := c.Get(causeKey).(error)
	if failed && !errors.Is(cause, http.ErrAbortHandler) && r.Context().Err() == nil {
		level = slog.LevelError
	}
	if !s.Logger.Enabled(r.Context(), level) {
		return
	}
	principal := auth.PrincipalFrom(r.Context())
	attrs := []slog.Attr{
		slog.String("request_id", requestIDOf(c)), slog.String("operation", operation),
		slog.String("method", r.Method), slog.String("route", c.Path()), slog.Int("status", status),
		slog.Float64("duration_ms", float64(took.Microseconds())/1000), slog.String("ip", c.RealIP()),
	}
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
