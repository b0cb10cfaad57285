package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPost_SendsExactlyBodyAndHeaders(t *testing.T) {
	c := devClient(t, Policy{})
	type request struct {
		Method, Body string
		Header       http.Header
	}
	got := make(chan request, 1)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got <- request{r.Method, string(body), r.Header.Clone()}
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, "thanks")
	})
	resp, err := c.Post(t.Context(), PostRequest{
		URL: s.URL, Body: []byte(`{"a": 1}`), Header: map[string]string{"Content-Type": "application/json", "User-Agent": "Hook/2"},
	})
	if err != nil {
		t.Fatal(Cause(err))
	}
	if resp.Duration <= 0 {
		t.Error("no duration")
	}
	resp.Duration = 0
	if diff := cmp.Diff(PostResponse{Status: 202, Body: []byte("thanks"), RetryAfter: 7 * time.Second}, resp); diff != "" {
		t.Error(diff)
	}
	want := request{http.MethodPost, `{"a": 1}`, http.Header{
		"Accept-Encoding": {"identity"}, "Content-Length": {"8"}, "Content-Type": {"application/json"}, "User-Agent": {"Hook/2"},
	}}
	if diff := cmp.Diff(want, <-got); diff != "" {
		t.Error(diff)
	}
}

func TestPost_RedirectIsAnAnswerNotAnOrder(t *testing.T) {
	var hits atomic.Int64
	target := serve(t, func(http.ResponseWriter, *http.Request) { hits.Add(1) })
	c := devClient(t, Policy{})
	for _, status := range []int{300, 301, 302, 303, 307, 308} {
		for _, location := range []string{target.URL, "http://169.254.169.254/", ":junk"} {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", location)
				w.WriteHeader(status)
			})
			resp, err := c.Post(t.Context(), PostRequest{URL: s.URL})
			if err != nil || resp.Status != status {
				t.Errorf("%d to %s: status %d, %v", status, location, resp.Status, Cause(err))
			}
		}
	}
	if hits.Load() != 0 {
		t.Errorf("%d redirects were followed", hits.Load())
	}
}

func TestPost_ReadsLittleOfTheReply(t *testing.T) {
	c := devClient(t, Policy{})
	sent := make(chan int64, 1)
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		n, _ := io.Copy(w, zeros{})
		sent <- n
	})
	resp, err := c.Post(t.Context(), PostRequest{URL: s.URL})
	if err != nil || resp.Status != 200 || !bytes.Equal(resp.Body, make([]byte, 4096)) {
		t.Fatalf("status %d, %d bytes, %v", resp.Status, len(resp.Body), Cause(err))
	}
	if n := <-sent; n > 32<<20 {
		t.Errorf("took %d bytes of an endless reply", n)
	}
}

func TestPost_StatusCountsEvenWhenTheBodyNeverEnds(t *testing.T) {
	c := devClient(t, Policy{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "ok")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	resp, err := c.Post(t.Context(), PostRequest{URL: s.URL, Timeout: time.Second})
	if err != nil || resp.Status != 200 || string(resp.Body) != "ok" {
		t.Errorf("status %d, body %q, %v", resp.Status, resp.Body, Cause(err))
	}
}

func TestPost_TellsSlowFromUnreachableAndFromForbidden(t *testing.T) {
	c := devClient(t, Policy{})
	hasty := devClient(t, Policy{Timeouts: Timeouts{Post: 100 * time.Millisecond}})
	slow := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	closed := httptest.NewServer(nil)
	closed.Close()
	if _, err := hasty.Post(t.Context(), PostRequest{URL: slow.URL, Body: []byte("{}")}); !errors.Is(err, ErrPostTimeout) {
		t.Errorf("slow: got %v (%v)", err, Cause(err))
	}
	for url, want := range map[string]error{
		closed.URL: ErrPostFailed, "http://10.0.0.1/": ErrURLNotAllowed, "": ErrURLNotAllowed,
	} {
		if _, err := c.Post(t.Context(), PostRequest{URL: url, Body: []byte("{}")}); !errors.Is(err, want) {
			t.Errorf("%q: got %v (%v), want %v", url, err, Cause(err), want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Post(ctx, PostRequest{URL: slow.URL}); !errors.Is(err, context.Canceled) || errors.Is(err, ErrPostFailed) {
		t.Errorf("cancelled: got %v", err)
	}
}

func TestPost_ErrorsHoldNothingOfTheTarget(t *testing.T) {
	canaryName := nameServer(t, func(int64) []netip.Addr { return []netip.Addr{netip.MustParseAddr("10.66.77.88")} })
	c := newTestClient(t, Policy{}, seams{resolver: canaryName})
	_, err := c.Post(t.Context(), PostRequest{URL: "https://canary.example/secret?token=1"})
	if !errors.Is(err, ErrPostFailed) {
		t.Fatalf("got %v", err)
	}
	for _, part := range []string{"canary", "secret", "10.66", "443", "dial"} {
		if strings.Contains(fmt.Sprintf("%v %+v %q", err, err, err), part) {
			t.Errorf("%q shows in %v", part, err)
		}
	}
	if cause := Cause(err); !strings.Contains(cause.Error(), "10.66.77.88") {
		t.Errorf("the log is told only %v", cause)
	}
}

func TestPost_HeaderTimeoutIsForImagesOnly(t *testing.T) {
	c := devClient(t, Policy{Timeouts: Timeouts{Header: time.Nanosecond}})
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(pngOf(t, 1, 1)) })
	if resp, err := c.Post(t.Context(), PostRequest{URL: s.URL}); err != nil || resp.Status != 200 {
		t.Errorf("post: status %d, %v", resp.Status, Cause(err))
	}
	ctx := timeLimited(t, 10*time.Second)
	never := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	if _, err := c.Image(ctx, never.URL); !errors.Is(err, ErrImageFetch) || ctx.Err() != nil {
		t.Errorf("image: %v, the header timeout did not end it", err)
	}
}

func TestPost_ReplacesAConnectionTheReceiverClosed(t *testing.T) {
	var requests atomic.Int64
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		// The second request arrives on the kept connection, which dies without an answer.
		if requests.Add(1) == 2 {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, "ok")
	})
	c := devClient(t, Policy{})
	for i := range 2 {
		if resp, err := c.Post(t.Context(), PostRequest{URL: s.URL, Body: []byte("{}")}); err != nil || resp.Status != 200 {
			t.Errorf("post %d: status %d, %v", i+1, resp.Status, Cause(err))
		}
	}
	if requests.Load() != 3 {
		t.Errorf("%d requests, want 3", requests.Load())
	}
}

func TestParseRetryAfter_IsClampedAndIgnoresJunk(t *testing.T) {
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "1": time.Second, " 120 ": 2 * time.Minute, "3600": time.Hour, "3601": time.Hour,
		"1000000000000": time.Hour, "99999999999999999999999999": time.Hour,
		"-1": 0, "NaN": 0, "1e12": 0, "1.5": 0, "0x10": 0, "+5": 0, "soon": 0, "1, 2": 0, "١": 0,
		"Mon, 04 May 2026 12:00:30 GMT":  30 * time.Second,
		"Mon, 04 May 2026 11:00:00 GMT":  0,
		"Mon, 04 May 2099 12:00:30 GMT":  time.Hour,
		"Monday, 04-May-26 12:00:10 GMT": 10 * time.Second,
		"Mon May  4 12:00:05 2026":       5 * time.Second,
		"Mon, 99 May 2026 12:00:30 GMT":  0,
	} {
		if got := ParseRetryAfter(value, now); got != want {
			t.Errorf("%q: got %v, want %v", value, got, want)
		}
	}
}

func FuzzParseRetryAfter(f *testing.F) {
	for _, v := range []string{"1", "-1", "1e12", "Mon, 04 May 2026 12:00:30 GMT"} {
		f.Add(v)
	}
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, value string) {
		if d := ParseRetryAfter(value, now); d < 0 || d > time.Hour {
			t.Fatalf("%q gave %v", value, d)
		}
	})
}
