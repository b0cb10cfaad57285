package handlers_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/eggapi/eggapi/gen/apiclient"
	"github.com/eggapi/eggapi/internal/apitest"
)

// letter is one webhook as it arrived.
type letter struct {
	header http.Header
	body   []byte
}

// mailbox takes webhooks in.
func mailbox(t *testing.T) (url string, letters <-chan letter) {
	t.Helper()
	arrived := make(chan letter, 16)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		arrived <- letter{r.Header, body}
	}))
	t.Cleanup(receiver.Close)
	return receiver.URL, arrived
}

func wait(t *testing.T, letters <-chan letter) letter {
	t.Helper()
	select {
	case l := <-letters:
		return l
	case <-time.After(20 * time.Second):
		t.Fatal("no webhook arrived")
		return letter{}
	}
}

// verify checks both signatures as receivers would: one written out here, one by the official library.
func verify(t *testing.T, secret string, l letter) {
	t.Helper()
	timestamp := l.header.Get("X-EggAPI-Timestamp")
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write([]byte(timestamp + "." + string(l.body)))
	if want := "sha256=" + hex.EncodeToString(mac.Sum(nil)); l.header.Get("X-EggAPI-Signature") != want {
		t.Errorf("X-EggAPI-Signature is %s, want %s", l.header.Get("X-EggAPI-Signature"), want)
	}
	if sent, err := strconv.ParseInt(timestamp, 10, 64); err != nil || time.Since(time.Unix(sent, 0)).Abs() > time.Minute {
		t.Errorf("X-EggAPI-Timestamp is %q", timestamp)
	}
	official, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	if err := official.Verify(l.body, l.header); err != nil {
		t.Errorf("Standard Webhooks: %v", err)
	}
	if l.header.Get("Content-Type") != "application/json" {
		t.Errorf("Content-Type is %q", l.header.Get("Content-Type"))
	}
}

func TestWebhook_EndOfATaskIsAnnouncedOnceAndSignedTwice(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{})
	secret := data[apiclient.WebhookSecret](t, s.do(t, request{method: http.MethodPost, path: "/v1/webhooks/secret"}.with(s.withPage(s.ada.Cookie)))).Secret
	url, letters := mailbox(t)
	for _, tt := range []struct{ prompt, event, status string }{
		{"a fox", "task.completed", "completed"},
		{"a fox [[moderation]]", "task.failed", "failed"},
	} {
		created := s.Generate(t, s.ada.LiveKey, apiclient.GenerateRequest{Prompt: tt.prompt, WebhookURL: &url})
		l := wait(t, letters)
		verify(t, secret, l)
		done := s.WaitForEnd(t, s.ada.LiveKey, created.ID)
		var got map[string]any
		if err := json.Unmarshal(l.body, &got); err != nil {
			t.Fatal(err)
		}
		want := map[string]any{
			"event": tt.event, "task_id": created.ID, "status": tt.status, "model": "nanobanana", "output": nil, "error": nil,
			"cost": "0.000000", "timestamp": got["timestamp"],
		}
		if tt.status == "completed" {
			want["cost"] = "0.010000"
			want["output"] = map[string]any{"url": done.Output.URL, "urls": []any{done.Output.URL}}
		} else {
			want["error"] = "Content moderation: prompt contains prohibited content"
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: want (-), got (+)\n%s", tt.event, diff)
		}
		ended := done.CompletedAt.Unix()
		if sent := int64(got["timestamp"].(float64)); sent < ended-2 || sent > ended+2 {
			t.Errorf("the timestamp is %d, the task ended at %d", sent, ended)
		}
		if err := apitest.Contract().Components.Schemas["WebhookPayload"].Value.VisitJSON(got); err != nil {
			t.Errorf("the payload is not the contract's: %v", err)
		}
	}
	select {
	case l := <-letters:
		t.Errorf("a third webhook: %s", l.body)
	default:
	}
}

func TestWebhook_WithoutASecretOneIsMadeSoThatNoneGoesUnsigned(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{Providers: brushes()})
	url, letters := mailbox(t)
	s.Generate(t, s.ada.TestKey, apiclient.GenerateRequest{Prompt: "a fox", WebhookURL: &url})
	l := wait(t, letters)
	secret, err := s.Node.Secrets.Ensure(t.Context(), s.ada.UserID)
	if err != nil {
		t.Fatal(err)
	}
	verify(t, secret, l)
	if status := data[apiclient.WebhookSecretStatus](t, s.do(t, get("/v1/webhooks/secret", s.withCookie(s.ada.Cookie)))); !status.Configured {
		t.Errorf("the status is %+v", status)
	}
}

func TestWebhookSecret_IsShownOnceAndReplacedAndForgotten(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	eve := s.newAccount(t)
	shape := regexp.MustCompile(`^whsec_[A-Za-z0-9+/]{43}=$`)
	ask := func(method, cookie string) answer {
		return s.do(t, request{method: method, path: "/v1/webhooks/secret"}.with(s.withPage(cookie)))
	}
	if got := string(ask(http.MethodGet, s.ada.Cookie).body); !strings.Contains(got, `{"configured":false}`) {
		t.Errorf("at first: %s", got)
	}
	seen := map[string]bool{}
	for range 2 {
		a := ask(http.MethodPost, s.ada.Cookie)
		made := data[apiclient.WebhookSecret](t, a)
		if a.status != http.StatusCreated || !shape.MatchString(made.Secret) || !made.Configured || seen[made.Secret] {
			t.Errorf("made: %d %s", a.status, a.body)
		}
		seen[made.Secret] = true
		if n := one[int](t, s.Pool, `select count(*) from webhook_secrets where position(convert_to($1, 'utf8') in ciphertext) > 0`,
			strings.TrimPrefix(made.Secret, "whsec_")); n != 0 {
			t.Error("the secret lies open in the database")
		}
		status := ask(http.MethodGet, s.ada.Cookie)
		if got := data[map[string]any](t, status); got["configured"] != true || !wholeSeconds.MatchString(got["created_at"].(string)) || len(got) != 2 {
			t.Errorf("the status is %s", status.body)
		}
	}
	if got := string(ask(http.MethodGet, eve.Cookie).body); !strings.Contains(got, `{"configured":false}`) {
		t.Errorf("somebody else's: %s", got)
	}
	ask(http.MethodDelete, eve.Cookie)
	if got := data[apiclient.WebhookSecretStatus](t, ask(http.MethodGet, s.ada.Cookie)); !got.Configured {
		t.Error("somebody else removed the secret")
	}
	for range 2 {
		if a := ask(http.MethodDelete, s.ada.Cookie); a.status != http.StatusOK || !strings.Contains(string(a.body), `{"configured":false}`) {
			t.Errorf("removed: %d %s", a.status, a.body)
		}
	}
	if got := string(ask(http.MethodGet, s.ada.Cookie).body); !strings.Contains(got, `{"configured":false}`) {
		t.Errorf("at last: %s", got)
	}
}
