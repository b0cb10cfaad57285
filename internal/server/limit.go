package server

import (
	"fmt"
	"net/netip"
	"strconv"
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

func newLimit(name string, rule ratelimit.Rule, clock func() time.Time) (*limit, error) {
	limiter, err := ratelimit.New(rule, clock)
	if err != nil {
		return nil, err
	}
	return &limit{
		Limiter: limiter, policy: []string{fmt.Sprintf("%q;q=%d;w=1", name, rule.Burst)}, begin: strconv.Quote(name) + ";r=",
	}, nil
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
	if p.Kind != auth.KindKey {
		return nil
	}
	// Last, so that what is refused for another reason is not counted.
	return s.Keys.CountRequest(c.Request().Context(), p)
}

func (s *server) limitRate(c echo.Context, op *operation, p auth.Principal) error {
	if p.UserID == "" || s.keyLimit.Off() {
		return nil
	}
	owner := "key " + p.KeyID
	if p.Kind == auth.KindSession {
		owner = "user " + p.UserID
	}
	result, err := s.keyLimit.Allow(c.Request().Context(), owner, op.cost)
	if err != nil {
		return fault.Wrap(err, "apply the limit per key")
	}
	return s.keyLimit.apply(c, result)
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
