// Package keepalive holds connections that wait for a next request at the price of a socket.
//
// Owns: connections between two requests, from when they have been quiet for a while until they speak, end or are too old.
// Does not own: requests, answers and their timeouts; those are net/http's.
// May touch: sockets.
// Always true: a connection is with the HTTP server or parked, never both; no byte of a client is lost by parking.
package keepalive

import (
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// Listener hands out connections: new ones, and parked ones that have something to say.
// A connection that was idle for a while is closed for the HTTP server, which frees its goroutine and buffers (some 20 kB),
// and goes on for the client.
type Listener struct {
	net.Listener
	after    time.Duration
	arrivals chan arrival
	closed   chan struct{}
	close    func() error
	lot      *lot
}

// arrival is a connection for the HTTP server, or why there is none.
type arrival struct {
	conn net.Conn
	err  error
}

// Listen takes over a listener of TCP connections; they are parked once they were idle for that long. Use needs to be told of
// the server. Where the operating system offers no way to wait for many sockets at once, nothing is ever parked.
func Listen(l net.Listener, after time.Duration) (*Listener, error) {
	k := &Listener{Listener: l, after: after, arrivals: make(chan arrival), closed: make(chan struct{})}
	k.close = sync.OnceValue(k.end)
	var err error
	if k.lot, err = newLot(func(c *net.TCPConn) { k.offer(arrival{conn: k.wrap(c)}) }); err != nil {
		return nil, err
	}
	go k.accept()
	return k, nil
}

// Use lets the listener know when a connection of the server is idle. How long it may be idle in all stays the server's IdleTimeout.
func (l *Listener) Use(s *http.Server) { s.ConnState = noteState }

// Parked tells how many connections are parked.
func (l *Listener) Parked() int { return l.lot.count() }

// Accept waits for the next connection.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case a := <-l.arrivals:
		return a.conn, a.err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends the listener and every parked connection.
func (l *Listener) Close() error { return l.close() }

func (l *Listener) end() error {
	close(l.closed)
	return errors.Join(l.Listener.Close(), l.lot.close())
}

func (l *Listener) accept() {
	for {
		c, err := l.Listener.Accept()
		if tcp, ok := c.(*net.TCPConn); ok && err == nil {
			c = l.wrap(tcp)
		}
		if !l.offer(arrival{c, err}) || errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

// offer gives a connection to who accepts next, or closes it when nobody does any more.
func (l *Listener) offer(a arrival) bool {
	select {
	case l.arrivals <- a:
		return true
	case <-l.closed:
		if a.conn != nil {
			_ = a.conn.Close()
		}
		return false
	}
}

func (l *Listener) wrap(c *net.TCPConn) net.Conn {
	if !canPark {
		return c
	}
	return &conn{TCPConn: c, park: l.lot.park, after: l.after}
}
