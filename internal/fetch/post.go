package fetch

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/eggapi/eggapi/internal/fault"
)

const (
	replyKeptBytes = 4 << 10
	replyReadBytes = 64 << 10
	maxRetryAfter  = time.Hour
)

// PostRequest is one POST to a customer's URL.
type PostRequest struct {
	URL     string
	Header  map[string]string
	Body    []byte
	Timeout time.Duration // whole exchange; 0 means the policy's, at most 15 s by default
}

// PostResponse is what the receiver answered.
type PostResponse struct {
	Status     int
	Body       []byte        // the first 4 KiB
	RetryAfter time.Duration // 0 to 1 h; 0 when absent or unreadable
	Duration   time.Duration // from the start of the connection to the end of the read
}

// Post sends the body and gives back the answer whatever its status; redirects are not followed.
// At most 64 KiB of the reply are read, and the status counts even when the body does not arrive whole.
// A kept connection that the receiver has just closed is replaced and the request sent again, so a receiver may
// see it twice. Errors match ErrURLNotAllowed, ErrPostTimeout or ErrPostFailed (Cause has the reason),
// or context.Canceled when the caller gave up.
func (c *Client) Post(ctx context.Context, r PostRequest) (PostResponse, error) {
	resp, err := c.post(ctx, r)
	if err == nil || errors.Is(err, ErrURLNotAllowed) {
		return resp, err
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return PostResponse{}, fault.Wrap(context.Canceled, "post")
	}
	return PostResponse{}, &failure{public: postSentinel(err), cause: err}
}

func (c *Client) post(ctx context.Context, r PostRequest) (PostResponse, error) {
	u, err := c.guard.checkURL(r.URL)
	if err != nil {
		return PostResponse{}, err
	}
	release, err := take(ctx, c.postSlots)
	if err != nil {
		return PostResponse{}, err
	}
	defer release()
	timeout := r.Timeout
	if timeout <= 0 {
		timeout = c.policy.Timeouts.Post
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(r.Body))
	if err != nil {
		return PostResponse{}, fault.Wrap(err, "build request")
	}
	setPostHeader(req, r.Header)
	started := time.Now()
	resp, err := c.posts.RoundTrip(req)
	if err != nil {
		return PostResponse{}, fault.Wrap(err, "post")
	}
	defer func() { _ = resp.Body.Close() }()
	out := PostResponse{
		Status:     resp.StatusCode,
		Body:       readReply(resp.Body),
		RetryAfter: ParseRetryAfter(resp.Header.Get("Retry-After"), time.Now()),
	}
	out.Duration = time.Since(started)
	return out, nil
}

func setPostHeader(req *http.Request, header map[string]string) {
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("Accept-Encoding", "identity")
	// Present but empty, net/http sends nothing and may replay the request on a stale connection.
	req.Header["Idempotency-Key"] = nil
	for name, value := range header {
		req.Header.Set(name, value)
	}
}

// readReply keeps the start of a reply and drains a little more, so that the connection can be used again.
func readReply(body io.Reader) []byte {
	// An error means the reply was cut; what came before it is still worth keeping.
	kept, err := io.ReadAll(io.LimitReader(body, replyKeptBytes))
	if err != nil {
		return kept
	}
	_, _ = io.CopyN(io.Discard, body, replyReadBytes-replyKeptBytes)
	return kept
}

// postSentinel tells slow receivers from unreachable ones. A blocked address fails before any packet
// leaves, so neither answer tells a customer what listens inside our network.
func postSentinel(err error) error {
	var timeout net.Error
	if errors.Is(err, context.DeadlineExceeded) || (errors.As(err, &timeout) && timeout.Timeout()) {
		return ErrPostTimeout
	}
	return ErrPostFailed
}

// ParseRetryAfter reads a Retry-After header (RFC 9110, 10.2.3): whole seconds or an HTTP date.
// The result lies between 0 and one hour; anything unreadable or past is 0.
func ParseRetryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0
	}
	if strings.Trim(value, "0123456789") == "" {
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil || seconds > int64(maxRetryAfter/time.Second) {
			return maxRetryAfter
		}
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}
