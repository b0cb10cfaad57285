package provider

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"
)

// Class says what kind of failure happened, and so what may be done next. The list is closed.
type Class string

// The closed list of classes.
const (
	RetrySame    Class = "retry_same"    // passing trouble: once more on the same route, then the next
	Fallback     Class = "fallback"      // this route cannot: the next one may
	RateLimited  Class = "rate_limited"  // the route needs rest for RetryAfter
	NoImage      Class = "no_image"      // the model answered without a picture
	UserContent  Class = "user_content"  // content block: final, never tried elsewhere
	UserInvalid  Class = "user_invalid"  // the request itself is refused: final
	RouteAuth    Class = "route_auth"    // our key is refused
	RouteBilling Class = "route_billing" // our account cannot pay
	RouteModel   Class = "route_model"   // the upstream model is gone
	Ambiguous    Class = "ambiguous"     // sent, but no usable answer: may have been made and billed
	Canceled     Class = "canceled"      // we gave up waiting on purpose
)

// Classes lists every class.
func Classes() []Class {
	return []Class{
		RetrySame, Fallback, RateLimited, NoImage, UserContent, UserInvalid,
		RouteAuth, RouteBilling, RouteModel, Ambiguous, Canceled,
	}
}

// String gives the stored spelling, such as "retry_same".
func (c Class) String() string { return string(c) }

// Final says whether the request itself is at fault, so that no other try can help.
func (c Class) Final() bool { return c == UserContent || c == UserInvalid }

// Error is a classified failure of an upstream. Its text is private: for logs, not for customers.
type Error struct {
	Class        Class
	HTTPStatus   int           // 0 when no answer arrived
	Code         string        // the upstream's code, or ours in snake_case
	Msg          string        // private, shortened, without key or prompt
	RetryAfter   time.Duration // 0 when the upstream did not say
	MaybeCharged bool          // the upstream may bill us although we got nothing
	Err          error         // private cause
}

// Error gives the private text.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("provider: ")
	b.WriteString(e.Class.String())
	if e.HTTPStatus != 0 {
		b.WriteString(", http ")
		b.WriteString(strconv.Itoa(e.HTTPStatus))
	}
	if e.Code != "" {
		b.WriteString(", ")
		b.WriteString(e.Code)
	}
	if e.Msg != "" {
		b.WriteString(": ")
		b.WriteString(e.Msg)
	}
	if e.Err != nil {
		b.WriteString(": ")
		b.WriteString(e.Err.Error())
	}
	return b.String()
}

// Unwrap gives the private cause, or nil.
func (e *Error) Unwrap() error { return e.Err }

// ClassOf gives the class inside err and the wait the upstream asked for. A passed deadline is
// Ambiguous, since the request may have arrived; an error of unknown make is Fallback. For nil it
// gives the empty class.
func ClassOf(err error) (Class, time.Duration) {
	if err == nil {
		return "", 0
	}
	var e *Error
	switch {
	case errors.As(err, &e) && e.Class != "":
		return e.Class, e.RetryAfter
	case errors.Is(err, context.DeadlineExceeded):
		return Ambiguous, 0
	case errors.Is(err, context.Canceled):
		return Canceled, 0
	default:
		return Fallback, 0
	}
}
