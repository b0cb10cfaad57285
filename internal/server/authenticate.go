package server

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/fault"
)

var (
	errNoHeader     = fault.New(fault.Unauthorized, "Missing Authorization header")
	errHeaderFormat = fault.New(fault.Unauthorized, "Invalid Authorization format, expected 'Bearer <token>'")
	errNoSession    = fault.New(fault.Unauthorized, "A dashboard session is required")
	errKeyRefused   = fault.New(fault.Unauthorized, "A dashboard session is required; API keys are not accepted here")
	errOrigin       = fault.New(fault.Forbidden, "The request's Origin is not trusted")
)

// authenticate walks the alternatives of op: the first whose every scheme accepts wins. If none
// does, the refusal is that of the first scheme whose credential was present, else of the first scheme.
func (s *server) authenticate(c echo.Context, op *operation) (auth.Principal, error) {
	if op.betterAuth {
		return s.authenticateBetterAuth(c, op)
	}
	if len(op.alternatives) == 0 {
		return auth.Principal{}, nil
	}
	var present, absent error
	for _, alternative := range op.alternatives {
		principal, credential, err := s.tryAll(c, alternative)
		switch {
		case err == nil:
			return principal, nil
		case credential && present == nil:
			present = err
		case absent == nil:
			absent = err
		}
	}
	switch {
	case present != nil:
		return auth.Principal{}, present
	case op.optional:
		return auth.Principal{}, nil
	}
	return auth.Principal{}, absent
}

// tryAll runs every scheme of one alternative. credential tells whether the failing one had something to look at.
func (s *server) tryAll(c echo.Context, schemes []string) (p auth.Principal, credential bool, err error) {
	for _, scheme := range schemes {
		if scheme == schemeKey {
			p, credential, err = s.byKey(c)
		} else {
			p, credential, err = s.bySession(c)
		}
		if err != nil {
			return auth.Principal{}, credential, err
		}
	}
	return p, true, nil
}

func (s *server) byKey(c echo.Context) (auth.Principal, bool, error) {
	values := c.Request().Header.Values(echo.HeaderAuthorization)
	if len(values) == 0 {
		return auth.Principal{}, false, errNoHeader
	}
	scheme, token, found := strings.Cut(values[0], " ")
	if len(values) > 1 || !found || !strings.EqualFold(scheme, "Bearer") || token == "" || strings.ContainsAny(token, " \t") {
		return auth.Principal{}, true, errHeaderFormat
	}
	p, recall, err := s.Keys.Recall(token)
	if recall == auth.RecallFresh {
		return p, true, err
	}
	if recall == auth.RecallNone {
		if err := s.narrow.checkStranger(c); err != nil {
			return auth.Principal{}, true, err
		}
	}
	p, err = s.Keys.Authenticate(c.Request().Context(), token)
	if errors.Is(err, auth.ErrKeyInvalid) {
		if err := s.narrow.countStranger(c); err != nil {
			return auth.Principal{}, true, err
		}
	}
	return p, true, err
}

func (s *server) bySession(c echo.Context) (auth.Principal, bool, error) {
	r := c.Request()
	// A present Authorization header alone decides, so the cookie is not even looked at.
	if len(r.Header.Values(echo.HeaderAuthorization)) > 0 {
		return auth.Principal{}, false, errKeyRefused
	}
	cookie := firstCookie(r, s.Sessions.CookieName())
	if cookie == "" {
		return auth.Principal{}, false, errNoSession
	}
	p, err := s.Sessions.Authenticate(r.Context(), cookie)
	if err != nil {
		return auth.Principal{}, true, err
	}
	if unsafe(r.Method) && !s.trustedOrigin(r) {
		return auth.Principal{}, true, errOrigin
	}
	return p, true, nil
}

func unsafe(method string) bool {
	return method != http.MethodGet && method != http.MethodHead && method != http.MethodOptions
}

// trustedOrigin tells whether a browser sent r from one of our own pages. Without Origin the Referer's
// origin counts; without both, nothing does.
func (s *server) trustedOrigin(r *http.Request) bool {
	origin := requestOrigin(r)
	return origin != "" && slices.Contains(s.TrustedOrigins, origin)
}

// checkBetterAuthOrigin refuses what Better Auth refuses: a cookie without a trusted origin, and any sign that a
// browser sent the request from elsewhere. A client that is no browser and has no cookie may pass.
func (s *server) checkBetterAuthOrigin(r *http.Request) error {
	browser := r.Header.Get("Origin") != "" || r.Header.Get("Referer") != "" || r.Header.Get("Sec-Fetch-Site") != ""
	if !unsafe(r.Method) || (r.Header.Get("Cookie") == "" && !browser) || s.trustedOrigin(r) {
		return nil
	}
	return errOrigin
}

// authenticateBetterAuth is authenticate for Better Auth's own operations, in its order and its words. Those that need no
// session look for one themselves.
func (s *server) authenticateBetterAuth(c echo.Context, op *operation) (auth.Principal, error) {
	r := c.Request()
	if err := s.checkBetterAuthOrigin(r); err != nil {
		return auth.Principal{}, err
	}
	if len(op.alternatives) == 0 || op.optional {
		return auth.Principal{}, nil
	}
	cookie := firstCookie(r, s.Sessions.CookieName())
	// A present Authorization header alone decides, and it is no session.
	if cookie == "" || len(r.Header.Values(echo.HeaderAuthorization)) > 0 {
		return auth.Principal{}, auth.ProblemUnauthorized
	}
	p, err := s.Sessions.Authenticate(r.Context(), cookie)
	switch fault.CodeOf(err) { //nolint:exhaustive // the others are what they are
	case fault.Unauthorized:
		for _, cleared := range s.Sessions.Clearing(cookie) {
			http.SetCookie(c.Response(), toHTTPCookie(cleared))
		}
		return auth.Principal{}, auth.ProblemUnauthorized
	case fault.Forbidden:
		return auth.Principal{}, auth.ProblemBanned
	}
	return p, err
}

func requestOrigin(r *http.Request) string {
	if origin := r.Header.Get("Origin"); origin != "" {
		return origin
	}
	referer := r.Header.Get("Referer")
	scheme, rest, ok := strings.Cut(referer, "://")
	if !ok {
		return ""
	}
	host, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + host
}
