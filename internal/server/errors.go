package server

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/fault"
)

// answer is how a code goes out.
type answer struct {
	status     int
	betterAuth string        // the code Better Auth's clients know it by
	retryAfter time.Duration // when the refusal names none
}

// answers is the one table from codes to HTTP.
var answers = map[fault.Code]answer{
	fault.BadRequest:           {status: http.StatusBadRequest, betterAuth: "BAD_REQUEST"},
	fault.ValidationError:      {status: http.StatusBadRequest, betterAuth: "VALIDATION_ERROR"},
	fault.Unauthorized:         {status: http.StatusUnauthorized, betterAuth: "UNAUTHORIZED"},
	fault.Forbidden:            {status: http.StatusForbidden, betterAuth: "INVALID_ORIGIN"},
	fault.InsufficientBalance:  {status: http.StatusForbidden, betterAuth: "FORBIDDEN"},
	fault.NotFound:             {status: http.StatusNotFound, betterAuth: "NOT_FOUND"},
	fault.MethodNotAllowed:     {status: http.StatusMethodNotAllowed, betterAuth: "METHOD_NOT_ALLOWED"},
	fault.Conflict:             {status: http.StatusConflict, betterAuth: "CONFLICT"},
	fault.PayloadTooLarge:      {status: http.StatusRequestEntityTooLarge, betterAuth: "PAYLOAD_TOO_LARGE"},
	fault.UnsupportedMediaType: {status: http.StatusUnsupportedMediaType, betterAuth: "UNSUPPORTED_MEDIA_TYPE"},
	fault.IdempotencyMismatch:  {status: http.StatusUnprocessableEntity, betterAuth: "UNPROCESSABLE_ENTITY"},
	fault.RateLimited:          {status: http.StatusTooManyRequests, betterAuth: "TOO_MANY_REQUESTS", retryAfter: time.Second},
	fault.QuotaExceeded:        {status: http.StatusTooManyRequests, betterAuth: "TOO_MANY_REQUESTS", retryAfter: time.Second},
	fault.Internal:             {status: http.StatusInternalServerError, betterAuth: "INTERNAL_SERVER_ERROR"},
	fault.UpstreamError:        {status: http.StatusBadGateway, betterAuth: "BAD_GATEWAY"},
	fault.ServiceUnavailable:   {status: http.StatusServiceUnavailable, betterAuth: "SERVICE_UNAVAILABLE", retryAfter: time.Second},
}

type errorBody struct {
	Code      fault.Code   `json:"code"`
	Message   string       `json:"message"`
	RequestID string       `json:"request_id,omitempty"`
	Fields    []errorField `json:"fields,omitempty"`
	Quota     *errorQuota  `json:"quota,omitempty"`
}

type errorQuota struct {
	Name      string     `json:"name"`
	Limit     string     `json:"limit"`
	Remaining string     `json:"remaining"`
	ResetsAt  *time.Time `json:"resets_at,omitempty"`
}

type errorField struct {
	In      string `json:"in"`
	Name    string `json:"name"`
	Rule    string `json:"rule"`
	Message string `json:"message"`
}

type envelope struct {
	Data  any `json:"data"`
	Error any `json:"error"`
}

// answerProblem writes a refusal that is Better Auth's own.
func answerProblem(p *auth.Problem, c echo.Context) {
	// The client may be gone; there is nobody left to tell.
	_ = c.JSON(p.Status, map[string]string{"message": p.Message, "code": p.Code})
}

// answerError is where every error of the house ends, from an unknown path to a panic.
func (s *server) answerError(err error, c echo.Context) {
	if problem := new(auth.Problem); errors.As(err, &problem) && !c.Response().Committed {
		answerProblem(problem, c)
		return
	}
	refusal := s.toFault(err)
	row := answers[refusal.Code]
	if row.status >= http.StatusInternalServerError {
		c.Set(causeKey, err)
	}
	if c.Response().Committed {
		return
	}
	h := c.Response().Header()
	if wait := max(refusal.RetryAfter, row.retryAfter); wait > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	}
	if refusal.Code == fault.Unauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	h.Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
	h.Set(echo.HeaderCacheControl, "no-store")
	c.Response().WriteHeader(row.status)
	if c.Request().Method == http.MethodHead {
		return
	}
	// The client may be gone; there is nobody left to tell.
	_ = json.NewEncoder(c.Response()).Encode(s.errorBody(c, refusal, row))
}

func (s *server) errorBody(c echo.Context, refusal *fault.Error, row answer) any {
	if op := s.operationOf(c); op != nil && op.betterAuth {
		return map[string]string{"message": refusal.Message, "code": row.betterAuth}
	}
	body := errorBody{Code: refusal.Code, Message: refusal.Message, RequestID: c.Response().Header().Get(echo.HeaderXRequestID)}
	for _, f := range refusal.Fields {
		body.Fields = append(body.Fields, errorField(f))
	}
	if q := refusal.Quota; q != nil {
		body.Quota = &errorQuota{Name: q.Name, Limit: q.Limit, Remaining: q.Remaining, ResetsAt: q.ResetsAt}
	}
	return envelope{Error: body}
}

// toFault finds the refusal in err. What carries none is INTERNAL_ERROR with a text that says nothing.
func (s *server) toFault(err error) *fault.Error {
	err = s.Translate(err)
	if refusal, ok := fault.As(err); ok {
		return refusal
	}
	var http *echo.HTTPError
	if errors.As(err, &http) {
		return fromEcho(http)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fault.New(fault.ServiceUnavailable, "the service is temporarily unavailable").Because(err)
	}
	return fault.New(fault.Internal, "internal error").Because(err)
}

// fromEcho keeps the status of echo's error and drops its text, which speaks of Go.
func fromEcho(e *echo.HTTPError) *fault.Error {
	switch e.Code {
	case http.StatusNotFound:
		return fault.New(fault.NotFound, "Not found")
	case http.StatusMethodNotAllowed:
		return fault.New(fault.MethodNotAllowed, "Method not allowed")
	case http.StatusRequestEntityTooLarge:
		return errTooLarge
	case http.StatusUnsupportedMediaType:
		return errMediaType
	}
	if e.Code >= http.StatusBadRequest && e.Code < http.StatusInternalServerError {
		return errMalformed.Because(e)
	}
	return fault.New(fault.Internal, "internal error").Because(e)
}
