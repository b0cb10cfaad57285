package server

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/oklog/ulid/v2"

	"github.com/eggapi/eggapi/internal/fault"
)

// causeKey is where echo's context holds why an answer is a 5xx.
const causeKey = "cause"

var clientRequestID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// requestID keeps a client's id when it is harmless in a log, else makes one.
func (s *server) requestID(c echo.Context) {
	requestID := c.Request().Header.Get(echo.HeaderXRequestID)
	if requestID == "" || !clientRequestID.MatchString(requestID) {
		requestID = newRequestID(s.Clock())
	}
	c.Response().Header().Set(echo.HeaderXRequestID, requestID)
}

// newRequestID makes what id.New("req_", now) makes, in one allocation, since every request needs one.
func newRequestID(now time.Time) string {
	const prefix = "req_"
	var u ulid.ULID
	// Before the year 10889 there is nothing that can fail, and without random numbers the process ends.
	_ = u.SetTime(ulid.Timestamp(now))
	_, _ = rand.Read(u[6:])
	text := [len(prefix) + ulid.EncodedSize]byte{}
	copy(text[:], prefix)
	_ = u.MarshalTextTo(text[len(prefix):])
	for i, letter := range text {
		if 'A' <= letter && letter <= 'Z' {
			text[i] = letter + 'a' - 'A'
		}
	}
	return string(text[:])
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
var carefulHeaders = []struct {
	name  string
	value []string
}{
	{"X-Content-Type-Options", []string{"nosniff"}},
	{"Referrer-Policy", []string{"no-referrer"}},
	{"Cross-Origin-Opener-Policy", []string{"same-origin"}},
	{"X-Frame-Options", []string{"DENY"}},
}

var noStore = []string{"no-store"}

func setCarefulHeaders(c echo.Context) {
	h := c.Response().Header()
	for i := range carefulHeaders {
		h[carefulHeaders[i].name] = carefulHeaders[i].value
	}
	if path := c.Request().URL.Path; strings.HasPrefix(path, "/v1/") || strings.HasPrefix(path, "/api/") {
		h[echo.HeaderCacheControl] = noStore
	}
}

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
