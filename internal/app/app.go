// Package app puts the rooms together into a node that serves, works, or both.
//
// Owns: which part is given to which, the order of starting and stopping.
// Does not own: any behaviour of its own; if it decides something for a request, it is in the wrong room.
// May touch: every room but cmd.
// Always true: commands and tests start the very same node.
package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/eggapi/eggapi/gen"
	"github.com/eggapi/eggapi/handlers"
	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/config"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/fetch"
	"github.com/eggapi/eggapi/internal/id"
	"github.com/eggapi/eggapi/internal/mail"
	"github.com/eggapi/eggapi/internal/pg"
	"github.com/eggapi/eggapi/internal/provider"
	"github.com/eggapi/eggapi/internal/ratelimit"
	"github.com/eggapi/eggapi/internal/server"
	"github.com/eggapi/eggapi/internal/storage"
	"github.com/eggapi/eggapi/internal/task"
	"github.com/eggapi/eggapi/internal/webhook"
)

// Options is what a node is made from.
type Options struct {
	Config   config.Config
	Logger   *slog.Logger
	Registry *prometheus.Registry
	Clock    func() time.Time // nil = the wall clock
	Work     bool             // works the queues
	// WebhookSchedule replaces the delays between tries; nil = what the configuration says.
	WebhookSchedule []time.Duration
	// Mail replaces the mail server; nil = what the configuration says.
	Mail mail.Transport
	// Providers are added to the built-in ones, or replace them.
	Providers provider.Registry
}

// Node is one process's share of the service.
type Node struct {
	Pool     *pgxpool.Pool // for lists, sessions and chores
	Handler  http.Handler
	Tasks    *task.Tasks
	Keyring  *auth.Keyring
	Sessions *auth.Sessions
	Secrets  *webhook.Secrets

	o         Options
	pools     pools
	deliverer *webhook.Deliverer
	store     *storage.Store
	limits    *ratelimit.Shared // nil without EGGAPI_REDIS_URL
	draining  atomic.Bool
	stop      context.CancelFunc
	done      chan struct{}
}

// New builds a node on a database of this binary's schema. It serves nothing and works nothing before Start.
func New(ctx context.Context, o Options) (*Node, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	p, err := connect(ctx, o)
	if err != nil {
		return nil, err
	}
	n := &Node{Pool: p.general, pools: p, o: o, done: make(chan struct{})}
	if err := n.build(ctx); err != nil {
		p.close()
		return nil, err
	}
	return n, nil
}

func (n *Node) build(ctx context.Context) error {
	if err := pg.RequireCurrent(ctx, n.Pool); err != nil {
		return err
	}
	c := n.o.Config
	outside, err := fetch.New(fetch.Policy{AllowNetworks: c.EgressAllow, Production: c.Production()})
	if err != nil {
		return fmt.Errorf("EGGAPI_EGRESS_ALLOW: %w", err)
	}
	n.store, err = openStore(ctx, c)
	if err != nil {
		return err
	}
	if err := n.buildMail(); err != nil {
		return err
	}
	if err := n.buildAuth(); err != nil {
		return err
	}
	if n.o.WebhookSchedule == nil {
		n.o.WebhookSchedule = c.WebhookSchedule
	}
	n.deliverer = webhook.NewDeliverer(webhook.DelivererConfig{
		Pool: n.pools.keyed, Secrets: n.Secrets, Poster: outside, Clock: n.o.Clock, Logger: n.o.Logger, Schedule: n.o.WebhookSchedule,
	})
	river, err := newRiver(n)
	if err != nil {
		return err
	}
	n.Tasks = task.New(task.Deps{
		Pool: n.pools.keyed, River: river, Images: outside, Providers: n.providers(), Store: n.store, Clock: n.o.Clock, Logger: n.o.Logger,
		Wake: n.wake, Node: nodeName(n.o.Clock()), SandboxForLive: c.SandboxForLive, LeaseSeconds: c.TaskLeaseSeconds,
	})
	return n.buildHandler(ctx)
}

func openStore(ctx context.Context, c config.Config) (*storage.Store, error) {
	bucketURL := c.StorageURL
	if bucketURL == "" {
		dir, err := filepath.Abs(filepath.Join(c.DataDir, "files"))
		if err != nil {
			return nil, fault.Wrap(err, "find the folder for files")
		}
		bucketURL = "file://" + filepath.ToSlash(dir)
	}
	filesURL := c.FilesURL
	if filesURL == "" {
		filesURL = strings.TrimSuffix(c.PublicURL, "/") + "/files"
	}
	store, err := storage.Open(ctx, bucketURL, filesURL)
	return store, fault.Wrap(err, "open the storage")
}

// buildMail finds out how mails are sent; not at all when nothing is configured.
func (n *Node) buildMail() error {
	if n.o.Mail != nil || n.o.Config.SMTPURL == "" {
		return nil
	}
	s, err := mail.NewServer(n.o.Config.SMTPURL.Reveal())
	if err != nil {
		return fmt.Errorf("EGGAPI_SMTP_URL: %w", err)
	}
	n.o.Mail = s
	return nil
}

// outbox takes mails for the queue, which is made later.
func (n *Node) outbox() *mail.Outbox {
	if n.o.Mail == nil {
		return mail.NewOutbox(nil, n.o.Logger)
	}
	return mail.NewOutbox(func() mail.Inserter { return n.Tasks.River }, n.o.Logger)
}

func (n *Node) buildAuth() error {
	c := n.o.Config
	secrets := make([]string, len(c.AuthSecrets))
	for i, s := range c.AuthSecrets {
		secrets[i] = s.Reveal()
	}
	var err error
	n.Sessions, err = auth.NewSessions(auth.SessionConfig{
		Pool: n.Pool, Clock: n.o.Clock, Logger: n.o.Logger, Secrets: secrets, Secure: strings.HasPrefix(c.PublicURL, "https://"),
		PublicURL: strings.TrimSuffix(c.PublicURL, "/"), Origins: c.TrustedOrigins, Mail: n.outbox(),
		CookiePrefix: c.CookiePrefix, Times: auth.SessionTimes{
			Lifetime: seconds(c.SessionSeconds), UpdateAge: seconds(c.SessionUpdateSeconds), Most: seconds(c.SessionMaxSeconds),
		},
	})
	if err != nil {
		return fmt.Errorf("EGGAPI_AUTH_SECRETS: %w", err)
	}
	parsed, err := config.ParseSealKeys(c.SealKeys)
	if err != nil {
		return err
	}
	keys := make([]webhook.SealKey, len(parsed))
	for i, k := range parsed {
		keys[i] = webhook.SealKey{ID: k.ID, Key: k.Key}
	}
	sealer, err := webhook.NewSealer(keys...)
	if err != nil {
		return fmt.Errorf("EGGAPI_SEAL_KEYS: %w", err)
	}
	n.Secrets = webhook.NewSecrets(n.pools.keyed, sealer, n.o.Clock)
	n.Keyring = auth.NewKeyring(auth.KeyringConfig{Pool: n.pools.keyed, Clock: n.o.Clock, Logger: n.o.Logger, Sealer: sealer})
	return nil
}

func (n *Node) providers() provider.Registry {
	c := n.o.Config
	registry := provider.Registry{"sandbox": provider.NewSandbox(n.o.Clock)}
	if c.GeminiAPIKey != "" {
		registry["gemini"] = provider.NewGemini(provider.GeminiConfig{BaseURL: c.GeminiBaseURL, APIKey: c.GeminiAPIKey.Reveal()})
	}
	for name, p := range n.o.Providers {
		registry[name] = p
	}
	return registry
}

func (n *Node) buildHandler(ctx context.Context) error {
	asYAML, asJSON, err := handlers.NewDocuments(gen.Contract)
	if err != nil {
		return err
	}
	c := n.o.Config
	h := handlers.New(handlers.Deps{
		Pool: n.Pool, Tasks: n.Tasks, Keyring: n.Keyring, Sessions: n.Sessions, Secrets: n.Secrets, FileURL: n.store.URL,
		Clock: n.o.Clock, ContractYAML: asYAML, ContractJSON: asJSON, Ready: n.ready,
	})
	pages, err := newPages(gen.Web, n.store.URL(""))
	if err != nil {
		return err
	}
	if err := n.shareLimits(); err != nil {
		return err
	}
	e, err := server.New(ctx, server.Deps{
		Contract: gen.Contract, Handlers: h, Keys: n.Keyring, Sessions: n.Sessions, Files: files{n.store, n.o.Logger}, Pages: pages,
		Translate: pg.Public, Registry: n.o.Registry, Logger: n.o.Logger, Clock: n.o.Clock,
		TrustedOrigins: append([]string{strings.TrimSuffix(c.PublicURL, "/")}, c.TrustedOrigins...), TrustedProxies: c.TrustedProxies,
		IPLimit: rule(c.IPLimit), KeyLimit: rule(c.KeyLimit), TestKeyLimit: rule(c.TestKeys()), SignInLimit: perMinute(c.SignInLimit),
		NewKeyLimit: perMinute(c.NewKeyLimit), UnknownKeyLimit: perMinute(c.UnknownKeyLimit), SharedLimits: n.limits,
		MaxRequests: c.MaxRequests,
	})
	n.Handler = e
	return err
}

// shareLimits prepares the store that limits are shared through, when there is one.
func (n *Node) shareLimits() error {
	address := n.o.Config.RedisURL
	if address == "" {
		return nil
	}
	var err error
	n.limits, err = ratelimit.NewShared(ratelimit.SharedConfig{
		URL: address.Reveal(), Clock: n.o.Clock, Logger: n.o.Logger, Registry: n.o.Registry,
	})
	if err != nil {
		return fmt.Errorf("EGGAPI_REDIS_URL: %w", err)
	}
	return nil
}

// rule allows a burst of twice what is allowed per second.
func rule(perSecond float64) ratelimit.Rule {
	return ratelimit.Rule{PerSecond: perSecond, Burst: max(1, int(2*perSecond))}
}

// perMinute allows what is allowed in a minute all at once.
func perMinute(n float64) ratelimit.Rule {
	return ratelimit.Rule{PerSecond: n / 60, Burst: max(1, int(n))}
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

func nodeName(now time.Time) string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return id.New(host+"-", now)
}
