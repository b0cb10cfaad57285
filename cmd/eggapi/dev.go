package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/eggapi/eggapi/internal/app"
	"github.com/eggapi/eggapi/internal/config"
	"github.com/eggapi/eggapi/internal/devdb"
	"github.com/eggapi/eggapi/internal/mail"
	"github.com/eggapi/eggapi/internal/pg"
)

type devCommand struct {
	NoDemo bool `name:"no-demo" help:"Do not make an image at the start."`
}

// Run starts everything one machine needs, shows that it works, and stops it again in order.
func (d devCommand) Run(ctx context.Context, p *process) error {
	started := time.Now()
	cfg, stopDB, err := p.devConfig(ctx)
	if err != nil {
		return err
	}
	defer stopDB()
	l, err := listen(ctx, cfg.Addr, "EGGAPI_ADDR")
	if err != nil {
		return err
	}
	cfg.PublicURL = orDefault(cfg.PublicURL, publicURL(l.Addr()))
	cfg.TrustedOrigins = append(cfg.TrustedOrigins, strings.Replace(cfg.PublicURL, "127.0.0.1", "localhost", 1))
	logs, err := os.OpenFile(filepath.Join(cfg.DataDir, "eggapi.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	defer func() { _ = logs.Close() }()
	registry := newRegistry()
	post, err := p.devMail(cfg)
	if err != nil {
		return err
	}
	node, err := app.New(ctx, app.Options{Config: cfg, Logger: logger(logs, cfg.LogLevel), Registry: registry, Work: true, Mail: post})
	if err != nil {
		return err
	}
	metrics, err := serveMetrics(ctx, orDefault(cfg.MetricsAddr, "127.0.0.1:0"), registry)
	if err != nil {
		return err
	}
	defer func() { _ = metrics.Close() }()
	if err := node.Start(ctx); err != nil {
		return err
	}
	err = d.whileServing(ctx, p, devNode{node: node, config: cfg, listener: l, started: started})
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime(cfg))
	defer cancel()
	node.Stop(limit)
	return err
}

type devNode struct {
	node     *app.Node
	config   config.Config
	listener net.Listener
	started  time.Time
}

func (d devCommand) whileServing(ctx context.Context, p *process, n devNode) error {
	seeded, err := seed(ctx, n)
	if err != nil {
		_ = n.listener.Close()
		return err
	}
	receiver, err := newReceiver(ctx, p, seeded.WebhookSecret)
	if err != nil {
		return err
	}
	defer receiver.close()
	served := make(chan error, 1)
	go func() { served <- n.node.Serve(ctx, n.listener, drainTime(n.config)) }()
	p.printWelcome(n, seeded, receiver.url)
	if !d.NoDemo {
		if err := p.demo(ctx, seeded, receiver); err != nil && ctx.Err() == nil {
			p.say("The demo did not finish: %v (see %s)", err, filepath.Join(n.config.DataDir, "eggapi.log"))
		}
	}
	p.say("Press Ctrl-C to stop.")
	err = <-served
	p.say("\nStopping…")
	return err
}

// devConfig fills in what development needs: a database, secrets, and leave to call this machine.
func (p *process) devConfig(ctx context.Context) (config.Config, func(), error) {
	cfg := p.config
	if cfg.Production() {
		return cfg, nil, errors.New("`eggapi dev` is not for EGGAPI_ENV=production")
	}
	// As root another account runs PostgreSQL, which must get through; what is secret inside is closed itself.
	if err := os.MkdirAll(cfg.DataDir, 0o711); err != nil { //nolint:gosec // see above
		return cfg, nil, fmt.Errorf("make the data folder: %w", err)
	}
	if err := devSecrets(&cfg); err != nil {
		return cfg, nil, err
	}
	if len(cfg.EgressAllow) == 0 {
		cfg.EgressAllow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	}
	// Without a provider's key there is nobody else to draw.
	cfg.SandboxForLive = cfg.SandboxForLive || cfg.GeminiAPIKey == ""
	cfg.DrainSeconds = 0 // nobody balances load in front of it
	stopDB := func() {}
	if cfg.DatabaseURL == "" {
		db, err := devdb.Start(ctx, devdb.Options{Dir: cfg.DataDir, BinDir: cfg.PostgresBin, Progress: func(line string) { p.say("%s", line) }})
		if busy := (*devdb.BusyError)(nil); errors.As(err, &busy) {
			return cfg, nil, fmt.Errorf("%w; stop that, or choose another folder with EGGAPI_DATA_DIR and address with EGGAPI_ADDR", err)
		}
		if err != nil {
			return cfg, nil, err
		}
		stopDB = func() {
			limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
			defer cancel()
			if err := db.Stop(limit); err != nil {
				p.say("The database did not stop cleanly: %v", err)
			}
		}
		cfg.DatabaseURL = config.Secret(db.URL())
	}
	err := reachDatabase(ctx, cfg)
	if err == nil {
		err = pg.Migrate(ctx, cfg.DatabaseURL.Reveal())
	}
	if err != nil {
		stopDB()
		return cfg, nil, err
	}
	return cfg, stopDB, nil
}

// devMail keeps mails in a folder and prints them, unless there is a mail server.
func (p *process) devMail(cfg config.Config) (mail.Transport, error) {
	if cfg.SMTPURL != "" {
		return nil, nil
	}
	return mail.NewFolder(filepath.Join(cfg.DataDir, "mail"), time.Now, func(to, subject, body string) {
		p.say("\nMail to %s: %s\n%s", to, subject, body)
	})
}

// publicURL names a listener the way a browser on this machine would.
func publicURL(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if ip, parseErr := netip.ParseAddr(host); err != nil || parseErr != nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

func (p *process) say(format string, args ...any) {
	_, _ = fmt.Fprintf(p.out, format+"\n", args...)
}
