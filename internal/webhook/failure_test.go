package webhook_test

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/eggapi/eggapi/internal/fetch"
	"github.com/eggapi/eggapi/internal/webhook"
)

// TestWork_NoAnswerIsLoggedByACodeOfTheClosedList uses real sockets that each fail in their own way.
func TestWork_NoAnswerIsLoggedByACodeOfTheClosedList(t *testing.T) {
	t.Parallel()
	b := setup(t)
	hangsUp := receive(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_ = conn.Close()
		}
	})
	done := make(chan struct{})
	silent := receive(t, func(http.ResponseWriter, *http.Request) { <-done })
	defer close(done)
	b.deliver(t, webhook.DelivererConfig{Poster: impatient(loopback(t), silent.url)})
	plain := receive(t, status(http.StatusOK))
	for url, want := range map[string]string{
		refusing(t):  "connect_failed",
		hangsUp.url:  "no_response",
		silent.url:   "timeout",
		untrusted(t): "tls_failed",
		strings.Replace(plain.url, "http:", "https:", 1): "tls_failed",
		"http://10.0.0.1/hook":                           "url_not_allowed",
		"https://user@example.com/":                      "url_not_allowed",
		"::not a url":                                    "url_not_allowed",
	} {
		eventID := b.enqueue(t, b.event(t, alice, url))
		b.work(t, eventID)
		wantText(t, "the log for "+url, one[string](t, b.pool, `select concat_ws(' ', error_code, http_status, response_body)
			from webhook_deliveries where event_id = $1`, eventID), want+" ")
		wantText(t, "the state for "+url, b.state(t, eventID), "pending 1")
	}
}

// impatient gives one receiver 200 ms instead of 15 s.
func impatient(p webhook.Poster, url string) webhook.Poster {
	return postFunc(func(ctx context.Context, r fetch.PostRequest) (fetch.PostResponse, error) {
		if r.URL == url {
			r.Timeout = 200 * time.Millisecond
		}
		return p.Post(ctx, r)
	})
}

// refusing gives the URL of a port that nothing listens on.
func refusing(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	must(t, l.Close())
	return "http://" + l.Addr().String() + "/hook"
}

// untrusted gives the URL of a server whose certificate nobody vouches for.
func untrusted(t *testing.T) string {
	t.Helper()
	server := httptest.NewUnstartedServer(status(http.StatusOK))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL + "/hook"
}
