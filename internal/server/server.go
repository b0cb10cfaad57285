// Package server is the door: everything between a socket and a handler.
//
// Owns: the order of middleware, the gate of each operation, the one table from error codes to answers, the access log.
// Does not own: what an operation does (handlers), who a credential belongs to (auth), files and pages (given as handlers).
// May touch: echo, kin-openapi, gen/api, auth, fault, ratelimit, prometheus.
// Always true: no operation runs without its gate, and no answer of 400 or above lacks the envelope.
package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/ratelimit"
)

// KeyAuthenticator knows API keys.
type KeyAuthenticator interface {
	// Recall is Authenticate from memory alone; what it says counts only when it is fresh.
	Recall(key string) (auth.Principal, auth.Recall, error)
	Authenticate(ctx context.Context, key string) (auth.Principal, error)
	// CountRequest counts a request of a key, and refuses it when the key may make no more.
	CountRequest(ctx context.Context, p auth.Principal) error
}

// SessionAuthenticator knows browser sessions.
type SessionAuthenticator interface {
	CookieName() string
	DontRememberName() string
	DontRemembers(cookieValue string) bool
	Clearing(cookieValue string) []auth.Cookie
	Authenticate(ctx context.Context, cookieValue string) (auth.Principal, error)
}

// Deps is all that a server is made of. Every field is needed unless it says otherwise.
type Deps struct {
	Contract       []byte // the bundled OpenAPI document
	Handlers       api.StrictServerInterface
	Keys           KeyAuthenticator
	Sessions       SessionAuthenticator
	Files          http.Handler      // serves /files/
	Pages          http.Handler      // serves /, /assets/, /docs and /llms.txt
	Translate      func(error) error // turns foreign errors into refusals where it can
	Registry       prometheus.Registerer
	Logger         *slog.Logger
	Clock          func() time.Time
	TrustedOrigins []string       // exact origins that may use a session to change things
	TrustedProxies []netip.Prefix // whose X-Forwarded-For is believed; optional
	BodyLimitBytes int64          // 0 = 1 MiB
	IPLimit        ratelimit.Rule // zero = off
	KeyLimit       ratelimit.Rule // zero = off
	TestKeyLimit   ratelimit.Rule // zero = off
	// Narrower ones: per address and operation that guesses or sends mail, per user for new secrets of keys, and per
	// address for keys that nobody has. Zero = off.
	SignInLimit, NewKeyLimit, UnknownKeyLimit ratelimit.Rule
	MaxRequests                               int // with handlers at a time; 0 = no bound
	// SharedLimits keeps the limits for all processes together. Optional: without it each counts for itself.
	SharedLimits *ratelimit.Shared
	// Between runs after the gate of an operation and before its handler, and can refuse. Optional: the mock plays
	// failures with it, the service has none.
	Between func(operationID string, r *http.Request) error
}

// New builds the server. It fails when the contract, the gates and the routes do not match one another.
func New(ctx context.Context, d Deps) (*echo.Echo, error) {
	if d.BodyLimitBytes == 0 {
		d.BodyLimitBytes = 1 << 20
	}
	contract, err := compile(ctx, d.Contract)
	if err != nil {
		return nil, err
	}
	s := &server{Deps: d, contract: contract, metrics: newMetrics(d.Registry, contract.operations)}
	s.crowd.most = int64(d.MaxRequests)
	if s.ipLimit, err = newLimits("ip", d.IPLimit, d); err != nil {
		return nil, fmt.Errorf("set the limit per address: %w", err)
	}
	if s.keyLimit, err = newLimits("key", d.KeyLimit, d); err != nil {
		return nil, fmt.Errorf("set the limit per key: %w", err)
	}
	if s.testKeyLimit, err = newLimits("key", d.TestKeyLimit, d); err != nil {
		return nil, fmt.Errorf("set the limit per test key: %w", err)
	}
	if s.narrow, err = newNarrowLimits(d); err != nil {
		return nil, fmt.Errorf("set a narrow limit: %w", err)
	}
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = s.answerError
	e.IPExtractor = ipExtractor(d.TrustedProxies)

	e.Use(s.door)
	gates, err := s.gates() //nolint:contextcheck // each request brings its own
	if err != nil {
		return nil, err
	}
	api.RegisterHandlersWithOptions(e, api.NewStrictHandler(d.Handlers, nil), api.RegisterHandlersOptions{OperationMiddlewares: gates})
	e.GET("/files/*", echo.WrapHandler(http.StripPrefix("/files/", d.Files)))
	for _, path := range pagePaths {
		e.GET(path, echo.WrapHandler(d.Pages))
	}
	return e, s.checkRoutes(e, gates)
}

type server struct {
	Deps
	contract *contract
	metrics  *metrics
	ipLimit  *limits
	keyLimit *limits
	narrow   *narrowLimits
	crowd    crowd

	testKeyLimit *limits
}

// door is every step that is the same for all requests. It is one middleware, since echo puts those it is given
// together anew for each request. The order matters: each line may count on those above it.
func (s *server) door(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		s.requestID(c)      // first, so that every answer and log line carries one
		op := s.announce(c) // before anything that refuses, so that every refusal tells of the operation's end
		start := time.Now()
		if err := s.enter(c, op, next); err != nil {
			c.Error(err) // answered here, so that the log knows the final status
		}
		s.report(c, op, time.Since(start)) // after recover, so that a panic is logged with its status
		return nil
	}
}

// enter lets a request through to its route, or refuses it.
func (s *server) enter(c echo.Context, op *operation, next echo.HandlerFunc) (err error) {
	defer s.recover(c, &err)                      // a panic becomes INTERNAL_ERROR, or cuts the connection after the first byte
	setCarefulHeaders(c)                          // on errors too
	if err := s.limitAddress(c, op); err != nil { // before anything that costs
		return err
	}
	if err := s.limitBody(c); err != nil { // caps what later steps can read
		return err
	}
	return next(c)
}

// pagePaths is where people look; with files, the only routes that the contract does not declare.
var pagePaths = []string{"/", "/assets/*", "/docs", "/docs/*", "/llms.txt"}

// checkRoutes fails when an operation has no gate or no route, or a route is neither declared nor on the short list.
func (s *server) checkRoutes(e *echo.Echo, gates map[string][]echo.MiddlewareFunc) error {
	routes := map[string]bool{}
	for _, r := range e.Routes() {
		if r.Method == echo.RouteNotFound {
			continue
		}
		routes[r.Method+" "+r.Path] = true
	}
	for _, op := range s.contract.operations {
		if len(gates[op.id]) == 0 {
			return fmt.Errorf("operation %s has no gate", op.id)
		}
		if !routes[op.method+" "+op.echoPath] {
			return fmt.Errorf("operation %s has no route; run make generate", op.id)
		}
		delete(routes, op.method+" "+op.echoPath)
	}
	delete(routes, "GET /files/*")
	for _, path := range pagePaths {
		delete(routes, "GET "+path)
	}
	for r := range routes {
		return fmt.Errorf("route %s is not in the contract", r)
	}
	return nil
}
