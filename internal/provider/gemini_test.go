package provider_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eggapi/eggapi/internal/provider"
	"github.com/eggapi/eggapi/internal/provider/providertest"
)

const geminiKey = "AIza-test-key-0123456789"

type geminiSetup struct {
	fake    *providertest.Gemini
	server  *httptest.Server
	adapter *provider.Gemini
}

func newGemini(t *testing.T, change func(*provider.GeminiConfig)) geminiSetup {
	t.Helper()
	fake := providertest.NewGemini(geminiKey)
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	config := provider.GeminiConfig{
		BaseURL:         server.URL + "/",
		APIKey:          geminiKey,
		FixedSizeModels: []string{"gemini-2.5-flash-image"},
		CostMicros:      map[string]int64{"1k": 33_600, "2k": 50_000},
	}
	if change != nil {
		change(&config)
	}
	return geminiSetup{fake, server, provider.NewGemini(config)}
}

func ask(prompt string) provider.Request {
	return provider.Request{
		AttemptID: "att_1", UpstreamModel: "gemini-3-pro-image", Prompt: prompt,
		AspectRatio: "16:9", Resolution: "1k", Count: 1,
	}
}

func TestGemini_MapsTheWholeRequest(t *testing.T) {
	s := newGemini(t, nil)
	r := ask("a fox")
	r.NegativePrompt, r.AspectRatio, r.Resolution = "snow", "9:16", "2k"
	for range 2 {
		r.Inputs = append(r.Inputs, provider.Input{
			Data: providertest.JPEG("x", "16:9", "1K"), MIME: "image/jpeg", Width: 86, Height: 48,
		})
	}
	got, err := s.adapter.Submit(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	calls := s.fake.Recent()
	if len(calls) != 1 {
		t.Fatalf("%d calls", len(calls))
	}
	calls[0].Header = nil
	want := providertest.Call{
		Model:       "gemini-3-pro-image",
		Prompt:      "a fox\n\nAvoid the following in the image: snow",
		AspectRatio: "9:16", ImageSize: "2K", Inputs: 2,
	}
	if diff := cmp.Diff(want, calls[0]); diff != "" {
		t.Error(diff)
	}
	if got.Ref != nil || got.Done == nil || len(got.Done.Images) != 1 {
		t.Fatalf("got %+v", got)
	}
	img := got.Done.Images[0]
	if img.MIME != "image/png" || img.Width != 96 || img.Height != 172 {
		t.Errorf("got %s %dx%d", img.MIME, img.Width, img.Height)
	}
	got.Done.Images = nil
	if diff := cmp.Diff(&provider.Result{
		CostMicros: 50_000, UpstreamModel: "gemini-3-pro-image", RequestID: "resp-1",
	}, got.Done); diff != "" {
		t.Error(diff)
	}
}

func TestGemini_OmitsTheSizeForFixedSizeModels(t *testing.T) {
	s := newGemini(t, nil)
	r := ask("a fox")
	r.UpstreamModel = "gemini-2.5-flash-image"
	if _, err := s.adapter.Submit(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	if size := s.fake.Recent()[0].ImageSize; size != "" {
		t.Errorf("sent %q", size)
	}
}

func TestGemini_TakesTheLastPictureThatIsNoDraft(t *testing.T) {
	s := newGemini(t, nil)
	got, err := s.adapter.Submit(context.Background(), ask("a fox [[thought]]"))
	if err != nil {
		t.Fatal(err)
	}
	want := providertest.Picture("a fox [[thought]]picture", "16:9", "1K")
	if string(got.Done.Images[0].Data) != string(want) {
		t.Error("another picture")
	}
}

func TestGemini_NamesTheTypeByTheBytes(t *testing.T) {
	s := newGemini(t, nil)
	got, err := s.adapter.Submit(context.Background(), ask("a fox [[jpeg]]"))
	if err != nil {
		t.Fatal(err)
	}
	if mime := got.Done.Images[0].MIME; mime != "image/jpeg" {
		t.Errorf("got %s", mime)
	}
}

func TestGemini_ClassifiesEveryAnswer(t *testing.T) {
	tests := []struct {
		token string
		want  provider.Error // Class, HTTPStatus, Code, RetryAfter, MaybeCharged
	}{
		{"block", provider.Error{Class: provider.UserContent, HTTPStatus: 200, Code: "PROHIBITED_CONTENT"}},
		{"moderation", provider.Error{Class: provider.UserContent, HTTPStatus: 200, Code: "IMAGE_SAFETY"}},
		{"noimage", provider.Error{Class: provider.NoImage, HTTPStatus: 200, Code: "NO_IMAGE"}},
		{"text", provider.Error{Class: provider.NoImage, HTTPStatus: 200, Code: "STOP"}},
		{"nullparts", provider.Error{Class: provider.NoImage, HTTPStatus: 200, Code: "STOP"}},
		{"nothing", provider.Error{Class: provider.NoImage, HTTPStatus: 200, Code: "no_candidates"}},
		{"unknown", provider.Error{Class: provider.NoImage, HTTPStatus: 200, Code: "SOMETHING_NEW"}},
		{"429", provider.Error{Class: provider.RateLimited, HTTPStatus: 429, Code: "RESOURCE_EXHAUSTED", RetryAfter: 22 * time.Second}},
		{"429:2.5s", provider.Error{Class: provider.RetrySame, HTTPStatus: 429, Code: "RESOURCE_EXHAUSTED", RetryAfter: 2500 * time.Millisecond}},
		{"429day", provider.Error{Class: provider.RateLimited, HTTPStatus: 429, Code: "RESOURCE_EXHAUSTED", RetryAfter: time.Hour}},
		{"429plain", provider.Error{Class: provider.RateLimited, HTTPStatus: 429, Code: "RESOURCE_EXHAUSTED", RetryAfter: 30 * time.Second}},
		{"429zero", provider.Error{Class: provider.RouteBilling, HTTPStatus: 429, Code: "RESOURCE_EXHAUSTED"}},
		{"429prepay", provider.Error{Class: provider.RouteBilling, HTTPStatus: 429, Code: "RESOURCE_EXHAUSTED"}},
		{"auth", provider.Error{Class: provider.RouteAuth, HTTPStatus: 400, Code: "INVALID_ARGUMENT"}},
		{"401", provider.Error{Class: provider.RouteAuth, HTTPStatus: 401, Code: "UNAUTHENTICATED"}},
		{"403", provider.Error{Class: provider.RouteAuth, HTTPStatus: 403, Code: "PERMISSION_DENIED"}},
		{"billing", provider.Error{Class: provider.RouteBilling, HTTPStatus: 400, Code: "FAILED_PRECONDITION"}},
		{"invalid", provider.Error{Class: provider.UserInvalid, HTTPStatus: 400, Code: "INVALID_ARGUMENT"}},
		{"413", provider.Error{Class: provider.UserInvalid, HTTPStatus: 413, Code: "INVALID_ARGUMENT"}},
		{"model", provider.Error{Class: provider.RouteModel, HTTPStatus: 404, Code: "NOT_FOUND"}},
		{"500", provider.Error{Class: provider.RetrySame, HTTPStatus: 500, Code: "INTERNAL"}},
		{"503", provider.Error{Class: provider.RetrySame, HTTPStatus: 503, Code: "UNAVAILABLE"}},
		{"504", provider.Error{Class: provider.RetrySame, HTTPStatus: 504, Code: "DEADLINE_EXCEEDED"}},
		{"html", provider.Error{Class: provider.RetrySame, HTTPStatus: 502, Code: "http_502"}},
		{"redirect", provider.Error{Class: provider.Fallback, HTTPStatus: 307, Code: "http_307"}},
		{"html200", provider.Error{Class: provider.Ambiguous, HTTPStatus: 200, Code: "bad_reply", MaybeCharged: true}},
		{"truncated", provider.Error{Class: provider.Ambiguous, HTTPStatus: 200, Code: "bad_reply", MaybeCharged: true}},
		{"badimage", provider.Error{Class: provider.Ambiguous, HTTPStatus: 200, Code: "bad_image", MaybeCharged: true}},
		{"badbase64", provider.Error{Class: provider.Ambiguous, HTTPStatus: 200, Code: "bad_base64", MaybeCharged: true}},
		{"cut", provider.Error{Class: provider.Ambiguous, HTTPStatus: 200, Code: "connection_lost", MaybeCharged: true}},
		{"oversize", provider.Error{Class: provider.Ambiguous, HTTPStatus: 200, Code: "oversize_reply", MaybeCharged: true}},
		{"reset", provider.Error{Class: provider.Ambiguous, Code: "connection_lost", MaybeCharged: true}},
	}
	for _, tt := range tests {
		t.Run(tt.token, func(t *testing.T) {
			t.Parallel()
			s := newGemini(t, nil)
			prompt := "secret fox [[" + tt.token + "]]"
			_, err := s.adapter.Submit(context.Background(), ask(prompt))
			got := typed(t, err)
			if strings.Contains(err.Error(), geminiKey) || strings.Contains(err.Error(), "secret fox") {
				t.Errorf("tells too much: %v", err)
			}
			plain := *got
			plain.Msg, plain.Err = "", nil
			if diff := cmp.Diff(tt.want, plain); diff != "" {
				t.Errorf("%v\n%s", err, diff)
			}
			if n := s.fake.CallsFor("secret fox"); n != 1 {
				t.Errorf("%d calls", n)
			}
		})
	}
}

func typed(t *testing.T, err error) *provider.Error {
	t.Helper()
	var e *provider.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v", err)
	}
	return e
}

func TestGemini_TimeoutAfterSendingIsAmbiguous(t *testing.T) {
	for _, token := range []string{"hang", "drip"} {
		s := newGemini(t, func(c *provider.GeminiConfig) {
			c.TimeoutFor = func(string) time.Duration { return 200 * time.Millisecond }
		})
		_, err := s.adapter.Submit(context.Background(), ask("[["+token+"]]"))
		e := typed(t, err)
		if e.Class != provider.Ambiguous || e.Code != "timeout" || !e.MaybeCharged {
			t.Errorf("%s: %v", token, err)
		}
		if s.fake.PicturesFor("") != 1 {
			t.Errorf("%s: the fake made no picture", token)
		}
	}
}

func TestGemini_CancelIsNotAFailureOfTheRoute(t *testing.T) {
	s := newGemini(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s.fake.Inject = func(string) string {
		cancel()
		return "[[hang]]"
	}
	_, err := s.adapter.Submit(ctx, ask("a fox"))
	if e := typed(t, err); e.Class != provider.Canceled || !e.MaybeCharged {
		t.Errorf("got %v", err)
	}
}

func TestGemini_NothingListeningMayBeTriedAgain(t *testing.T) {
	s := newGemini(t, nil)
	s.server.Close()
	_, err := s.adapter.Submit(context.Background(), ask("a fox"))
	if e := typed(t, err); e.Class != provider.RetrySame || e.MaybeCharged {
		t.Errorf("got %v", err)
	}
}

func TestGemini_ConnectionLostWhileSendingMayBeTriedAgain(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		_, _ = conn.Read(make([]byte, 1024))
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
	}()
	adapter := provider.NewGemini(provider.GeminiConfig{BaseURL: "http://" + listener.Addr().String(), APIKey: geminiKey})
	r := ask("a fox")
	// Far more than any socket buffer holds, so that it cannot have left whole.
	r.Inputs = []provider.Input{{Data: make([]byte, 16<<20), MIME: "image/png"}}
	_, err = adapter.Submit(context.Background(), r)
	if e := typed(t, err); e.Class != provider.RetrySame || e.MaybeCharged {
		t.Errorf("got %v", err)
	}
}

func TestGemini_RedirectIsNotFollowedWithAForeignClientEither(t *testing.T) {
	client := &http.Client{}
	s := newGemini(t, func(c *provider.GeminiConfig) { c.HTTPClient = client })
	_, err := s.adapter.Submit(context.Background(), ask("[[redirect]]"))
	if e := typed(t, err); e.HTTPStatus != http.StatusTemporaryRedirect {
		t.Errorf("got %v", err)
	}
	if client.CheckRedirect != nil {
		t.Error("the caller's client was changed")
	}
}

func TestGemini_KeyAndPromptStayPrivateWhenEchoed(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":{"status":"` + r.Header.Get("X-Goog-Api-Key") +
			`","message":"no: a very private fox ` + r.Header.Get("X-Goog-Api-Key") + `\u0000\u0007"}}`))
	}))
	defer server.Close()
	adapter := provider.NewGemini(provider.GeminiConfig{BaseURL: server.URL, APIKey: geminiKey})
	_, err := adapter.Submit(context.Background(), ask("a very private fox"))
	if e := typed(t, err); e.Msg != "no: [redacted] [redacted]" {
		t.Errorf("message %q", e.Msg)
	}
	if strings.Contains(err.Error(), geminiKey) {
		t.Errorf("got %v", err)
	}
}

func TestGemini_MoreThanOnePictureIsRefusedBeforeSending(t *testing.T) {
	s := newGemini(t, nil)
	r := ask("a fox")
	r.Count = 2
	_, err := s.adapter.Submit(context.Background(), r)
	if e := typed(t, err); e.Class != provider.Fallback || s.fake.Calls() != 0 {
		t.Errorf("got %v after %d calls", err, s.fake.Calls())
	}
}

func TestGemini_HasNoJobs(t *testing.T) {
	s := newGemini(t, nil)
	if _, err := s.adapter.Poll(context.Background(), provider.Ref{ID: "x"}); typed(t, err).Class != provider.Fallback {
		t.Errorf("got %v", err)
	}
	if err := s.adapter.Cancel(context.Background(), provider.Ref{ID: "x"}); !errors.Is(err, provider.ErrUnsupported) {
		t.Errorf("got %v", err)
	}
}
