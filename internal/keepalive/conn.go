package keepalive

import (
	"errors"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// stage is how far a connection is with waiting for a next request. net/http tells that it is idle, sets a deadline, reads, and
// sets another deadline once something came.
type stage int

const (
	busy stage = iota
	idle
	waiting
)

// conn is a connection as long as the HTTP server has it. All but closing is done by one goroutine after another.
type conn struct {
	*net.TCPConn
	park  func(c *net.TCPConn, until time.Time) bool
	after time.Duration

	stage stage
	last  byte      // the last that was read
	until time.Time // when the server would give up waiting

	quiet atomic.Bool // it waited in vain, and may be parked
	gone  atomic.Bool // closed, or no longer ours
}

// noteState is told of the two states in which nobody reads; a connection may be closed while somebody still does.
func noteState(c net.Conn, state http.ConnState) {
	kept, ok := c.(*conn)
	if !ok {
		return
	}
	switch state {
	case http.StateActive:
		kept.stage = busy
	case http.StateIdle:
		kept.stage = idle
	case http.StateNew, http.StateHijacked, http.StateClosed:
	}
}

// SetReadDeadline shortens the wait for a next request when the connection can be parked afterwards.
func (c *conn) SetReadDeadline(t time.Time) error {
	switch c.stage {
	case busy:
	case idle:
		c.stage = busy // whatever deadline comes next is that of a request
		if soon := time.Now().Add(c.after); c.atEnd() && soon.Before(t) {
			c.stage, c.until, t = waiting, t, soon
		}
	case waiting:
		c.stage = busy
	}
	return c.TCPConn.SetReadDeadline(t)
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	if n > 0 {
		c.last = p[n-1]
		if c.stage == waiting {
			c.stage = busy
			// The server goes on waiting until it has four bytes, and then sets a deadline of its own.
			if n < 4 {
				_ = c.TCPConn.SetReadDeadline(c.until)
			}
		}
	}
	if c.stage == waiting && errors.Is(err, os.ErrDeadlineExceeded) {
		c.quiet.Store(true)
	}
	return n, err
}

// atEnd tells whether what was read can have ended with a request. If not, the beginning of the next may be in the server's
// buffer, too short for it to take notice: up to three bytes of a method, which has none of these (RFC 9110, 9.1 and 5.6.2).
// A body may end otherwise; then the connection is not parked, which costs memory and nothing else.
func (c *conn) atEnd() bool {
	switch c.last {
	case '\n', '}', ']', '"':
		return true
	}
	return false
}

// Close parks a connection that waited in vain, and closes any other.
func (c *conn) Close() error {
	if c.gone.Swap(true) {
		return net.ErrClosed
	}
	if c.quiet.Load() && c.park(c.TCPConn, c.until) {
		return nil
	}
	return c.TCPConn.Close()
}
