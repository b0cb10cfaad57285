package handlers_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eggapi/eggapi/internal/apitest"
)

func TestGenerate_EveryBrokenRuleIsNamedWithoutTheValue(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	before := s.stored(t)
	body := func(in, rule, message string) []field {
		return []field{{In: "body", Name: in, Rule: rule, Message: message}}
	}
	ratios, resolutions := `must be one of "16:9", "9:16"`, `must be one of "1k", "2k", "4k"`
	nine := strings.Repeat(`"http://127.0.0.1/a.png",`, 9)
	for _, tt := range []struct {
		members string // after the model
		want    []field
	}{
		{``, body("prompt", "required", "is required")},
		{`,"prompt":""`, body("prompt", "minLength", "must be at least 1 character")},
		{`,"prompt":"` + strings.Repeat("🥚", 2001) + `"`, body("prompt", "maxLength", "must be at most 2000 characters")},
		{`,"prompt":null`, body("prompt", "type", "must be of type string")},
		{`,"prompt":7`, body("prompt", "type", "must be of type string")},
		{`,"prompt":{"x":"canary"}`, body("prompt", "type", "must be of type string")},
		{`,"prompt":["canary"]`, body("prompt", "type", "must be of type string")},
		{`,"prompt":"a","negative_prompt":"` + strings.Repeat("c", 1001) + `"`, body("negative_prompt", "maxLength", "must be at most 1000 characters")},
		{`,"prompt":"a","aspect_ratio":"1:1"`, body("aspect_ratio", "enum", ratios)},
		{`,"prompt":"a","aspect_ratio":" 16:9"`, body("aspect_ratio", "enum", ratios)},
		{`,"prompt":"a","num_outputs":0`, body("num_outputs", "minimum", "must be from 1 to 4")},
		{`,"prompt":"a","num_outputs":5`, body("num_outputs", "maximum", "must be from 1 to 4")},
		{`,"prompt":"a","num_outputs":"1"`, body("num_outputs", "type", "must be of type integer")},
		{`,"prompt":"a","num_outputs":1.5`, body("num_outputs", "type", "must be of type integer")},
		{`,"prompt":"a","duration":0`, body("duration", "minimum", "must be from 1 to 60")},
		{`,"prompt":"a","duration":61`, body("duration", "maximum", "must be from 1 to 60")},
		{`,"prompt":"a","resolution":"8k"`, body("resolution", "enum", resolutions)},
		{`,"prompt":"a","resolution":"1K"`, body("resolution", "enum", resolutions)},
		{`,"prompt":"a","image_urls":"http://127.0.0.1/canary.png"`, body("image_urls", "type", "must be of type array")},
		{`,"prompt":"a","image_urls":[` + nine + `"http://127.0.0.1/canary.png"]`, body("image_urls", "maxItems", "must have at most 9 items")},
		{`,"prompt":"a","image_urls":["http://127.0.0.1/a.png",null]`, body("image_urls[1]", "type", "must be of type string")},
		{
			`,"prompt":"a","image_urls":["http://127.0.0.1/a.png","http://127.0.0.1/` + strings.Repeat("c", 2048) + `"]`,
			body("image_urls[1]", "maxLength", "must be at most 2048 characters"),
		},
		{`,"prompt":"a","image_urls":["http://127.0.0.1/a.png","http://10.0.0.1/canary"]`, body("image_urls[1]", "uri", "must be a public HTTPS URL")},
		{`,"prompt":"a","image_urls":["data:image/png;base64,canary"]`, body("image_urls[0]", "uri", "must be a public HTTPS URL")},
		{`,"prompt":"a","webhook_url":"http://canary.example/"`, body("webhook_url", "uri", "must be a public HTTPS URL")},
		{`,"prompt":"a","webhook_url":"https://user:canary@example.com/"`, body("webhook_url", "uri", "must be a public HTTPS URL")},
		{`,"prompt":"a","webhook_url":"https://169.254.169.254/canary"`, body("webhook_url", "uri", "must be a public HTTPS URL")},
		{`,"prompt":"a","webhook_url":"https://[::1]/canary"`, body("webhook_url", "uri", "must be a public HTTPS URL")},
		{`,"prompt":"a","webhook_url":"file:///etc/canary"`, body("webhook_url", "uri", "must be a public HTTPS URL")},
		{`,"prompt":"a","colour":"canary"`, body("colour", "unknown", "is not a member of this object")},
		{`,"prompt":"a","Prompt":"canary"`, body("Prompt", "unknown", "is not a member of this object")},
		{`,"prompt":"a","user_id":"canary"`, body("user_id", "unknown", "is not a member of this object")},
		{`,"prompt":"a","bad name \"canary\"":1`, body("", "unknown", "is not a member of this object")},
	} {
		a := s.do(t, post("/v1/generate", `{"model":"nanobanana"`+tt.members+`}`, withKey(s.ada.LiveKey)))
		expect(t, a, 400, "VALIDATION_ERROR", "request validation failed")
		if diff := cmp.Diff(tt.want, a.refusal().Fields); diff != "" {
			t.Errorf("%.80s: want (-), got (+)\n%s", tt.members, diff)
		}
		if strings.Contains(string(a.body), "canary") {
			t.Errorf("%.80s: the value comes back in %s", tt.members, a.body)
		}
	}
	if after := s.stored(t); after != before {
		t.Errorf("stored %s, before %s", after, before)
	}
}

func TestGenerate_SeveralBrokenRulesAreToldAtOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	a := s.do(t, post("/v1/generate", `{"model":"","prompt":"","num_outputs":9,"duration":0,"x":1}`, withKey(s.ada.LiveKey)))
	expect(t, a, 400, "VALIDATION_ERROR", "request validation failed")
	got := map[string]string{}
	for _, f := range a.refusal().Fields {
		got[f.Name] = f.Rule
	}
	want := map[string]string{"model": "minLength", "prompt": "minLength", "num_outputs": "maximum", "duration": "minimum", "x": "unknown"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want (-), got (+)\n%s", diff)
	}
}

func TestGenerate_ThousandFaultsAreToldByTheHundred(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	body := `{"model":"nanobanana","prompt":"a","image_urls":[` + strings.Repeat("1,", 1000) + `1]}`
	a := s.do(t, post("/v1/generate", body, withKey(s.ada.LiveKey)))
	expect(t, a, 400, "VALIDATION_ERROR", "request validation failed")
	if n := len(a.refusal().Fields); n != 100 {
		t.Errorf("%d fields", n)
	}
}

func TestGenerate_LimitsThemselvesAreAccepted(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	long := "http://127.0.0.1/" + strings.Repeat("c", 2048-len("http://127.0.0.1/"))
	for _, members := range []string{
		`"prompt":"a"`,
		`"prompt":"` + strings.Repeat("🥚", 2000) + `"`,
		`"prompt":"a","negative_prompt":"` + strings.Repeat("é", 1000) + `"`,
		`"prompt":"a","negative_prompt":""`,
		`"prompt":"a","num_outputs":4,"duration":1`,
		`"prompt":"a","num_outputs":1,"duration":60`,
		`"prompt":"a","image_urls":[` + strings.Repeat(`"`+long+`",`, 8) + `"` + long + `"]`,
		`"prompt":"a","webhook_url":"` + long + `"`,
		`"prompt":"\t\n\u2028\u200d🏳️‍🌈 'select' -- <script>"`,
	} {
		a := s.do(t, post("/v1/generate", `{"model":"nanobanana",`+members+`}`, withKey(s.ada.LiveKey)))
		if a.status != http.StatusAccepted {
			t.Errorf("%.60s: %d %s", members, a.status, a.body)
		}
	}
}

func TestGenerate_ModelThatIsSwitchedOffOrNotSoldSoIsRefused(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	s.exec(t, `update models set enabled = false where id = 'nanobanana-pro'`)
	s.exec(t, `update models set max_outputs = 2, max_image_urls = 1, aspect_ratios = '{16:9}' where id = 'nanobanana'`)
	before := s.stored(t)
	for members, name := range map[string]string{
		`"model":"nanobanana-pro"`:                                                      "model",
		`"model":"nanobanana","num_outputs":3`:                                          "num_outputs",
		`"model":"nanobanana","aspect_ratio":"9:16"`:                                    "aspect_ratio",
		`"model":"nanobanana","image_urls":["http://127.0.0.1/a","http://127.0.0.1/b"]`: "image_urls",
	} {
		a := s.do(t, post("/v1/generate", `{"prompt":"a fox",`+members+`}`, withKey(s.ada.LiveKey)))
		expect(t, a, 400, "VALIDATION_ERROR", "request validation failed")
		if f := a.refusal().Fields; len(f) != 1 || f[0].Name != name || f[0].In != "body" {
			t.Errorf("%s: fields are %+v", members, f)
		}
	}
	if after := s.stored(t); after != before {
		t.Errorf("stored %s, before %s", after, before)
	}
}
