package server

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/eggapi/eggapi/internal/auth"
)

// gates makes the one gate of every operation, keyed as the generated routes want it.
func (s *server) gates() (map[string][]echo.MiddlewareFunc, error) {
	gates := map[string][]echo.MiddlewareFunc{}
	for _, op := range s.contract.operations {
		if _, twice := gates[op.id]; twice {
			return nil, fmt.Errorf("operationId %s is used twice", op.id)
		}
		gates[op.id] = []echo.MiddlewareFunc{s.gate(op)}
	}
	return gates, nil
}

// gate lets a request through to the handler of op, or refuses it. Nothing is read of the
// body before the caller is known.
func (s *server) gate(op *operation) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			// Echo gives a parameter at the end of a path all that is left of it, slashes too.
			if slices.ContainsFunc(c.ParamValues(), func(v string) bool { return strings.Contains(v, "/") }) {
				return echo.ErrNotFound
			}
			if op.bounded && s.crowd.full() {
				return errCrowded
			}
			if err := s.narrow.checkSignIn(c, op); err != nil {
				return err
			}
			principal, err := s.authenticate(c, op)
			if err != nil {
				return err
			}
			if err := authorise(c, op, principal); err != nil {
				return err
			}
			if err := s.limitPrincipal(c, op, principal); err != nil {
				return err
			}
			if err := s.validate(c, op); err != nil {
				return err
			}
			if op.bounded {
				if !s.crowd.enter() {
					return errCrowded
				}
				defer s.crowd.leave()
			}
			s.install(c, op, principal)
			if s.Between != nil {
				if err := s.Between(op.id, c.Request()); err != nil {
					return err
				}
			}
			if err := next(c); err != nil || c.Response().Committed {
				return err
			}
			// A handler's (nil, nil) would go out as an empty 200.
			return fmt.Errorf("operation %s gave neither an answer nor an error", op.id)
		}
	}
}

// install puts what handlers may know of the caller into the context, and arranges for their cookies to be sent.
func (s *server) install(c echo.Context, op *operation, p auth.Principal) {
	r := c.Request()
	caller := auth.Caller{IPAddress: c.RealIP(), UserAgent: r.UserAgent()}
	if op.betterAuth {
		caller.SessionCookie = firstCookie(r, s.Sessions.CookieName())
		caller.DontRemember = s.Sessions.DontRemembers(firstCookie(r, s.Sessions.DontRememberName()))
	}
	ctx := auth.WithCall(r.Context(), p, caller)
	if op.betterAuth {
		var cookies *auth.Cookies
		ctx, cookies = auth.WithCookies(ctx)
		c.Response().Before(func() {
			for _, cookie := range cookies.List() {
				http.SetCookie(c.Response(), toHTTPCookie(cookie))
			}
		})
	}
	c.SetRequest(r.WithContext(ctx))
}

func firstCookie(r *http.Request, name string) string {
	cookie, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return cookie.Value
}

func toHTTPCookie(c auth.Cookie) *http.Cookie {
	h := &http.Cookie{ //nolint:gosec // Secure follows the public URL; the others are set
		Name: c.Name, Value: c.Value, Path: "/", Secure: c.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	if c.MaxAgeSeconds != nil {
		h.MaxAge = *c.MaxAgeSeconds
		if h.MaxAge == 0 {
			h.MaxAge = -1 // net/http's way to write Max-Age=0
		}
	}
	return h
}
