package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/eggapi/eggapi/internal/fetch"
)

const keptReplyBytes = 4 << 10

// The closed list of why a try got no answer, as stored in webhook_deliveries.
const (
	codeTimeout       = "timeout"
	codeConnectFailed = "connect_failed"
	codeTLSFailed     = "tls_failed"
	codeNoResponse    = "no_response"
	codeURLNotAllowed = "url_not_allowed"
)

// outcome is how one try went: a status, or a code that says why there is none.
type outcome struct {
	status     int
	code       string
	reply      string
	retryAfter time.Duration // asked for by a receiver that may; else 0
	duration   time.Duration
}

func (o outcome) delivered() bool { return o.code == "" && o.status >= 200 && o.status <= 299 }

func (o outcome) reason() string {
	if o.code != "" {
		return o.code
	}
	return "status " + strconv.Itoa(o.status)
}

// answered reads a receiver's answer. A receiver that shows its secret in an error page does not get it logged.
func answered(r fetch.PostResponse, secret string) outcome {
	o := outcome{status: r.Status, reply: storable(r.Body, secret)}
	if r.Status == http.StatusTooManyRequests || r.Status == http.StatusServiceUnavailable {
		o.retryAfter = r.RetryAfter
	}
	return o
}

// storable gives text that PostgreSQL takes: valid UTF-8 without NUL, at most keptReplyBytes.
func storable(body []byte, secret string) string {
	text := strings.ReplaceAll(string(body), "\x00", "")
	text = strings.ToValidUTF8(text, string(utf8.RuneError))
	text = strings.ReplaceAll(text, strings.TrimPrefix(secret, secretPrefix), "[secret]")
	if len(text) <= keptReplyBytes {
		return text
	}
	end := keptReplyBytes
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

func codeOf(err error) string {
	cause := fetch.Cause(err)
	switch {
	case errors.Is(err, fetch.ErrURLNotAllowed):
		return codeURLNotAllowed
	case errors.Is(err, fetch.ErrPostTimeout), errors.Is(err, context.DeadlineExceeded):
		return codeTimeout
	case isTLS(cause):
		return codeTLSFailed
	case isDial(cause):
		return codeConnectFailed
	}
	return codeNoResponse
}

func isTLS(err error) bool {
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	if errors.As(err, &certificate) || errors.As(err, &record) || errors.Is(err, http.ErrSchemeMismatch) {
		return true
	}
	// The type of an alert is hidden; these are the names crypto/tls gives the operation.
	var op *net.OpError
	return errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error")
}

func isDial(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// loggable gives the private reason without the URL, which may hold a customer's token.
func loggable(err error) string {
	cause := fetch.Cause(err)
	var withURL *url.Error
	if errors.As(cause, &withURL) {
		cause = withURL.Err
	}
	return cause.Error()
}
