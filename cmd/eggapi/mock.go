package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/eggapi/eggapi/internal/app"
	"github.com/eggapi/eggapi/internal/mock"
)

// A scripted delay may take a minute, and the answer comes after it.
const mockWriteTimeout = 2 * time.Minute

type mockCommand struct {
	Addr     string         `placeholder:"HOST:PORT" help:"Where to listen; EGGAPI_ADDR when absent."`
	Latency  time.Duration  `default:"0s" help:"Added to every task while it is processing."`
	Deadline time.Duration  `default:"0s" help:"After which a task fails with timeout; 0s for the real service's 5 and 10 minutes."`
	Egress   []netip.Prefix `placeholder:"NETWORK" help:"Networks that webhooks and input images may be called in, besides loopback."`
}

// Run answers the contract from memory until ctx ends.
func (c mockCommand) Run(ctx context.Context, p *process) error {
	started := time.Now()
	cfg := p.config
	if cfg.Production() {
		return errors.New("`eggapi mock` is not for EGGAPI_ENV=production")
	}
	if c.Latency < 0 || c.Deadline < 0 {
		return errors.New("--latency and --deadline must not be negative")
	}
	l, err := listen(ctx, orDefault(c.Addr, cfg.Addr), "--addr or EGGAPI_ADDR")
	if err != nil {
		return err
	}
	url := orDefault(cfg.PublicURL, publicURL(l.Addr()))
	m, err := mock.New(ctx, mock.Options{
		PublicURL: url, Logger: logger(p.errOut, cfg.LogLevel), Latency: c.Latency, Deadline: c.Deadline, Egress: append(c.Egress, cfg.EgressAllow...),
		WebhookSchedule: cfg.WebhookSchedule, TrustedProxies: cfg.TrustedProxies, IPLimit: cfg.IPLimit, KeyLimit: cfg.KeyLimit, TestKeyLimit: cfg.TestKeys(),
		TrustedOrigins: append(cfg.TrustedOrigins, strings.Replace(url, "127.0.0.1", "localhost", 1)),
	})
	if err != nil {
		_ = l.Close()
		return err
	}
	defer m.Close()
	p.printMock(url, time.Since(started))
	return serveMock(ctx, l, m)
}

// serveMock answers until ctx ends, and cuts off what then takes longer than a second.
func serveMock(ctx context.Context, l net.Listener, m *mock.Mock) error {
	s := app.NewHTTPServer(m)
	s.WriteTimeout = mockWriteTimeout
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := s.Shutdown(limit); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return s.Close()
	}
	return nil
}

func (p *process) printMock(url string, took time.Duration) {
	p.say("EggAPI mock on %s, ready after %.2f s", url, took.Seconds())
	p.say("  state           in memory, lost when this process ends; no database, no files")
	p.say("  test key        %s (any other well-formed test key is an account of its own)", mock.Key)
	p.say("  webhook secret  %s", mock.WebhookSecret)
	p.say("\ncurl -s %s/v1/generate -H \"Authorization: Bearer %s\" -H \"Content-Type: application/json\" -d '{\"model\":\"nanobanana\",\"prompt\":\"a fox\"}'", url, mock.Key)
	p.say("\nPress Ctrl-C to stop.")
}
