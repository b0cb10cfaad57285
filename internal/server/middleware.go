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

// causeKey is where echo's context holds why an answer is a 5xx.
const causeKey = "cause"

var clientRequestID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// requestID keeps a client's id when it is harmless in a log, else makes one.
func (s *server) requestID(c echo.Context) {
	requestID := c.Request().Header.Get(echo.HeaderXRequestID)
	if !clientRequestID.MatchString(requestID) {
		requestID = id.New("req_", s.Clock())
	}
	c.Response().Header().Set(echo.HeaderXRequestID, requestID)
}

// operationOf finds out what is asked for. It gives nil for what the contract does not declare.
func (s *server) operationOf(c echo.Context) *operation {
	return s.contract.byRoute[route{c.Request().Method, c.Path()}]
}

// recover turns a panic into INTERNAL_ERROR. After the first byte the connection is cut, so
// that nobody takes half an answer for a whole one.
func (s *server) recover(c echo.Context, err *error) {
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
	*err = fault.New(fault.Internal, "internal error")
}

// carefulHeaders are on every answer. Their names are canonical and their values shared, so that adding them costs
// little; nobody may write into a value.
var carefulHeaders = http.Header{
	"X-Content-Type-Options":     {"nosniff"},
	"Referrer-Policy":            {"no-referrer"},
	"Cross-Origin-Opener-Policy": {"same-origin"},
	"X-Frame-Options":            {"DENY"},
}

var noStore = []string{"no-store"}

func setCarefulHeaders(c echo.Context) {
	h := c.Response().Header()
	maps.Copy(h, carefulHeaders)
	if path := c.Request().URL.Path; strings.HasPrefix(path, "/v1/") || strings.HasPrefix(path, "/api/") {
		h[echo.HeaderCacheControl] = noStore
	}
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
	return applyLimit(c, ipPolicy, result)
}

// The names of the limits, as the RateLimit headers quote them.
const (
	ipPolicy  = `"ip"`
	keyPolicy = `"key"`
)

// applyLimit writes the RateLimit headers of draft-ietf-httpapi-ratelimit-headers and refuses what is over.
func applyLimit(c echo.Context, policy string, r ratelimit.Result) error {
	if r.Off {
		return nil
	}
	h := c.Response().Header()
	h.Set("RateLimit-Policy", policy+";q="+strconv.Itoa(r.Limit)+";w=1")
	h.Set("RateLimit", policy+";r="+strconv.Itoa(r.Remaining)+";t="+strconv.Itoa(seconds(r.ResetAfter)))
	if r.Allowed {
		return nil
	}
	return fault.New(fault.RateLimited, "Rate limit exceeded").After(max(r.RetryAfter, time.Second))
}

func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// limitBody caps the body and refuses encodings that would have to be unpacked.
func (s *server) limitBody(c echo.Context) error {
	r := c.Request()
	if encoding := r.Header.Get(echo.HeaderContentEncoding); encoding != "" && encoding != "identity" {
		return errEncoding
	}
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = http.MaxBytesReader(c.Response(), r.Body, s.BodyLimitBytes)
	}
	return nil
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
