package provider

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// How long a route rests after a 429.
const (
	restDefault = 30 * time.Second
	restDaily   = time.Hour // asked again hourly until the day's quota is back
	restMax     = 24 * time.Hour
)

// geminiError is google.rpc.Status as JSON, with the details we read.
type geminiError struct {
	Error struct {
		Status  string         `json:"status"`
		Message string         `json:"message"`
		Details []geminiDetail `json:"details"`
	} `json:"error"`
}

type geminiDetail struct {
	Reason     string `json:"reason"`     // ErrorInfo
	RetryDelay string `json:"retryDelay"` // RetryInfo, such as "22s"
	Violations []struct {
		QuotaID    string `json:"quotaId"`
		QuotaValue string `json:"quotaValue"`
	} `json:"violations"` // QuotaFailure
}

// geminiFailure classifies an answer other than 200.
func geminiFailure(answer reply) *Error {
	var body geminiError
	// A page of a proxy in between is no JSON; the status alone decides then.
	_ = json.Unmarshal(answer.body, &body)
	e := &Error{
		Class:      Fallback,
		HTTPStatus: answer.status,
		Code:       clean(body.Error.Status, maxNameRunes),
		Msg:        body.Error.Message,
		RetryAfter: body.retryAfter(answer.header),
	}
	if e.Code == "" {
		e.Code = "http_" + strconv.Itoa(answer.status)
	}
	switch {
	case answer.status == http.StatusTooManyRequests:
		body.classifyQuota(e)
	case answer.status == http.StatusBadRequest:
		e.Class = body.badRequestClass()
	case answer.status == http.StatusForbidden && body.hasReason("BILLING_DISABLED"):
		e.Class = RouteBilling
	case answer.status == http.StatusUnauthorized, answer.status == http.StatusForbidden:
		e.Class = RouteAuth
	case answer.status == http.StatusPaymentRequired:
		e.Class = RouteBilling
	case answer.status == http.StatusNotFound:
		e.Class = RouteModel
	case answer.status == http.StatusRequestEntityTooLarge:
		e.Class = UserInvalid
	case answer.status >= http.StatusInternalServerError:
		e.Class = RetrySame
	}
	return e
}

// badRequestClass tells our faults from the customer's. A refused key is a 400 here, not a 401.
func (b *geminiError) badRequestClass() Class {
	if b.hasReason("API_KEY_INVALID") || strings.Contains(b.Error.Message, "API key") {
		return RouteAuth
	}
	if b.Error.Status == "FAILED_PRECONDITION" {
		return RouteBilling
	}
	return UserInvalid
}

// limitZero is a quota of nothing at all: waiting does not help.
var limitZero = regexp.MustCompile(`limit: 0(?:[^.0-9]|\.?$|\.[^0-9])`)

// classifyQuota sets class and rest for a 429. A short rest is worth waiting for on the same route.
func (b *geminiError) classifyQuota(e *Error) {
	if b.unpaid() {
		e.Class, e.RetryAfter = RouteBilling, 0
		return
	}
	e.Class = RateLimited
	if b.daily() {
		e.RetryAfter = max(e.RetryAfter, restDaily)
		return
	}
	if e.RetryAfter == 0 {
		e.RetryAfter = restDefault
	}
	if e.RetryAfter <= longestSameWait {
		e.Class = RetrySame
	}
}

// unpaid says whether the quota is gone for want of money rather than for speed.
func (b *geminiError) unpaid() bool {
	message := strings.ToLower(b.Error.Message)
	for _, sign := range []string{"prepay", "prepaid", "depleted", "spend cap", "spending cap"} {
		if strings.Contains(message, sign) {
			return true
		}
	}
	if limitZero.MatchString(message) {
		return true
	}
	for _, d := range b.Error.Details {
		for _, v := range d.Violations {
			if v.QuotaValue == "0" {
				return true
			}
		}
	}
	return false
}

func (b *geminiError) daily() bool {
	for _, d := range b.Error.Details {
		for _, v := range d.Violations {
			if strings.Contains(v.QuotaID, "PerDay") {
				return true
			}
		}
	}
	return false
}

func (b *geminiError) hasReason(reason string) bool {
	for _, d := range b.Error.Details {
		if d.Reason == reason {
			return true
		}
	}
	return false
}

// retryAfter gives the wait asked for in the body's RetryInfo, else in the Retry-After header (in
// seconds), else 0. Nonsense counts as not said; a day is the most.
func (b *geminiError) retryAfter(header http.Header) time.Duration {
	for _, d := range b.Error.Details {
		if wait, err := time.ParseDuration(d.RetryDelay); err == nil && wait > 0 {
			return min(wait, restMax)
		}
	}
	seconds, err := strconv.ParseUint(header.Get("Retry-After"), 10, 31)
	if err != nil {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, restMax)
}
