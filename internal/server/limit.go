package server

import (
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/ratelimit"
)

// limit is a rate limit and how the RateLimit headers of draft-ietf-httpapi-ratelimit-headers speak of it.
type limit struct {
	*ratelimit.Limiter
	policy []string // the whole header, shared by all answers
	begin  string   // of the other header
}

// limits are the limits of one name: the one for everybody, and those of callers with a rule of their own.
type limits struct {
	*limit // for everybody

	name string
	rule ratelimit.Rule // of the one for everybody
	all  *ratelimit.Limits

	mu  sync.RWMutex
	own map[int]*limit // by requests a second
}

// maxOwn bounds how many limits are kept; one that is not kept is made anew.
const maxOwn = 1024

func newLimits(name string, rule ratelimit.Rule, d Deps) (*limits, error) {
	all, err := ratelimit.NewLimits(d.Clock, d.SharedLimits)
	if err != nil {
		return nil, err
	}
	l := &limits{name: name, rule: rule, all: all, own: map[int]*limit{}}
	l.limit, err = l.by(rule)
	return l, err
}

func (l *limits) by(rule ratelimit.Rule) (*limit, error) {
	limiter, err := l.all.Of(rule)
	if err != nil {
		return nil, err
	}
	quoted := strconv.Quote(l.name)
	return &limit{
		Limiter: limiter, policy: []string{quoted + ";q=" + strconv.Itoa(rule.Burst) + ";w=1"}, begin: quoted + ";r=",
	}, nil
}

// of gives the limit of a caller: that for everybody, or one of his own requests a second, at least 1, of which he may
// make as many at once. Nobody gives himself more than everybody has.
func (l *limits) of(perSecond *int32) (*limit, error) {
	if perSecond == nil || !l.Off() && float64(*perSecond) >= l.rule.PerSecond {
		return l.limit, nil
	}
	own := max(1, int(*perSecond)) // a rule of 0 would be none
	l.mu.RLock()
	known := l.own[own]
	l.mu.RUnlock()
	if known != nil {
		return known, nil
	}
	made, err := l.by(ratelimit.Rule{PerSecond: float64(own), Burst: own})
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.own) >= maxOwn {
		clear(l.own)
	}
	l.own[own] = made
	return made, nil
}

func (s *server) limitAddress(c echo.Context, op *operation) error {
	if op != nil && op.noIPLimit {
		return nil
	}
	addr, err := netip.ParseAddr(c.RealIP())
	if err != nil {
		return errMalformed.Because(err)
	}
	if s.ipLimit.Off() {
		return nil
	}
	result, err := s.ipLimit.Allow(c.Request().Context(), ratelimit.IPKey(addr), 1)
	if err != nil {
		return fault.Wrap(err, "apply the limit per address")
	}
	return s.ipLimit.apply(c, result)
}

func (s *server) limitPrincipal(c echo.Context, op *operation, p auth.Principal) error {
	if err := s.limitRate(c, op, p); err != nil {
		return err
	}
	if err := s.narrow.checkNewKeys(c, op, p); err != nil {
		return err
	}
	if p.Kind != auth.KindKey {
		return nil
	}
	// Last, so that what is refused for another reason is not counted.
	return s.Keys.CountRequest(c.Request().Context(), p)
}

func (s *server) limitRate(c echo.Context, op *operation, p auth.Principal) error {
	if p.UserID == "" {
		return nil
	}
	var perSecond *int32
	if p.Rights != nil {
		perSecond = p.Rights.RequestsPerSecond
	}
	limits := s.keyLimit
	if p.Kind == auth.KindKey && p.Environment == auth.EnvironmentTest {
		limits = s.testKeyLimit
	}
	limit, err := limits.of(perSecond)
	if err != nil || limit.Off() {
		return fault.Wrap(err, "find the limit of a key")
	}
	owner := "key " + p.KeyID
	if p.Kind == auth.KindSession {
		owner = "user " + p.UserID
	}
	result, err := limit.Allow(c.Request().Context(), owner, op.cost)
	if err != nil {
		return fault.Wrap(err, "apply the limit per key")
	}
	return limit.apply(c, result)
}

// apply writes the headers and refuses what is over.
func (l *limit) apply(c echo.Context, r ratelimit.Result) error {
	var room [64]byte
	state := strconv.AppendInt(append(room[:0], l.begin...), int64(r.Remaining), 10)
	state = strconv.AppendInt(append(state, ";t="...), int64(seconds(r.ResetAfter)), 10)
	h := c.Response().Header()
	h["Ratelimit-Policy"], h["Ratelimit"] = l.policy, []string{string(state)}
	if r.Allowed {
		return nil
	}
	return fault.New(fault.RateLimited, "Rate limit exceeded").After(max(r.RetryAfter, time.Second))
}

func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }
