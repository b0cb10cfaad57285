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

// The names that x-narrow-limit may have.
const (
	narrowSignIn  = "sign-in"  // guesses passwords or sends mails; counted per address and operation
	narrowNewKeys = "new-keys" // makes secrets of API keys; counted per user
)

// narrowLimits hold callers to less than they may ask of other operations.
type narrowLimits struct {
	signIn, newKeys *narrowLimit
	strangers       *narrowLimit // of keys that nobody has, per address: each costs a query
}

// narrowLimit is one of them, per minute.
type narrowLimit struct {
	*ratelimit.Limiter
	name   string
	policy string
	step   time.Duration // in which one more is allowed
}

func newNarrowLimits(d Deps) (*narrowLimits, error) {
	all, err := ratelimit.NewLimits(d.Clock, d.SharedLimits)
	if err != nil {
		return nil, err
	}
	n := &narrowLimits{}
	for _, one := range []struct {
		name string
		rule ratelimit.Rule
		to   **narrowLimit
	}{
		{narrowSignIn, d.SignInLimit, &n.signIn},
		{narrowNewKeys, d.NewKeyLimit, &n.newKeys},
		{"unknown-keys", d.UnknownKeyLimit, &n.strangers},
	} {
		limiter, err := all.Of(one.rule)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", one.name, err)
		}
		*one.to = &narrowLimit{
			Limiter: limiter, name: one.name, policy: fmt.Sprintf("%q;q=%d;w=60", one.name, one.rule.Burst),
			step: time.Duration(float64(time.Second) / max(one.rule.PerSecond, 1e-9)),
		}
	}
	return n, nil
}

// checkSignIn counts what guesses passwords or sends mails, before credentials are looked at.
func (n *narrowLimits) checkSignIn(c echo.Context, op *operation) error {
	if op.narrow != narrowSignIn || n.signIn.Off() {
		return nil
	}
	address, err := addressOf(c)
	if err != nil {
		return err
	}
	return n.signIn.take(c, op.id+" "+address)
}

// checkNewKeys counts what makes secrets, once the user is known.
func (n *narrowLimits) checkNewKeys(c echo.Context, op *operation, p auth.Principal) error {
	if op.narrow != narrowNewKeys || n.newKeys.Off() {
		return nil
	}
	return n.newKeys.take(c, narrowNewKeys+" user "+p.UserID)
}

// checkStranger refuses to look up a key nobody remembers for an address that has come with too many of nobody's.
func (n *narrowLimits) checkStranger(c echo.Context) error {
	if n.strangers.Off() {
		return nil
	}
	owner, err := strangerOf(c)
	if err != nil {
		return err
	}
	seen, err := n.strangers.Allow(c.Request().Context(), owner, 0)
	if err != nil {
		return fault.Wrap(err, "look at the limit of unknown keys")
	}
	if seen.Remaining > 0 {
		return nil
	}
	seen.RetryAfter = n.strangers.step
	return n.strangers.refuse(c, seen)
}

// countStranger counts a key that turned out to be nobody's.
func (n *narrowLimits) countStranger(c echo.Context) error {
	if n.strangers.Off() {
		return nil
	}
	owner, err := strangerOf(c)
	if err != nil {
		return err
	}
	// Who is over meanwhile hears so the next time; of this one it is known already that nobody has it.
	_, err = n.strangers.Allow(c.Request().Context(), owner, 1)
	return fault.Wrap(err, "count an unknown key")
}

func (l *narrowLimit) take(c echo.Context, owner string) error {
	result, err := l.Allow(c.Request().Context(), owner, 1)
	if err != nil {
		return fault.Wrap(err, "apply the limit "+l.name)
	}
	if result.Allowed {
		return nil
	}
	return l.refuse(c, result)
}

// refuse speaks of this limit in the headers, in place of the wider one that was not reached.
func (l *narrowLimit) refuse(c echo.Context, r ratelimit.Result) error {
	h := c.Response().Header()
	h.Set("RateLimit-Policy", l.policy)
	h.Set("RateLimit", strconv.Quote(l.name)+";r=0;t="+strconv.Itoa(seconds(r.ResetAfter)))
	return fault.New(fault.RateLimited, "Rate limit exceeded").After(max(r.RetryAfter, time.Second))
}

func strangerOf(c echo.Context) (string, error) {
	address, err := addressOf(c)
	return "unknown-keys " + address, err
}

func addressOf(c echo.Context) (string, error) {
	addr, err := netip.ParseAddr(c.RealIP())
	if err != nil {
		return "", errMalformed.Because(err)
	}
	return ratelimit.IPKey(addr), nil
}
