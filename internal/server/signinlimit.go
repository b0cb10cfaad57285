package server

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/ratelimit"
)

// signInLimit is how often an address may ask for what guesses passwords or sends mails. Each operation that the contract
// marks with x-sign-in-limit has a count of its own.
type signInLimit struct {
	*ratelimit.Limiter
	policy string
}

func newSignInLimit(rule ratelimit.Rule, clock func() time.Time) (*signInLimit, error) {
	limiter, err := ratelimit.New(rule, clock)
	return &signInLimit{Limiter: limiter, policy: fmt.Sprintf("%q;q=%d;w=60", "sign-in", rule.Burst)}, err
}

// check refuses what is too often. Only then do the headers speak of this limit, which is narrower than the others.
func (l *signInLimit) check(c echo.Context, op *operation) error {
	if !op.signInLimit || l.Off() {
		return nil
	}
	addr, err := netip.ParseAddr(c.RealIP())
	if err != nil {
		return errMalformed.Because(err)
	}
	result, err := l.Allow(c.Request().Context(), op.id+" "+ratelimit.IPKey(addr), 1)
	if err != nil {
		return fault.Wrap(err, "apply the limit for signing in")
	}
	if result.Allowed {
		return nil
	}
	h := c.Response().Header()
	h.Set("RateLimit-Policy", l.policy)
	h.Set("RateLimit", fmt.Sprintf("%q;r=0;t=%d", "sign-in", seconds(result.ResetAfter)))
	return fault.New(fault.RateLimited, "Rate limit exceeded").After(max(result.RetryAfter, time.Second))
}
