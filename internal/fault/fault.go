// Package fault is the vocabulary of refusals.
//
// Owns: the closed list of error codes and the error that carries one.
// Does not own: HTTP statuses and headers (internal/server has the one table).
// May touch: nothing; standard library only.
// Always true: Message and Fields are fit for a stranger's eyes; the cause never leaves the process.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Code names one kind of refusal. The list is closed and equals the ErrorCode enum of the contract.
type Code string

// The closed list of codes.
const (
	BadRequest           Code = "BAD_REQUEST"
	ValidationError      Code = "VALIDATION_ERROR"
	Unauthorized         Code = "UNAUTHORIZED"
	Forbidden            Code = "FORBIDDEN"
	InsufficientBalance  Code = "INSUFFICIENT_BALANCE"
	NotFound             Code = "NOT_FOUND"
	MethodNotAllowed     Code = "METHOD_NOT_ALLOWED"
	Conflict             Code = "CONFLICT"
	PayloadTooLarge      Code = "PAYLOAD_TOO_LARGE"
	UnsupportedMediaType Code = "UNSUPPORTED_MEDIA_TYPE"
	IdempotencyMismatch  Code = "IDEMPOTENCY_MISMATCH"
	RateLimited          Code = "RATE_LIMITED"
	QuotaExceeded        Code = "QUOTA_EXCEEDED"
	Internal             Code = "INTERNAL_ERROR"
	UpstreamError        Code = "UPSTREAM_ERROR"
	ServiceUnavailable   Code = "SERVICE_UNAVAILABLE"
)

// Codes lists every code, in the order of the contract's enum.
func Codes() []Code {
	return []Code{
		BadRequest, ValidationError, Unauthorized, Forbidden, InsufficientBalance,
		NotFound, MethodNotAllowed, Conflict, PayloadTooLarge, UnsupportedMediaType,
		IdempotencyMismatch, RateLimited, QuotaExceeded, Internal, UpstreamError, ServiceUnavailable,
	}
}

// Field says what is wrong with one part of a request. It never holds the caller's value.
type Field struct {
	In      string // body, query, path or header
	Name    string // dotted path inside In, such as image_urls[2]
	Rule    string // the broken rule, such as maxLength
	Message string
}

// Quota is a limit of an API key that is used up.
type Quota struct {
	Name      string     // spend, running_tasks or requests_per_day
	Limit     string     // the limit, as people read it
	Remaining string     // what is left of it
	ResetsAt  *time.Time // when all of it is there again; nil when no clock decides that
}

// Error is a refusal a client may read.
type Error struct {
	Code       Code
	Message    string        // public
	Fields     []Field       // public
	Quota      *Quota        // public; nil = none
	RetryAfter time.Duration // 0 when retrying by the clock makes no sense
	cause      error         // private: goes to the log only
}

// New returns a refusal with a public message. The message must not hold the caller's values.
func New(code Code, message string) *Error {
	return &Error{Code: code, Message: message}
}

// Because returns a copy of e that remembers a private cause.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// After returns a copy of e that asks the client to wait d before it tries again.
func (e *Error) After(d time.Duration) *Error {
	c := *e
	c.RetryAfter = d
	return &c
}

// WithFields returns a copy of e that lists what is wrong.
func (e *Error) WithFields(fields ...Field) *Error {
	c := *e
	c.Fields = fields
	return &c
}

// WithQuota returns a copy of e that says which limit is used up.
func (e *Error) WithQuota(q Quota) *Error {
	c := *e
	c.Quota = &q
	return &c
}

// Error gives the private text, for logs.
func (e *Error) Error() string {
	if e.cause == nil {
		return fmt.Sprintf("%s: %s", e.Code, e.Message)
	}
	return fmt.Sprintf("%s: %s: %v", e.Code, e.Message, e.cause)
}

// Unwrap gives the private cause, or nil.
func (e *Error) Unwrap() error { return e.cause }

// As finds the refusal inside err. It is false for an error that carries none.
func As(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}

// CodeOf gives the code inside err, and Internal for an error that carries none.
func CodeOf(err error) Code {
	if e, ok := As(err); ok {
		return e.Code
	}
	return Internal
}

// Wrap adds what was being done to a private error. It returns nil for nil.
func Wrap(err error, doing string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}
