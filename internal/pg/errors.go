package pg

import (
	"context"
	"errors"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/eggapi/eggapi/internal/fault"
)

// NoRows tells whether err says that a query for one row found none.
func NoRows(err error) bool { return errors.Is(err, pgx.ErrNoRows) }

// Violates tells whether err says that the named constraint was broken.
func Violates(err error, constraint string) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.ConstraintName == constraint && strings.HasPrefix(e.Code, "23")
}

// UnknownTimeZone tells whether the database does not know a time zone by the name it was given.
func UnknownTimeZone(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == "22023" && strings.HasPrefix(e.Message, "time zone")
}

// LockTimedOut tells whether a statement gave up waiting for another transaction.
func LockTimedOut(err error) bool { return sqlState(err) == "55P03" }

// Retryable tells whether the same transaction may well work if run again: a deadlock or a serialization failure.
func Retryable(err error) bool {
	state := sqlState(err)
	return state == "40001" || state == "40P01"
}

// RolledBack tells whether err is the server's own word on a statement, or on the commit, that undid the whole transaction.
// Of an error that broke the connection it is false: the commit may have taken place.
func RolledBack(err error) bool {
	var e *pgconn.PgError
	// FATAL and worse end the session, at any moment.
	return errors.As(err, &e) && e.SeverityUnlocalized == "ERROR"
}

// NothingSent tells of an error that came before anything reached the database.
func NothingSent(err error) bool {
	var connect *pgconn.ConnectError
	return errors.As(err, &connect) || pgconn.SafeToRetry(err)
}

// Unavailable tells whether err means that the database cannot be used now, as opposed to a wrong statement.
func Unavailable(err error) bool {
	if err == nil {
		return false
	}
	var dial *net.OpError
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) || errors.As(err, &dial) || pgconn.SafeToRetry(err) {
		return true
	}
	if text := err.Error(); strings.Contains(text, "closed pool") || strings.Contains(text, "conn closed") ||
		strings.Contains(text, "unexpected EOF") {
		return true
	}
	switch state := sqlState(err); {
	case state == "57014", state == "55P03", Retryable(err):
		return true
	case strings.HasPrefix(state, "08"), strings.HasPrefix(state, "53"), strings.HasPrefix(state, "57P"), state == "25P03":
		return true
	}
	return false
}

// Public turns any database error into the refusal a client may read. Errors that are no
// database errors, and refusals, are returned as they are.
func Public(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := fault.As(err); ok {
		return err
	}
	state := sqlState(err)
	switch {
	case Unavailable(err), errors.Is(err, context.DeadlineExceeded):
		return fault.New(fault.ServiceUnavailable, "the service is temporarily unavailable").Because(err)
	case strings.HasPrefix(state, "22"), state == "54000":
		// A value PostgreSQL cannot hold, which validation let through.
		return fault.New(fault.BadRequest, "the request holds a value that cannot be stored").Because(err)
	}
	return err
}

func sqlState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
