package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"time"
)

// maxBody bounds an answer.
const maxBody = 1 << 20

// caller asks on one connection at a time.
type caller struct {
	addr    string
	timeout time.Duration
	conn    net.Conn
	in      *bufio.Reader
	used    time.Time // when the connection was opened or last used
}

// maxUnused is less than servers wait for a first request on a connection.
const maxUnused = 3 * time.Second

type answer struct {
	status int
	body   []byte
}

var idPattern = regexp.MustCompile(`"id":"(\w+)"`)

func (a answer) id() string {
	if m := idPattern.FindSubmatch(a.body); m != nil {
		return string(m[1])
	}
	return ""
}

func (c *caller) dial(ctx context.Context) error {
	conn, err := (&net.Dialer{Timeout: c.timeout}).DialContext(ctx, "tcp", c.addr)
	if err != nil {
		return err
	}
	c.conn, c.in, c.used = conn, bufio.NewReaderSize(conn, 4<<10), time.Now()
	return nil
}

func (c *caller) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// ask sends a whole request and reads its answer. After a failure or a long pause, or when the service says so, the next
// request goes out on a new connection.
func (c *caller) ask(ctx context.Context, request string) (answer, error) {
	if time.Since(c.used) > maxUnused {
		c.close()
	}
	if c.conn == nil {
		if err := c.dial(ctx); err != nil {
			time.Sleep(10 * time.Millisecond) // a refusal comes at once, and would be asked for again at once
			return answer{}, err
		}
	}
	a, keep, err := c.exchange(request)
	c.used = time.Now()
	if err != nil || !keep {
		c.close()
	}
	return a, err
}

func (c *caller) exchange(request string) (a answer, keep bool, err error) {
	if err := c.conn.SetDeadline(time.Now().Add(c.timeout)); err != nil {
		return answer{}, false, err
	}
	if _, err := io.WriteString(c.conn, request); err != nil {
		return answer{}, false, err
	}
	r, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return answer{}, false, err
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	_ = r.Body.Close()
	if err == nil && len(body) > maxBody {
		err = errors.New("the answer is too long")
	}
	return answer{status: r.StatusCode, body: body}, !r.Close, err
}
