package handlers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"image"
	"image/png"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eggapi/eggapi/gen/apiclient"
	"github.com/eggapi/eggapi/internal/apitest"
	"github.com/eggapi/eggapi/internal/provider"
)

var (
	wholeSeconds = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`)
	taskID       = regexp.MustCompile(`^gen_[0-9a-z]{26}$`)
)

// brush is a provider that paints at once: for tests that ask what an image costs, not how it looks.
type brush struct{}

// Submit gives as many tiny pictures as are asked for.
func (brush) Submit(_ context.Context, r provider.Request) (provider.Submission, error) {
	result := &provider.Result{}
	for range r.Count {
		result.Images = append(result.Images, provider.Image{Data: picture(2, 1), MIME: "image/png", Width: 2, Height: 1})
	}
	return provider.Submission{Done: result}, nil
}

// Poll is never called.
func (brush) Poll(context.Context, provider.Ref) (provider.Status, error) {
	return provider.Status{}, provider.ErrUnsupported
}

// Cancel does nothing.
func (brush) Cancel(context.Context, provider.Ref) error { return nil }

func brushes() provider.Registry { return provider.Registry{"sandbox": brush{}} }

func picture(width, height int) []byte {
	var b bytes.Buffer
	_ = png.Encode(&b, image.NewGray(image.Rect(0, 0, width, height)))
	return b.Bytes()
}

func TestGenerate_MainJobEndToEnd(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.Options{})
	a := s.NewAccount(t)
	accepted := s.Generate(t, a.LiveKey, apiclient.GenerateRequest{Prompt: "a fox"})
	if accepted.Status != "pending" || accepted.Cost != "$0.00" || accepted.Output != nil || accepted.StartedAt != nil {
		t.Errorf("accepted as %+v", accepted)
	}
	done := s.WaitForEnd(t, a.LiveKey, accepted.ID)
	if done.Status != "completed" || done.Cost != "$0.0100" || len(done.Output.Urls) != 1 {
		t.Fatalf("ended as %+v", done)
	}
	if want := s.URL + "/files/images/" + done.ID + "/0.png"; done.Output.URL != want || done.Output.Urls[0] != want {
		t.Errorf("the image is at %+v, want %s", done.Output, want)
	}
	file := send(t, apitest.Checked(t), "", get(done.Output.URL, nil))
	drawn, kind, err := image.DecodeConfig(bytes.NewReader(file.body))
	if err != nil || kind != "png" || drawn.Width != 1376 || drawn.Height != 768 {
		t.Errorf("the image is %s %d x %d: %v", kind, drawn.Width, drawn.Height, err)
	}
	if file.header.Get("Content-Type") != "image/png" || file.header.Get("X-Content-Type-Options") != "nosniff" ||
		!strings.Contains(file.header.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("the image comes with %v", file.header)
	}
	s.CheckBooks(t)
}

func TestGenerate_AnswersAtOnceWithAPendingTaskAndNothingElse(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	a := s.do(t, post("/v1/generate", prompt, withKey(s.ada.LiveKey)))
	task := data[map[string]any](t, a)
	if a.status != http.StatusAccepted || a.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("answered %d %v", a.status, a.header)
	}
	if got := slices.Sorted(maps.Keys(task)); !slices.Equal(got, []string{"cost", "created_at", "id", "model", "status", "type"}) {
		t.Errorf("the task has %v", got)
	}
	if task["status"] != "pending" || task["cost"] != "$0.00" || task["model"] != "nanobanana" || task["type"] != "image_generate" {
		t.Errorf("the task is %v", task)
	}
	if !taskID.MatchString(task["id"].(string)) || !wholeSeconds.MatchString(task["created_at"].(string)) {
		t.Errorf("the task is %v", task)
	}
	var envelope map[string]json.RawMessage
	if err := json.Unmarshal(a.body, &envelope); err != nil || len(envelope) != 2 || string(envelope["error"]) != "null" {
		t.Errorf("the envelope is %s: %v", a.body, err)
	}
}

func TestGenerate_WhatIsLeftOutIsAsTheContractSays(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	created := s.Generate(t, s.ada.LiveKey, apiclient.GenerateRequest{Prompt: "a fox"})
	declared := apitest.Contract().Components.Schemas["GenerateRequest"].Value.Properties
	want := map[string]any{
		"aspect_ratio": declared["aspect_ratio"].Value.Default, "num_outputs": declared["num_outputs"].Value.Default,
		"resolution": one[string](t, s.Pool, `select default_resolution from models where id = 'nanobanana'`),
		"type":       "image_generate", "negative_prompt": nil, "duration_seconds": nil, "image_urls": []any{}, "webhook_url": nil,
		"environment": "live", "api_key_id": s.ada.LiveID,
	}
	var got map[string]any
	row := one[string](t, s.Pool, `select to_json(x)::text from (select aspect_ratio, num_outputs, resolution, type, negative_prompt,
		duration_seconds, image_urls, webhook_url, environment, api_key_id from tasks where id = $1) x`, created.ID)
	if err := json.Unmarshal([]byte(row), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("contract (-), stored (+)\n%s", diff)
	}
}

func TestGenerate_EverythingAskedForIsStoredAsAsked(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	body := `{"model":"nanobanana-pro","prompt":"a <fox> & 'owl' \u00e9 🥚","negative_prompt":"","aspect_ratio":"9:16","num_outputs":4,
		"duration":60,"resolution":"2k","image_urls":["http://127.0.0.1/a.png"],"webhook_url":"http://127.0.0.1/hook?a=b"}`
	a := s.do(t, post("/v1/generate", body, s.withPage(s.ada.Cookie)))
	created := data[apiclient.Task](t, a)
	if created.Type != "image_edit" || created.Model != "nanobanana-pro" {
		t.Errorf("created %+v", created)
	}
	got := one[string](t, s.Pool, `select concat_ws('|', model, prompt, negative_prompt, aspect_ratio, num_outputs, duration_seconds,
		resolution, image_urls, webhook_url, type, environment, coalesce(api_key_id, 'no key'), unit_price_micros) from tasks where id = $1`, created.ID)
	want := "nanobanana-pro|a <fox> & 'owl' é 🥚||9:16|4|60|2k|{http://127.0.0.1/a.png}|http://127.0.0.1/hook?a=b|image_edit|live|no key|16000"
	if got != want {
		t.Errorf("stored %s\nwant %s", got, want)
	}
}

func TestGenerate_KOfNDeliveredIsPaidForK(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{})
	four := int32(4)
	created := s.Generate(t, s.ada.LiveKey, apiclient.GenerateRequest{Prompt: "a fox [[partial:2]]", NumOutputs: &four})
	if held := s.balance(t); held != "$100.0000 $0.0400 $99.9600" && held != "$99.9800 $0.00 $99.9800" {
		t.Errorf("the balance while it runs or after: %s", held)
	}
	done := s.WaitForEnd(t, s.ada.LiveKey, created.ID)
	if done.Status != "completed" || done.Cost != "$0.0200" || len(done.Output.Urls) != 2 || done.Output.URL != done.Output.Urls[0] {
		t.Errorf("ended as %+v", done)
	}
	if got := s.balance(t); got != "$99.9800 $0.00 $99.9800" {
		t.Errorf("the balance is %s", got)
	}
	if got := s.usage(t, s.ada.LiveKey); got != `nanobanana 2 $0.0200 1;` {
		t.Errorf("the usage is %s", got)
	}
	s.CheckBooks(t)
}

func TestGenerate_BlockedPromptFailsWithTheExactTextAndCostsNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{})
	created := s.Generate(t, s.ada.LiveKey, apiclient.GenerateRequest{Prompt: "a fox [[moderation]]"})
	done := s.WaitForEnd(t, s.ada.LiveKey, created.ID)
	if done.Status != "failed" || done.Cost != "$0.00" || done.Output != nil {
		t.Errorf("ended as %+v", done)
	}
	if done.Error == nil || *done.Error != "Content moderation: prompt contains prohibited content" {
		t.Errorf("the error is %v", done.Error)
	}
	if done.Failure == nil || done.Failure.Code != "content_rejected" || done.Failure.Retryable {
		t.Errorf("the failure is %+v", done.Failure)
	}
	if got := s.balance(t) + " " + s.usage(t, s.ada.LiveKey); got != "$100.0000 $0.00 $100.0000 " {
		t.Errorf("balance and usage are %s", got)
	}
	s.CheckBooks(t)
}

func TestGenerate_ImageURLsMakeAnEditOfWhatIsThere(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{})
	images := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/fox.png" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "image/png")
		_, _ = w.Write(picture(64, 64))
	}))
	t.Cleanup(images.Close)
	edit := func(paths ...string) apiclient.Task {
		urls := make([]string, len(paths))
		for i, path := range paths {
			urls[i] = images.URL + path
		}
		created := s.Generate(t, s.ada.LiveKey, apiclient.GenerateRequest{Prompt: "a hat on it", ImageUrls: urls})
		if created.Type != "image_edit" {
			t.Errorf("created as %s", created.Type)
		}
		return s.WaitForEnd(t, s.ada.LiveKey, created.ID)
	}
	if done := edit("/fox.png", "/fox.png"); done.Status != "completed" || done.Type != "image_edit" || done.Cost != "$0.0100" {
		t.Errorf("the edit ended as %+v", done)
	}
	missing := edit("/fox.png", "/owl.png")
	if missing.Status != "failed" || missing.Cost != "$0.00" || missing.Failure.Code != "invalid_image_url" {
		t.Errorf("the edit of a missing image ended as %+v", missing)
	}
	empty := s.do(t, post("/v1/generate", `{"model":"nanobanana","prompt":"a fox","image_urls":[]}`, withKey(s.ada.LiveKey)))
	if got := data[apiclient.Task](t, empty); got.Type != "image_generate" {
		t.Errorf("no image URLs make %s", got.Type)
	}
	s.CheckBooks(t)
}

func TestGenerate_PricesAreThoseOfTheCatalogueAndFourKOfTheProDoubles(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{Providers: brushes()})
	for _, tt := range []struct {
		model, resolution, cost string
		outputs                 int32
	}{
		{"nanobanana", "1k", "$0.0100", 1},
		{"nanobanana", "2k", "$0.0100", 1},
		{"nanobanana", "4k", "$0.0400", 4},
		{"nanobanana-pro", "1k", "$0.0160", 1},
		{"nanobanana-pro", "2k", "$0.0480", 3},
		{"nanobanana-pro", "4k", "$0.0320", 1},
		{"nanobanana-pro", "4k", "$0.0640", 2},
	} {
		resolution := apiclient.GenerateRequestResolution(tt.resolution)
		created := s.Generate(t, s.ada.LiveKey, apiclient.GenerateRequest{
			Model: tt.model, Prompt: "a fox", Resolution: &resolution, NumOutputs: &tt.outputs,
		})
		if done := s.WaitForEnd(t, s.ada.LiveKey, created.ID); done.Cost != tt.cost || len(done.Output.Urls) != int(tt.outputs) {
			t.Errorf("%d of %s at %s cost %s for %v, want %s", tt.outputs, tt.model, tt.resolution, done.Cost, done.Output, tt.cost)
		}
	}
	if got := s.usage(t, s.ada.LiveKey); got != "nanobanana 6 $0.0600 3;nanobanana-pro 7 $0.1600 4;" {
		t.Errorf("the usage is %s", got)
	}
	s.CheckBooks(t)
}

func TestGenerate_BalanceThatDoesNotCoverItIsRefusedAndNothingIsStored(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	poor := s.newAccount(t)
	s.TopUp(t, poor.UserID, -99_970_000)
	generate := func(outputs string) answer {
		return s.do(t, post("/v1/generate", `{"model":"nanobanana","prompt":"a fox","num_outputs":`+outputs+`}`,
			request{}.with(withKey(poor.LiveKey)).with(http.Header{"Idempotency-Key": {"order-" + outputs}}).header))
	}
	before := s.stored(t)
	expect(t, generate("4"), 403, "INSUFFICIENT_BALANCE", "Balance cannot cover the generated result")
	if after := s.stored(t); after != before {
		t.Errorf("stored %s, before %s", after, before)
	}
	if a := generate("3"); a.status != http.StatusAccepted {
		t.Errorf("what the balance just covers: %d %s", a.status, a.body)
	}
	// What is held counts as spent.
	expect(t, generate("1"), 403, "INSUFFICIENT_BALANCE", "Balance cannot cover the generated result")
	s.TopUp(t, poor.UserID, 40_000)
	if a := generate("4"); a.status != http.StatusAccepted || a.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("the refused request, after a top-up: %d %v", a.status, a.header)
	}
	s.CheckBooks(t)
}

func TestGenerate_TestKeysCostNothingAndShareNothingWithLiveOnes(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{Providers: brushes()})
	poor := s.newAccount(t)
	s.TopUp(t, poor.UserID, -100_000_000)
	created := s.Generate(t, poor.TestKey, apiclient.GenerateRequest{Prompt: "a fox"})
	done := s.WaitForEnd(t, poor.TestKey, created.ID)
	if done.Status != "completed" || done.Cost != "$0.00" {
		t.Errorf("ended as %+v", done)
	}
	live := s.Generate(t, s.ada.LiveKey, apiclient.GenerateRequest{Prompt: "a fox"})
	s.WaitForEnd(t, s.ada.LiveKey, live.ID)
	for _, blind := range []struct {
		who    string
		header http.Header
		task   string
	}{
		{"the live key", withKey(poor.LiveKey), created.ID},
		{"the dashboard", s.withCookie(poor.Cookie), created.ID},
		{"the test key", withKey(s.ada.TestKey), live.ID},
	} {
		expect(t, s.do(t, get("/v1/tasks/"+blind.task, blind.header)), 404, "NOT_FOUND", "Task not found")
		if list := data[apiclient.TaskList](t, s.do(t, get("/v1/tasks", blind.header))); len(list.Items) != 0 || list.Pagination.Total != 0 {
			t.Errorf("%s lists %+v", blind.who, list)
		}
	}
	if got := s.usage(t, poor.TestKey) + s.usage(t, poor.LiveKey) + s.usage(t, s.ada.TestKey); got != "nanobanana 1 $0.00 1;" {
		t.Errorf("the usage is %s", got)
	}
	if n := one[int](t, s.Pool, `select count(*) from ledger_entries where user_id = $1 and kind = 'settle'`, poor.UserID); n != 0 {
		t.Errorf("%d charges of a test key", n)
	}
	s.CheckBooks(t)
}

// balance gives Ada's balance, what is held of it, and what is available.
func (s *stage) balance(t testing.TB) string {
	t.Helper()
	b := data[apiclient.Balance](t, s.do(t, get("/v1/account/balance", s.withCookie(s.ada.Cookie))))
	return b.Balance + " " + b.Held + " " + b.Available
}

// usage gives the usage summary of a key.
func (s *stage) usage(t testing.TB, key string) string {
	t.Helper()
	var b strings.Builder
	for _, u := range data[[]apiclient.UsageSummary](t, s.do(t, get("/v1/usage/summary", withKey(key)))) {
		_, _ = b.WriteString(strings.Join([]string{u.Model, itoa(u.TotalUnits), u.TotalCost, itoa(u.RequestCount)}, " ") + ";")
	}
	return b.String()
}
