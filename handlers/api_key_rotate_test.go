package handlers_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eggapi/eggapi/gen/apiclient"
	"github.com/eggapi/eggapi/internal/apitest"
)

func (s *stage) rotateKey(t testing.TB, keyID, body, idempotencyKey string) answer {
	t.Helper()
	r := post("/v1/api-keys/"+keyID+"/rotate", body, s.withPage(s.ada.Cookie))
	if idempotencyKey != "" {
		r = r.with(http.Header{"Idempotency-Key": {idempotencyKey}})
	}
	return s.do(t, r)
}

func scanText(t testing.TB, s *stage, query string, args ...any) (text string) {
	t.Helper()
	if err := s.Pool.QueryRow(t.Context(), query, args...).Scan(&text); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return text
}

func TestRotateAPIKey_BothSecretsWorkUntilTheOldOneEnds(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	now := time.Now().UTC().Truncate(time.Second)
	s := newStage(t, apitest.Options{NoWork: true, Clock: func() time.Time { mu.Lock(); defer mu.Unlock(); return now }})
	s.ada.Cookie = s.newSession(t, s.ada.UserID, now.AddDate(1, 0, 0))
	later := func(d time.Duration) { mu.Lock(); defer mu.Unlock(); now = now.Add(d) }
	if a := s.do(t, get("/v1/me", withKey(s.ada.LiveKey))); a.status != http.StatusOK {
		t.Fatalf("before: %d %s", a.status, a.body)
	}
	if err := s.Node.Keyring.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	later(time.Second)
	rotated := data[apiclient.CreatedAPIKey](t, s.rotateKey(t, s.ada.LiveID, `{}`, ""))
	if rotated.ID != s.ada.LiveID || rotated.Secret == s.ada.LiveKey || rotated.Hint != rotated.Secret[:13]+"…"+rotated.Secret[43:] {
		t.Fatalf("rotated: %+v", rotated)
	}
	end := now.Add(24 * time.Hour)
	if len(rotated.Secrets) != 2 || rotated.Secrets[0].ExpiresAt != nil || rotated.Secrets[0].LastUsedAt != nil ||
		rotated.Secrets[1].ExpiresAt == nil || !rotated.Secrets[1].ExpiresAt.Equal(end) || rotated.Secrets[1].LastUsedAt == nil {
		t.Errorf("secrets: %+v", rotated.Secrets)
	}
	s.becomes(t, rotated.Secret, ok)
	s.becomes(t, s.ada.LiveKey, ok)
	expect(t, s.rotateKey(t, s.ada.LiveID, `{}`, ""), http.StatusConflict, "CONFLICT",
		"Two secrets of this API key work already; wait until the older one ends")
	made := s.Generate(t, rotated.Secret, apiclient.GenerateRequest{Prompt: "a fox"})
	if got := scanText(t, s, `select api_key_id from tasks where id = $1`, made.ID); got != s.ada.LiveID {
		t.Errorf("the task is of %s", got)
	}
	later(24*time.Hour - time.Second)
	s.becomes(t, s.ada.LiveKey, ok)
	later(time.Second)
	s.becomes(t, s.ada.LiveKey, expired)
	s.becomes(t, rotated.Secret, ok)
	again := data[apiclient.CreatedAPIKey](t, s.rotateKey(t, s.ada.LiveID, `{"overlap_seconds":0}`, ""))
	s.becomes(t, rotated.Secret, expired)
	s.becomes(t, again.Secret, ok)
	if err := s.Node.Keyring.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	shown := data[apiclient.APIKey](t, s.do(t, get("/v1/api-keys/"+s.ada.LiveID, s.withCookie(s.ada.Cookie))))
	if len(shown.Secrets) != 1 || shown.Secrets[0].LastUsedAt == nil || shown.RequestCount < 5 {
		t.Errorf("in the end: %+v", shown)
	}
}

func TestRotateAPIKey_ALostAnswerIsHadAgainForTenMinutes(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	now := time.Now().UTC().Truncate(time.Second)
	s := newStage(t, apitest.Options{NoWork: true, Clock: func() time.Time { mu.Lock(); defer mu.Unlock(); return now }})
	const lost, body = "a-key-that-nobody-guesses", `{"overlap_seconds":3600}`
	first := s.rotateKey(t, s.ada.LiveID, body, lost)
	made := data[apiclient.CreatedAPIKey](t, first)
	again := s.rotateKey(t, s.ada.LiveID, body, lost)
	if diff := cmp.Diff(made, data[apiclient.CreatedAPIKey](t, again)); diff != "" || again.header.Get("Idempotent-Replayed") != "true" || first.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("again (+): %v\n%s", again.header, diff)
	}
	for keyID, other := range map[string]string{s.ada.LiveID: `{"overlap_seconds":1}`, s.ada.TestID: body} {
		expect(t, s.rotateKey(t, keyID, other, lost), http.StatusUnprocessableEntity, "IDEMPOTENCY_MISMATCH", "This Idempotency-Key was used with another request")
	}
	stored := scanText(t, s, `select string_agg(r::text, ' ') from api_key_rotations r`)
	if strings.Contains(stored, lost) || strings.Contains(stored, made.Secret[13:41]) {
		t.Error("the answer is stored as it is")
	}
	mu.Lock()
	now = now.Add(10 * time.Minute)
	mu.Unlock()
	expect(t, s.rotateKey(t, s.ada.LiveID, body, lost), http.StatusConflict, "CONFLICT",
		"Two secrets of this API key work already; wait until the older one ends")
	if err := s.Node.Keyring.ForgetAnswers(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := scanText(t, s, `select count(*)::text from api_key_rotations`); got != "0" {
		t.Errorf("%s answers are kept", got)
	}
}

func TestRotateAPIKey_OfTwoAtOnceOneWins(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	var all sync.WaitGroup
	answers := make([]answer, 8)
	for i := range answers {
		all.Go(func() { answers[i] = s.rotateKey(t, s.ada.LiveID, `{}`, "") })
	}
	all.Wait()
	won := 0
	for _, a := range answers {
		if a.status == http.StatusOK {
			won++
		} else if a.status != http.StatusConflict {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	if won != 1 {
		t.Errorf("%d rotations took place", won)
	}
	expect(t, s.rotateKey(t, "key_none", `{}`, ""), http.StatusNotFound, "NOT_FOUND", "API key not found")
	s.revokeKey(t, s.ada.TestID)
	expect(t, s.rotateKey(t, s.ada.TestID, `{}`, ""), http.StatusConflict, "CONFLICT", "API key has been revoked")
}
