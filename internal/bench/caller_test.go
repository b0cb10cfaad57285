//go:build system

package bench

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// caller asks on one connection, and reads as little as it can, so that little is burnt that the service could use.
type caller struct {
	conn net.Conn
	in   *bufio.Reader
}

type answer struct {
	status int
	body   []byte // valid until the next question
}

func dial(ctx context.Context, addr string, deadline time.Time) (*caller, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &caller{conn: conn, in: bufio.NewReaderSize(conn, 4<<10)}, nil
}

func (c *caller) close() { _ = c.conn.Close() }

// ask sends a whole request and reads one answer of HTTP/1.1 with a Content-Length.
func (c *caller) ask(request string) (answer, error) {
	if _, err := io.WriteString(c.conn, request); err != nil {
		return answer{}, err
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return answer{}, err
	}
	if len(line) < 12 {
		return answer{}, errors.New("the answer has no status")
	}
	var a answer
	if a.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return answer{}, err
	}
	length := -1
	for {
		if line, err = c.in.ReadSlice('\n'); err != nil {
			return answer{}, err
		}
		if len(line) <= 2 {
			break
		}
		if value, found := strings.CutPrefix(string(line), "Content-Length: "); found {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return answer{}, err
			}
		}
	}
	if length < 0 {
		return answer{}, errors.New("the answer has no length")
	}
	a.body = make([]byte, length)
	_, err = io.ReadFull(c.in, a.body)
	return a, err
}

var taskIDPattern = regexp.MustCompile(`"id":"(gen_\w+)"`)

// taskID gives the task that an answer speaks of, empty when it is none.
func (a answer) taskID() string {
	if m := taskIDPattern.FindSubmatch(a.body); m != nil {
		return string(m[1])
	}
	return ""
}
