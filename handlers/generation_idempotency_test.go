package handlers_test

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/eggapi/eggapi/gen/apiclient"
	"github.com/eggapi/eggapi/internal/apitest"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// once is a request for an image under an Idempotency-Key.
func once(credential http.Header, idempotencyKey, body string) request {
	return post("/v1/generate", body, credential).with(http.Header{"Idempotency-Key": {idempotencyKey}})
}

func TestGenerate_ReplayGivesTheFirstAnswerAgainAndChargesOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{Providers: brushes()})
	const body = `{"model":"nanobanana","prompt":"a fox","num_outputs":2}`
	first := s.do(t, once(withKey(s.ada.LiveKey), "order-1", body))
	created := data[apiclient.Task](t, first)
	s.WaitForEnd(t, s.ada.LiveKey, created.ID)
	for name, again := range map[string]request{
		"the same":            once(withKey(s.ada.LiveKey), "order-1", body),
		"other order":         once(withKey(s.ada.LiveKey), "order-1", ` {"num_outputs":2, "prompt":"a \u0066ox","model":"nanobanana"}`),
		"defaults written":    once(withKey(s.ada.LiveKey), "order-1", `{"model":"nanobanana","prompt":"a fox","num_outputs":2,"aspect_ratio":"16:9"}`),
		"from the dashboard":  once(s.withPage(s.ada.Cookie), "order-1", body),
		"with a charset, too": once(withKey(s.ada.LiveKey), "order-1", body).with(http.Header{"Content-Type": {"application/json; charset=UTF-8"}}),
	} {
		a := s.do(t, again)
		if a.status != http.StatusAccepted || a.header.Get("Idempotent-Replayed") != "true" || string(a.body) != string(first.body) {
			t.Errorf("%s: %d %q %s, first %s", name, a.status, a.header.Get("Idempotent-Replayed"), a.body, first.body)
		}
	}
	if first.header.Get("Idempotent-Replayed") != "" {
		t.Error("the first answer says that it is a replay")
	}
	if got := s.balance(t) + " " + s.usage(t, s.ada.LiveKey); got != "$99.9800 $0.00 $99.9800 nanobanana 2 $0.0200 1;" {
		t.Errorf("balance and usage are %s", got)
	}
	s.CheckBooks(t)
}

func TestGenerate_KeyUsedForAnotherRequestIsRefused(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	first := data[apiclient.Task](t, s.do(t, once(withKey(s.ada.LiveKey), "order-1", prompt)))
	before := s.stored(t)
	for _, body := range []string{
		`{"model":"nanobanana","prompt":"an owl"}`,
		`{"model":"nanobanana-pro","prompt":"a fox"}`,
		`{"model":"nanobanana","prompt":"a fox","num_outputs":2}`,
		`{"model":"nanobanana","prompt":"a fox","aspect_ratio":"9:16"}`,
		`{"model":"nanobanana","prompt":"a fox","negative_prompt":"red"}`,
		`{"model":"nanobanana","prompt":"a fox","duration":5}`,
		`{"model":"nanobanana","prompt":"a fox","resolution":"4k"}`,
		`{"model":"nanobanana","prompt":"a fox","image_urls":["http://127.0.0.1/a.png"]}`,
		`{"model":"nanobanana","prompt":"a fox","webhook_url":"http://127.0.0.1/hook"}`,
	} {
		a := s.do(t, once(withKey(s.ada.LiveKey), "order-1", body))
		expect(t, a, 422, "IDEMPOTENCY_MISMATCH", "This Idempotency-Key was used with another request")
		if strings.Contains(string(a.body), first.ID) {
			t.Errorf("the refusal tells of the first task: %s", a.body)
		}
	}
	if after := s.stored(t); after != before {
		t.Errorf("stored %s, before %s", after, before)
	}
}

func TestGenerate_KeysOfOthersAndOfTheOtherEnvironmentAreOtherKeys(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	eve := s.newAccount(t)
	ids := map[string]bool{}
	for _, key := range []string{s.ada.LiveKey, s.ada.TestKey, eve.LiveKey, eve.TestKey} {
		a := s.do(t, once(withKey(key), "order-1", prompt))
		if a.header.Get("Idempotent-Replayed") != "" {
			t.Errorf("somebody else's task was given out: %s", a.body)
		}
		ids[data[apiclient.Task](t, a).ID] = true
	}
	if len(ids) != 4 {
		t.Errorf("four requests made %v", ids)
	}
}

func TestGenerate_ManyAtOnceWithOneKeyMakeOneTask(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	answers := make([]answer, 16)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i] = s.do(t, once(withKey(s.ada.LiveKey), "order-1", prompt)) })
	}
	wg.Wait()
	firsts := 0
	for _, a := range answers {
		if a.status != http.StatusAccepted || string(a.body) != string(answers[0].body) {
			t.Errorf("answered %d %s", a.status, a.body)
		}
		if a.header.Get("Idempotent-Replayed") == "" {
			firsts++
		}
	}
	if firsts != 1 {
		t.Errorf("%d answers claim to be the first", firsts)
	}
	if got := s.balance(t); got != "$100.0000 $0.0100 $99.9900" {
		t.Errorf("the balance is %s", got)
	}
}

func TestGenerate_KeyOfARequestStillUnderWayIsAConflict(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	tx, err := s.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	if _, err := tx.Exec(t.Context(), `insert into idempotency_keys (user_id, environment, key, fingerprint, task_id, expires_at)
		values ($1, 'live', 'order-1', '', 'gen_x', now() + interval '1 day')`, s.ada.UserID); err != nil {
		t.Fatal(err)
	}
	a := s.do(t, once(withKey(s.ada.LiveKey), "order-1", prompt))
	expect(t, a, 409, "CONFLICT", "A request with this Idempotency-Key is still running")
	if a.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a := s.do(t, once(withKey(s.ada.LiveKey), "order-1", prompt)); a.status != http.StatusAccepted {
		t.Errorf("once that has come to nothing: %d %s", a.status, a.body)
	}
}

func TestGenerate_KeyIsForgottenAfterADay(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	first := data[apiclient.Task](t, s.do(t, once(withKey(s.ada.LiveKey), "order-1", prompt)))
	if got := one[string](t, s.Pool, `select (expires_at - now() between interval '23:59' and interval '24:00')::text from idempotency_keys`); got != "true" {
		t.Error("a key is not kept for 24 hours")
	}
	s.exec(t, `update idempotency_keys set expires_at = now()`)
	a := s.do(t, once(withKey(s.ada.LiveKey), "order-1", `{"model":"nanobanana","prompt":"an owl"}`))
	if second := data[apiclient.Task](t, a); second.ID == first.ID || a.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("after a day: %v %s", a.header, a.body)
	}
}

func TestGenerate_KeyHasOneToTwoHundredFiftyFiveVisibleCharacters(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	for _, key := range []string{"!", "~", strings.Repeat("k", 255), `"quoted",=;`, "O'Brien--"} {
		if a := s.do(t, once(withKey(s.ada.LiveKey), key, prompt)); a.status != http.StatusAccepted {
			t.Errorf("%q: %d %s", key, a.status, a.body)
		}
	}
	before := s.stored(t)
	for _, key := range []string{"", strings.Repeat("k", 256), "two words", "tab\tbed", "schlüssel", "\xff"} {
		a := s.do(t, once(withKey(s.ada.LiveKey), key, prompt))
		expect(t, a, 400, "BAD_REQUEST", "request is malformed")
		if f := a.refusal().Fields; len(f) != 1 || f[0].In != "header" || f[0].Name != "Idempotency-Key" {
			t.Errorf("%q: fields are %+v", key, f)
		}
	}
	two := s.do(t, post("/v1/generate", prompt, withKey(s.ada.LiveKey)).with(http.Header{"Idempotency-Key": {"a", "b"}}))
	expect(t, two, 400, "BAD_REQUEST", "request is malformed")
	if after := s.stored(t); after != before {
		t.Errorf("stored %s, before %s", after, before)
	}
}
