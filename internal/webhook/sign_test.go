package webhook_test

import (
	"bytes"
	"errors"
	"net/http"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/eggapi/eggapi/internal/webhook"
)

// The secret of the golden values: whsec_ and the bytes 0 to 31.
const goldenSecret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

// TestSign_GoldenValues compares with values made by another language's HMAC.
func TestSign_GoldenValues(t *testing.T) {
	t.Parallel()
	got := webhook.Sign(goldenSecret, "evt_01", time.Unix(1764000000, 999), []byte(`{"event":"task.completed"}`))
	want := map[string]string{
		"X-EggAPI-Timestamp": "1764000000",
		"X-EggAPI-Signature": "sha256=967f2eef977259a9bfaece7038b694d51b1c0046a9dcb63037e72c1f78435d19",
		"webhook-id":         "evt_01",
		"webhook-timestamp":  "1764000000",
		"webhook-signature":  "v1,OQirXhyINgBOk2vQyE+DlUl4sybS199yXl2t0Ub+DOk=",
	}
	for name, value := range want {
		wantText(t, name, got[name], value)
	}
	if len(got) != len(want) {
		t.Errorf("got %d headers, want %d", len(got), len(want))
	}
}

func TestSign_SecretWithoutAKeyGetsNoStandardSignature(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{"", "whsec_", "whsec_%%%", "AAECAwQFBgcICQoLDA0ODw=="} {
		headers := signed(secret, "evt_01", start, []byte("{}"))
		if _, ok := headers["Webhook-Signature"]; ok {
			t.Errorf("secret %q signs by Standard Webhooks", secret)
		}
		if err := webhook.Verify(secret, headers.Get, []byte("{}"), start, time.Minute); !errors.Is(err, webhook.ErrSignature) {
			t.Errorf("secret %q verifies: %v", secret, err)
		}
	}
}

func FuzzSign_OfficialVerifierAcceptsAndOneChangedByteFails(f *testing.F) {
	f.Add([]byte(`{"event":"task.failed"}`), uint(3))
	f.Add([]byte{}, uint(0))
	f.Add([]byte("\x00\xff.\n."), uint(9))
	f.Add(bytes.Repeat([]byte("é"), 5000), uint(77))
	verifier, err := standardwebhooks.NewWebhook(goldenSecret)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte, at uint) {
		headers := signed(goldenSecret, "evt_01", start, body)
		must(t, verifier.VerifyIgnoringTimestamp(body, headers))
		must(t, webhook.Verify(goldenSecret, headers.Get, body, start, 0))
		changed := append([]byte{'x'}, body...)
		if len(body) > 0 {
			changed = bytes.Clone(body)
			changed[at%uint(len(body))] ^= 1
		}
		if verifier.VerifyIgnoringTimestamp(changed, headers) == nil {
			t.Error("the official verifier takes a changed body")
		}
		if webhook.Verify(goldenSecret, headers.Get, changed, start, 0) == nil {
			t.Error("Verify takes a changed body")
		}
	})
}

func TestVerify_OneChangedByteInAnyHeaderFails(t *testing.T) {
	t.Parallel()
	body := []byte(`{"event":"task.completed"}`)
	for name := range webhook.Sign(goldenSecret, "evt_01", start, body) {
		headers := signed(goldenSecret, "evt_01", start, body)
		value := []byte(headers.Get(name))
		value[len(value)-2] ^= 1
		headers.Set(name, string(value))
		if webhook.Verify(goldenSecret, headers.Get, body, start, time.Hour) == nil {
			t.Errorf("%s may be changed", name)
		}
		headers.Del(name)
		if webhook.Verify(goldenSecret, headers.Get, body, start, time.Hour) == nil {
			t.Errorf("%s may be missing", name)
		}
	}
	headers := signed(goldenSecret, "evt_01", start, body)
	other := "whsec_/" + goldenSecret[len("whsec_")+1:]
	if err := webhook.Verify(other, headers.Get, body, start, time.Hour); !errors.Is(err, webhook.ErrSignature) {
		t.Errorf("another secret gives %v", err)
	}
}

func TestVerify_ToleranceBoundsAgeBothWays(t *testing.T) {
	t.Parallel()
	body := []byte("{}")
	headers := signed(goldenSecret, "evt_01", start, body)
	for _, c := range []struct {
		age  time.Duration
		want error
	}{
		{299 * time.Second, nil},
		{300 * time.Second, nil},
		{301 * time.Second, webhook.ErrTimestamp},
		{-300 * time.Second, nil},
		{-301 * time.Second, webhook.ErrTimestamp},
	} {
		err := webhook.Verify(goldenSecret, headers.Get, body, start.Add(c.age), 300*time.Second)
		if !errors.Is(err, c.want) {
			t.Errorf("age %v gives %v, want %v", c.age, err, c.want)
		}
	}
	for _, junk := range []string{"", "-1", "+1763899200", " 1763899200", "1.7e9", "9223372036854775807", "99999999999999999999"} {
		headers := signed(goldenSecret, "evt_01", start, body)
		headers.Set(webhook.HeaderTimestamp, junk)
		if err := webhook.Verify(goldenSecret, headers.Get, body, start, 300*time.Second); !errors.Is(err, webhook.ErrTimestamp) {
			t.Errorf("timestamp %q gives %v", junk, err)
		}
	}
}

func TestVerify_AcceptsOneOfSeveralSignatures(t *testing.T) {
	t.Parallel()
	body := []byte("{}")
	headers := signed(goldenSecret, "evt_01", start, body)
	headers.Set(webhook.HeaderStandardSignature, "v1,AAAA "+headers.Get(webhook.HeaderStandardSignature))
	must(t, webhook.Verify(goldenSecret, headers.Get, body, start, 0))
}

func signed(secret, eventID string, at time.Time, body []byte) http.Header {
	h := http.Header{}
	for name, value := range webhook.Sign(secret, eventID, at, body) {
		h.Set(name, value)
	}
	return h
}
