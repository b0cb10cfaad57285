package mock_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/eggapi/eggapi/internal/apitest"
	"github.com/eggapi/eggapi/internal/mock"
	"github.com/eggapi/eggapi/internal/webhook"
)

// delivery is a webhook as it arrived.
type delivery struct {
	header http.Header
	body   []byte
}

// receive takes webhooks, answers them with the statuses in order and the last one again, and hands them over.
func receive(t *testing.T, statuses ...int) (url string, got chan delivery) {
	t.Helper()
	got = make(chan delivery, 16)
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read a webhook: %v", err)
		}
		w.WriteHeader(statuses[min(n, len(statuses)-1)])
		n++ // one try after the other
		got <- delivery{r.Header, body}
	}))
	t.Cleanup(s.Close)
	return s.URL, got
}

func verify(secret string, d delivery) error {
	return webhook.Verify(secret, d.header.Get, d.body, time.Now(), time.Minute)
}

func wait(t *testing.T, got chan delivery) delivery {
	t.Helper()
	select {
	case d := <-got:
		return d
	case <-time.After(20 * time.Second):
		t.Fatal("no webhook came")
		return delivery{}
	}
}

func TestWebhooks_AreSignedWithThePrintedSecretAndTriedAgain(t *testing.T) {
	t.Parallel()
	url := newMock(t, mock.Options{})
	hook, got := receive(t, http.StatusInternalServerError, http.StatusNoContent)
	taskID := generate(t, url, fmt.Sprintf(`{"model":"nanobanana","prompt":"[[moderation]]","webhook_url":%q}`, hook))
	first, second := wait(t, got), wait(t, got)
	for _, d := range []delivery{first, second} {
		if err := verify(mock.WebhookSecret, d); err != nil {
			t.Errorf("%v: %s", err, d.body)
		}
	}
	if first.header.Get("Webhook-Id") != second.header.Get("Webhook-Id") || string(first.body) != string(second.body) {
		t.Errorf("the second try is another event: %v %s", second.header, second.body)
	}
	event := answer{body: first.body}
	if event.member("event") != "task.failed" || event.member("task_id") != taskID {
		t.Errorf("event: %s", first.body)
	}
}

func TestWebhooks_EndWhenTheReceiverIsGone(t *testing.T) {
	t.Parallel()
	url := newMock(t, mock.Options{WebhookSchedule: []time.Duration{0, time.Millisecond}})
	gone, fromGone := receive(t, http.StatusGone)
	generate(t, url, fmt.Sprintf(`{"model":"nanobanana","prompt":"a fox","webhook_url":%q}`, gone))
	wait(t, fromGone)
	// Had there been a second try, it would have come before the last of another event, asked for later.
	broken, fromBroken := receive(t, http.StatusInternalServerError)
	generate(t, url, fmt.Sprintf(`{"model":"nanobanana","prompt":"a fox","webhook_url":%q}`, broken))
	wait(t, fromBroken)
	wait(t, fromBroken)
	if len(fromGone) > 0 {
		t.Error("a receiver that was gone was called again")
	}
}

func TestWebhooks_OfAUserAreSignedWithHisOwnSecret(t *testing.T) {
	t.Parallel()
	url := newMock(t, mock.Options{})
	ada := signUp(t, url)
	hook, got := receive(t, http.StatusNoContent)
	body := fmt.Sprintf(`{"model":"nanobanana","prompt":"a fox","webhook_url":%q}`, hook)
	ask := call{method: http.MethodPost, path: "/v1/generate", body: body, header: ada}
	send(t, url, ask)
	if verify(mock.WebhookSecret, wait(t, got)) == nil {
		t.Error("without a secret of her own, Ada's webhooks are signed with the printed one")
	}
	apitest.Eventually(t, "she has one, unseen", func() bool {
		status := send(t, url, call{method: http.MethodGet, path: "/v1/webhooks/secret", header: ada})
		return status.member("data.created_at") != ""
	})
	replaced := send(t, url, call{method: http.MethodPost, path: "/v1/webhooks/secret", header: ada})
	send(t, url, ask)
	if err := verify(replaced.member("data.secret"), wait(t, got)); err != nil {
		t.Error(err)
	}
}
