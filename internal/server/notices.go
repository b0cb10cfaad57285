package server

import (
	"fmt"
	"net/http"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"
)

// notice is a header that tells of an operation's end.
type notice struct {
	name, value string
}

// readNotices turns the marks of a deprecated operation into headers: x-deprecated-at into Deprecation (RFC 9745),
// x-sunset into Sunset (RFC 8594), x-deprecation-link into Link with the relations of both. It fails when an
// operation is deprecated without both dates, or has a date without being deprecated.
func readNotices(op *openapi3.Operation) ([]notice, error) {
	since, sinceMarked := op.Extensions["x-deprecated-at"].(string)
	sunset, sunsetMarked := op.Extensions["x-sunset"].(string)
	if op.Deprecated != (sinceMarked && sunsetMarked) || sinceMarked != sunsetMarked {
		return nil, fmt.Errorf("deprecated, x-deprecated-at and x-sunset go together")
	}
	if !op.Deprecated {
		return nil, nil
	}
	begins, err := time.Parse(time.DateOnly, since)
	if err != nil {
		return nil, fmt.Errorf("x-deprecated-at is not a date: %w", err)
	}
	ends, err := time.Parse(time.DateOnly, sunset)
	if err != nil {
		return nil, fmt.Errorf("x-sunset is not a date: %w", err)
	}
	if ends.Before(begins) {
		return nil, fmt.Errorf("x-sunset is before x-deprecated-at")
	}
	notices := []notice{
		{"Deprecation", fmt.Sprintf("@%d", begins.Unix())},
		{"Sunset", ends.UTC().Format(http.TimeFormat)},
	}
	if link, ok := op.Extensions["x-deprecation-link"].(string); ok {
		notices = append(notices, notice{"Link", fmt.Sprintf(`<%s>; rel="deprecation", <%s>; rel="sunset"`, link, link)})
	}
	return notices, nil
}

// announce tells of the end of the operation that is asked for, and gives the operation: nil when there is none.
func (s *server) announce(c echo.Context) *operation {
	op := s.operationOf(c)
	if op == nil {
		return nil
	}
	for _, n := range op.notices {
		c.Response().Header().Set(n.name, n.value)
	}
	return op
}
