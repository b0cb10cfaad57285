package server

import (
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/id"
	"github.com/eggapi/eggapi/internal/ratelimit"
)

// Keys of the request's context.
const (
	operationKey = "operation"
	causeKey     = "cause"
)

var clientRequestID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// requestID keeps a client's id when it is harmless in a log, else makes one.
func (s *server) requestID(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		requestID := c.Request().Header.Get(echo.HeaderXRequestID)
		if !clientRequestID.MatchString(requestID) {
			requestID = id.New("req_", s.Clock())
		}
		c.Response().Header().Set(echo.HeaderXRequestID, requestID)
		return next(c)
	}
}

// nameOperation finds out what is asked for, so that every refusal has the operation's format and tells of its end.
func (s *server) nameOperation(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if op, ok := s.contract.byRoute[route{c.Request().Method, c.Path()}]; ok {
			c.Set(operationKey, op)
			announce(c, op)
		}
		return next(c)
	}
}

// recover turns a panic into INTERNAL_ERROR. After the first byte the connection is cut, so
// that nobody takes half an answer for a whole one.
func (s *server) recover(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			// The panic's value may hold a secret; its type and the stack are enough to find it.
			s.Logger.ErrorContext(c.Request().Context(), "a handler panicked", "request_id", requestIDOf(c),
				"panic_type", fmt.Sprintf("%T", cause), "stack", string(debug.Stack()))
			if c.Response().Committed {
				panic(http.ErrAbortHandler)
			}
			err = fault.New(fault.Internal, "internal error")
		}()
		return next(c)
	}
}

// carefulHeaders are on every answer. Their names are canonical and their values shared, so that adding them costs little.
var carefulHeaders = http.Header{
	"X-Content-Type-Options":     {"nosniff"},
	"Referrer-Policy":            {"no-referrer"},
	"Cross-Origin-Opener-Policy": {"same-origin"},
	"X-Frame-Options":            {"DENY"},
}

func (s *server) securityHeaders(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		maps.Copy(h, carefulHeaders)
		if path := c.Request().URL.Path; strings.HasPrefix(path, "/v1/") || strings.HasPrefix(path, "/api/") {
			h.Set(echo.HeaderCacheControl, "no-store")
		}
		return next(c)
	}
}

func (s *server) limitAddress(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if op, ok := c.Get(operationKey).(*operation); ok && op.noIPLimit {
			return next(c)
		}
		addr, err := netip.ParseAddr(c.RealIP())
		if err != nil {
			return errMalformed.Because(err)
		}
		result, err := s.ipLimit.Allow(c.Request().Context(), ratelimit.IPKey(addr), 1)
		if err != nil {
			return fault.Wrap(err, "apply the limit per address")
		}
		if err := applyLimit(c, "ip", result); err != nil {
			return err
		}
		return next(c)
	}
}

// applyLimit writes the RateLimit headers of draft-ietf-httpapi-ratelimit-headers and refuses what is over.
func applyLimit(c echo.Context, policy string, r ratelimit.Result) error {
	if r.Off {
		return nil
	}
	h := c.Response().Header()
	h.Set("RateLimit-Policy", fmt.Sprintf("%q;q=%d;w=1", policy, r.Limit))
	h.Set("RateLimit", fmt.Sprintf("%q;r=%d;t=%s", policy, r.Remaining, strconv.Itoa(seconds(r.ResetAfter))))
	if r.Allowed {
		return nil
	}
	return fault.New(fault.RateLimited, "Rate limit exceeded").After(max(r.RetryAfter, time.Second))
}

func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// limitBody caps the body and refuses encodings that would have to be unpacked.
func (s *server) limitBody(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if encoding := r.Header.Get(echo.HeaderContentEncoding); encoding != "" && encoding != "identity" {
			return errEncoding
		}
		if r.Body != nil {
			r.Body = http.MaxBytesReader(c.Response(), r.Body, s.BodyLimitBytes)
		}
		return next(c)
	}
}

// ipExtractor believes X-Forwarded-For only from the named networks, and reads it from the right.
func ipExtractor(trusted []netip.Prefix) echo.IPExtractor {
	if len(trusted) == 0 {
		return echo.ExtractIPDirect()
	}
	options := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, p := range trusted {
		options = append(options, echo.TrustIPRange(toIPNet(p)))
	}
	return echo.ExtractIPFromXFFHeader(options...)
}

func requestIDOf(c echo.Context) string { return c.Response().Header().Get(echo.HeaderXRequestID) }
