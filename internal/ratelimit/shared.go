package ratelimit

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/eggapi/eggapi/internal/coalesce"
	"github.com/eggapi/eggapi/internal/fault"
)

//go:embed gcra.lua
var gcra string

const (
	// keyPrefix is before every key of ours, of which there is one for each caller who has used some of his budget. It
	// expires when the budget is whole again.
	keyPrefix = "eggapi:limit:"
	// patience bounds how long a caller waits, for the exchange under way and for his own. A request asks for at most two
	// limits: 40 ms, which leaves some for a processor that is late.
	patience = 20 * time.Millisecond
	// connectTimeout bounds making a connection; who needs it waits for no longer than patience all the same.
	connectTimeout = time.Second
	// How many exchanges there are at a time, and how many callers may share one or wait for the next.
	exchanges   = 2
	maxExchange = 512
)

var (
	errURL  = errors.New("it must be redis:// or rediss:// with a host")
	errAway = errors.New("the shared store is away")
	errLate = errors.New("ask the shared store: the exchange before took too long")
)

// SharedConfig says where limits are shared. Every field is needed.
type SharedConfig struct {
	URL      string // redis:// or, with TLS, rediss://; it may hold a password
	Clock    func() time.Time
	Logger   *slog.Logger
	Registry prometheus.Registerer
}

// Shared is a Redis or Valkey that keeps the budgets of callers for several processes. It is asked from when Run has
// reached it until it fails, and again when Run has reached it again; meanwhile each process counts for itself.
type Shared struct {
	client *redis.Client
	script *redis.Script
	asks   *coalesce.Group[ask, verdict]
	health *health
	clock  func() time.Time
}

// ask is one question to the store.
type ask struct {
	key        string
	take, room time.Duration // whole microseconds
	at         time.Time     // when it was asked; set by decide
}

// verdict is the store's answer.
type verdict struct {
	allowed bool
	used    time.Duration // of the budget, with what was taken
	over    time.Duration // when refused: until there is enough
}

// quiet keeps the library from writing to standard error; what matters of it is in the errors that it returns.
type quiet struct{}

// Printf writes nothing.
func (quiet) Printf(context.Context, string, ...any) {}

var hush = sync.OnceFunc(func() { redis.SetLogger(quiet{}) })

// NewShared prepares a store and does not yet connect to it. It fails on an address that is none, and does not repeat it.
func NewShared(c SharedConfig) (*Shared, error) {
	address, err := url.Parse(c.URL)
	if err != nil || (address.Scheme != "redis" && address.Scheme != "rediss") || address.Host == "" {
		return nil, errURL
	}
	options, err := redis.ParseURL(c.URL)
	if err != nil {
		return nil, errURL
	}
	hush()
	options.Protocol = 2
	options.DisableIdentity = true
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	options.MaxRetries, options.DialerRetries = -1, 1
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout = connectTimeout, connectTimeout, connectTimeout
	options.ContextTimeoutEnabled = true
	// One more for the probe; kept open, so that no request waits for a handshake.
	options.PoolSize, options.MinIdleConns, options.PipelinePoolSize = exchanges+1, exchanges, -1
	options.ConnMaxIdleTime = -1
	s := &Shared{client: redis.NewClient(options), script: redis.NewScript(gcra), health: newHealth(c), clock: c.Clock}
	s.asks = coalesce.New(coalesce.Config[ask, verdict]{
		Run: s.exchange, Slots: exchanges, MaxSet: maxExchange, MaxWaiting: maxExchange, Timeout: patience,
	})
	return s, nil
}

// Run reaches for the store, and watches over it until ctx ends.
func (s *Shared) Run(ctx context.Context) { s.health.run(ctx, s.probe) }

// Close ends the connections. Nothing may be asked any more.
func (s *Shared) Close(ctx context.Context) error {
	return errors.Join(s.asks.Close(ctx), fault.Wrap(s.client.Close(), "close the connections to the shared store"))
}

// decide has the store decide a question. It fails, within patience, when the store cannot be asked.
func (s *Shared) decide(ctx context.Context, a ask) (verdict, error) {
	if !s.health.up.Load() {
		return verdict{}, errAway
	}
	a.at = s.clock()
	return s.asks.Do(ctx, a)
}

// exchange asks what several callers want to know, in one round trip. The first of them has waited for longest.
func (s *Shared) exchange(ctx context.Context, set []ask) ([]coalesce.Reply[verdict], error) {
	if !s.health.up.Load() { // since they came to wait
		return nil, errAway
	}
	left := patience - s.clock().Sub(set[0].at)
	if left <= 0 {
		s.health.note(errLate)
		return nil, errLate
	}
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	replies := make([]coalesce.Reply[verdict], len(set))
	var failed error
	for i, cmd := range s.send(ctx, set) {
		replies[i].Answer, replies[i].Err = readVerdict(cmd)
		if replies[i].Err != nil {
			failed = replies[i].Err
		}
	}
	s.health.note(failed)
	return replies, nil
}

// send runs the script once for each question, by its hash; a store that has started anew must be told its text again.
func (s *Shared) send(ctx context.Context, set []ask) []*redis.Cmd {
	answers := make([]*redis.Cmd, len(set))
	pipe := s.client.Pipeline()
	for i, a := range set {
		answers[i] = s.script.EvalSha(ctx, pipe, []string{keyPrefix + a.key}, a.take.Microseconds(), a.room.Microseconds())
	}
	_, _ = pipe.Exec(ctx) // each answer has its error
	again := s.client.Pipeline()
	for i, a := range set {
		if redis.HasErrorPrefix(answers[i].Err(), "NOSCRIPT") {
			answers[i] = s.script.Eval(ctx, again, []string{keyPrefix + a.key}, a.take.Microseconds(), a.room.Microseconds())
		}
	}
	if again.Len() > 0 {
		_, _ = again.Exec(ctx)
	}
	return answers
}

func readVerdict(cmd *redis.Cmd) (verdict, error) {
	numbers, err := cmd.Int64Slice()
	if err != nil {
		return verdict{}, fault.Wrap(err, "ask the shared store")
	}
	if len(numbers) != 3 {
		return verdict{}, fmt.Errorf("ask the shared store: %d numbers came back", len(numbers))
	}
	return verdict{
		allowed: numbers[0] == 1, used: time.Duration(numbers[1]) * time.Microsecond, over: time.Duration(numbers[2]) * time.Microsecond,
	}, nil
}

// probe connects to the store, for which there is time, and has it decide something as fast as for a request.
func (s *Shared) probe(ctx context.Context) error {
	connect, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if err := s.client.Ping(connect).Err(); err != nil {
		return fault.Wrap(err, "reach the shared store")
	}
	decide, stop := context.WithTimeout(ctx, patience)
	defer stop()
	_, err := readVerdict(s.send(decide, []ask{{key: "probe", take: time.Microsecond, room: time.Second}})[0])
	return err
}
