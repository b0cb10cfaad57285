package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/eggapi/eggapi/internal/app"
	"github.com/eggapi/eggapi/internal/config"
)

const defaultMetricsAddr = "127.0.0.1:9464"

type serveCommand struct{}

func (serveCommand) Run(ctx context.Context, p *process) error {
	cfg, err := forDeployment(p.config)
	if err != nil {
		return err
	}
	l, err := listen(ctx, cfg.Addr, "EGGAPI_ADDR")
	if err != nil {
		return err
	}
	return p.runNode(ctx, cfg, l)
}

type workCommand struct{}

func (workCommand) Run(ctx context.Context, p *process) error {
	cfg, err := forDeployment(p.config)
	if err != nil {
		return err
	}
	return p.runNode(ctx, cfg, nil)
}

// runNode runs a node until ctx ends: it serves on l, or works the queues when l is nil.
func (p *process) runNode(ctx context.Context, cfg config.Config, l net.Listener) error {
	if err := reachDatabase(ctx, cfg); err != nil {
		return err
	}
	log := logger(p.errOut, cfg.LogLevel)
	registry := newRegistry()
	node, err := app.New(ctx, app.Options{Config: cfg, Logger: log, Registry: registry, Work: l == nil})
	if err != nil {
		return err
	}
	metrics, err := serveMetrics(ctx, orDefault(cfg.MetricsAddr, defaultMetricsAddr), registry)
	if err != nil {
		return err
	}
	defer func() { _ = metrics.Close() }()
	if err := node.Start(ctx); err != nil {
		return err
	}
	if l == nil {
		log.InfoContext(ctx, "working")
		<-ctx.Done()
	} else {
		log.InfoContext(ctx, "serving", "addr", l.Addr().String())
		err = node.Serve(ctx, l, drainTime(cfg))
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime(cfg))
	defer cancel()
	node.Stop(limit)
	return err
}

// forDeployment completes the settings of a process that is not for development.
func forDeployment(cfg config.Config) (config.Config, error) {
	if cfg.DatabaseURL == "" {
		return cfg, errNoDatabase
	}
	if cfg.PublicURL == "" && cfg.Production() {
		return cfg, errors.New("EGGAPI_PUBLIC_URL must be set to the https address that customers call; it stands in the URLs of images")
	}
	cfg.PublicURL = orDefault(cfg.PublicURL, "http://"+cfg.Addr)
	if len(cfg.AuthSecrets) == 0 || len(cfg.SealKeys) == 0 {
		return cfg, errors.New("EGGAPI_AUTH_SECRETS and EGGAPI_SEAL_KEYS must be set; `eggapi admin new-secrets` prints fresh ones")
	}
	return cfg, nil
}

func listen(ctx context.Context, addr, setting string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s, which is taken or not ours; choose another with %s", addr, setting)
	}
	return l, nil
}

func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// serveMetrics answers /metrics on a listener of its own, which is not for strangers.
func serveMetrics(ctx context.Context, addr string, r *prometheus.Registry) (*http.Server, error) {
	l, err := listen(ctx, addr, "EGGAPI_METRICS_ADDR")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(r, promhttp.HandlerOpts{}))
	s := app.NewHTTPServer(mux)
	go func() { _ = s.Serve(l) }()
	return s, nil
}

func drainTime(cfg config.Config) time.Duration {
	return time.Duration(cfg.ShutdownSeconds) * time.Second
}

func orDefault(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
