package lint

import (
	"net/http"
	"slices"
	"strings"

	"github.com/eggapi/eggapi/tools/contract/source"
)

var errorRules = []Rule{
	{"error-codes", "A client can handle every refusal only when the operation lists all codes each status can carry.", eachOperation(errorCodes)},
	{"error-status", "A code means one status everywhere, so that clients may go by either.", eachOperation(errorStatus)},
	{"error-example", "Each code is shown once as it looks on the wire.", eachOperation(errorExample)},
	{"error-body", "All refusals have one shape, so that clients read them with one piece of code.", eachOperation(errorBody)},
}

// Statuses is the status that each error code goes out with, as in internal/server/errors.go.
var Statuses = map[string]int{
	"BAD_REQUEST":            http.StatusBadRequest,
	"VALIDATION_ERROR":       http.StatusBadRequest,
	"UNAUTHORIZED":           http.StatusUnauthorized,
	"FORBIDDEN":              http.StatusForbidden,
	"INSUFFICIENT_BALANCE":   http.StatusForbidden,
	"NOT_FOUND":              http.StatusNotFound,
	"METHOD_NOT_ALLOWED":     http.StatusMethodNotAllowed,
	"CONFLICT":               http.StatusConflict,
	"PAYLOAD_TOO_LARGE":      http.StatusRequestEntityTooLarge,
	"UNSUPPORTED_MEDIA_TYPE": http.StatusUnsupportedMediaType,
	"IDEMPOTENCY_MISMATCH":   http.StatusUnprocessableEntity,
	"RATE_LIMITED":           http.StatusTooManyRequests,
	"QUOTA_EXCEEDED":         http.StatusTooManyRequests,
	"INTERNAL_ERROR":         http.StatusInternalServerError,
	"UPSTREAM_ERROR":         http.StatusBadGateway,
	"SERVICE_UNAVAILABLE":    http.StatusServiceUnavailable,
}

// AuthStatuses is the same for Better Auth's names: the other column of internal/server/errors.go, and what
// internal/auth/problem.go adds.
var AuthStatuses = map[string]int{
	"BAD_REQUEST":                           http.StatusBadRequest,
	"VALIDATION_ERROR":                      http.StatusBadRequest,
	"INVALID_EMAIL":                         http.StatusBadRequest,
	"EMAIL_CAN_NOT_BE_UPDATED":              http.StatusBadRequest,
	"NO_FIELDS_TO_UPDATE":                   http.StatusBadRequest,
	"EMAIL_IS_THE_SAME":                     http.StatusBadRequest,
	"EMAIL_MISMATCH":                        http.StatusBadRequest,
	"EMAIL_ALREADY_VERIFIED":                http.StatusBadRequest,
	"INVALID_PASSWORD":                      http.StatusBadRequest,
	"CREDENTIAL_ACCOUNT_NOT_FOUND":          http.StatusBadRequest,
	"SESSION_EXPIRED":                       http.StatusBadRequest,
	"TASKS_UNDER_WAY":                       http.StatusBadRequest,
	"INVALID_TOKEN":                         http.StatusBadRequest,
	"TOKEN_EXPIRED":                         http.StatusUnauthorized,
	"USER_NOT_FOUND":                        http.StatusUnauthorized,
	"INVALID_USER":                          http.StatusUnauthorized,
	"SESSION_NOT_FRESH":                     http.StatusForbidden,
	"INVALID_CALLBACK_URL":                  http.StatusForbidden,
	"INVALID_REDIRECT_URL":                  http.StatusForbidden,
	"PASSWORD_TOO_SHORT":                    http.StatusBadRequest,
	"PASSWORD_TOO_LONG":                     http.StatusBadRequest,
	"UNAUTHORIZED":                          http.StatusUnauthorized,
	"INVALID_EMAIL_OR_PASSWORD":             http.StatusUnauthorized,
	"INVALID_ORIGIN":                        http.StatusForbidden,
	"BANNED_USER":                           http.StatusForbidden,
	"FORBIDDEN":                             http.StatusForbidden,
	"NOT_FOUND":                             http.StatusNotFound,
	"METHOD_NOT_ALLOWED":                    http.StatusMethodNotAllowed,
	"CONFLICT":                              http.StatusConflict,
	"PAYLOAD_TOO_LARGE":                     http.StatusRequestEntityTooLarge,
	"UNSUPPORTED_MEDIA_TYPE":                http.StatusUnsupportedMediaType,
	"UNPROCESSABLE_ENTITY":                  http.StatusUnprocessableEntity,
	"USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL": http.StatusUnprocessableEntity,
	"TOO_MANY_REQUESTS":                     http.StatusTooManyRequests,
	"INTERNAL_SERVER_ERROR":                 http.StatusInternalServerError,
	"BAD_GATEWAY":                           http.StatusBadGateway,
	"SERVICE_UNAVAILABLE":                   http.StatusServiceUnavailable,
}

// OtherStatuses are those that Better Auth's names go out with elsewhere: a token is refused with another status by each
// operation that takes one.
var OtherStatuses = map[string][]int{"INVALID_TOKEN": {http.StatusUnauthorized, http.StatusNotFound}}

// shape is what a refusal of an operation is made of.
type shape struct {
	schema   string          // of the body
	list     string          // the schema that lists the codes
	codes    map[string]bool // what it lists
	statuses map[string]int
	code     []string // where the code is in the body
}

func (c *Contract) shape(op *Operation) shape {
	if op.BetterAuth {
		return shape{"AuthError", "AuthErrorCode", c.authCodes, AuthStatuses, []string{"code"}}
	}
	return shape{"ErrorEnvelope", "ErrorCode", c.codes, Statuses, []string{"error", "code"}}
}

func errorCodes(c *Contract, op *Operation) []Finding {
	var all []Finding
	want := c.shape(op)
	for _, r := range op.Refusals() {
		codes := r.Node.Get("x-error-codes")
		if len(codes.Items()) == 0 {
			all = append(all, found(r.Node.Place(), "%s lists no codes; add x-error-codes with every code it can carry", describe(r)))
		}
		for i, code := range codes.Items() {
			switch {
			case !want.codes[code.Text()]:
				all = append(all, found(code.Place(), "%s is not in the list of %s; add it there, or correct it here", code.Text(), want.list))
			case slices.Contains(codes.Texts()[:i], code.Text()):
				all = append(all, found(code.Place(), "%s is listed twice; list it once", code.Text()))
			}
		}
	}
	return all
}

func errorStatus(c *Contract, op *Operation) []Finding {
	var all []Finding
	want := c.shape(op)
	for _, r := range op.Refusals() {
		for _, code := range r.Node.Get("x-error-codes").Texts() {
			status, known := want.statuses[code]
			switch {
			case !known && want.codes[code]:
				all = append(all, found(r.Node.Use(), "%s has no status in tools/contract/lint/errors.go; add it there as the server has it", code))
			case known && status != r.Status && !(op.BetterAuth && slices.Contains(OtherStatuses[code], r.Status)):
				all = append(all, found(r.Node.Use(), "%s: %s goes out with %d, not with %d; move it to that status", op.title(), code, status, r.Status))
			}
		}
	}
	return all
}

func errorExample(c *Contract, op *Operation) []Finding {
	var all []Finding
	want := c.shape(op)
	for _, r := range op.Refusals() {
		for _, media := range r.Node.Get("content").Members() {
			all = append(all, checkExamples(media, r.Node.Get("x-error-codes").Texts(), want.code)...)
		}
	}
	return all
}

// checkExamples: one example for each code, named by it, that carries it.
func checkExamples(media source.Node, codes, path []string) []Finding {
	var all []Finding
	shown := map[string]bool{}
	for _, e := range Examples(media) {
		shown[e.Name] = true
		code := e.Value.Down(path...)
		at := e.Value.Place()
		if !code.IsZero() {
			at = code.Place()
		}
		switch {
		case !slices.Contains(codes, code.Text()):
			all = append(all, found(at, "the example's %s is %q, which is not in x-error-codes; list it, or correct the example", strings.Join(path, "."), code.Text()))
		case e.Name != code.Text():
			all = append(all, found(at, "the example %q carries %s; name it by the code it carries", e.Name, code.Text()))
		}
	}
	for _, code := range codes {
		if !shown[code] {
			all = append(all, found(media.Place(), "no example shows %s; add one under this name", code))
		}
	}
	return all
}

func errorBody(c *Contract, op *Operation) []Finding {
	var all []Finding
	want := c.shape(op)
	for _, r := range op.Refusals() {
		body := r.Node.Down("content", "application/json", "schema")
		if body.Part != want.schema {
			all = append(all, found(r.Node.Place(), "%s is not answered with %s as application/json; refer to that schema", describe(r), want.schema))
		}
	}
	return all
}

// describe names a response without naming the operation: several may share it.
func describe(r Response) string {
	if r.Node.Part != "" {
		return "the response " + r.Node.Part
	}
	return "the status " + r.Node.Name
}
