package provider

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"
)

// Bounds of an upstream's answer.
const (
	maxReplyBytes      = 64 << 20 // a 4k picture in base64 is 20-40 MB
	maxErrorReplyBytes = 1 << 20
	maxHeaderBytes     = 64 << 10
	maxMessageRunes    = 300
	maxNameRunes       = 128
)

var errOversize = errors.New("reply is larger than allowed")

// newHTTPClient gives a client for provider calls: no proxy taken from the environment, no
// redirect followed (a 307 would carry key and body elsewhere), no overall timeout (the context
// of each call has one).
func newHTTPClient() *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Client{
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			TLSHandshakeTimeout:    10 * time.Second,
			MaxIdleConns:           64,
			MaxIdleConnsPerHost:    32,
			IdleConnTimeout:        90 * time.Second,
			MaxResponseHeaderBytes: maxHeaderBytes,
			ForceAttemptHTTP2:      true,
		},
		CheckRedirect: refuseRedirect,
	}
}

func refuseRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// reply is a whole answer, read and closed.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// exchange sends req once and reads the answer, at most limitBytes of it. It fails with an *Error
// when there is no usable answer; whether the request had left us whole decides between RetrySame
// and Ambiguous. An answer other than 200 is handed back however little of its body arrived.
func exchange(client *http.Client, req *http.Request, limitBytes int64) (reply, error) {
	var sent atomic.Bool
	trace := &httptrace.ClientTrace{WroteRequest: func(info httptrace.WroteRequestInfo) {
		if info.Err == nil {
			sent.Store(true)
		}
	}}
	resp, err := client.Do(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	if err != nil {
		return reply{}, transportError(err, sent.Load())
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		limitBytes = min(limitBytes, maxErrorReplyBytes)
	}
	body, err := readLimited(resp, limitBytes)
	if err != nil && resp.StatusCode == http.StatusOK {
		failure := transportError(err, true)
		failure.HTTPStatus = resp.StatusCode
		return reply{}, failure
	}
	return reply{status: resp.StatusCode, header: resp.Header, body: body}, nil
}

// readLimited reads up to limitBytes. It gives what it got together with the error that stopped it.
func readLimited(resp *http.Response, limitBytes int64) ([]byte, error) {
	var buf bytes.Buffer
	if n := resp.ContentLength; n > 0 && n <= limitBytes {
		buf.Grow(int(n) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(resp.Body, limitBytes+1))
	if err != nil {
		return buf.Bytes(), err
	}
	if n > limitBytes {
		return buf.Bytes()[:limitBytes], errOversize
	}
	return buf.Bytes(), nil
}

// transportError classifies a call without a usable answer.
func transportError(err error, sent bool) *Error {
	e := &Error{Class: RetrySame, Code: "unreachable", Err: err, MaybeCharged: sent}
	switch {
	case errors.Is(err, context.Canceled):
		e.Class, e.Code = Canceled, "canceled"
	case errors.Is(err, errOversize):
		e.Class, e.Code = Ambiguous, "oversize_reply"
	case sent && errors.Is(err, context.DeadlineExceeded):
		e.Class, e.Code = Ambiguous, "timeout"
	case sent:
		e.Class, e.Code = Ambiguous, "connection_lost"
	case errors.Is(err, context.DeadlineExceeded):
		e.Code = "timeout_before_send"
	}
	return e
}

// clean makes an upstream's text fit for storage and logs: valid UTF-8, no control characters,
// at most maxRunes long.
func clean(text string, maxRunes int) string {
	var b strings.Builder
	runes := 0
	for _, r := range text {
		if r == utf8.RuneError || unicode.IsControl(r) {
			continue
		}
		if runes++; runes > maxRunes {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}

// redact removes each secret of at least 4 bytes from text. A shorter one would blank out half of
// any message and says little about anyone.
func redact(text string, secrets ...string) string {
	for _, s := range secrets {
		if len(s) >= 4 {
			text = strings.ReplaceAll(text, s, "[redacted]")
		}
	}
	return text
}
