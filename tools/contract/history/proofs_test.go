package history_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/eggapi/eggapi/tools/contract/history"
)

// lineOf is where a text stands in a file of the checkout, after an anchor.
func lineOf(t *testing.T, root, file, anchor, text string) int {
	t.Helper()
	whole := read(t, root, file)
	from := strings.Index(whole, anchor)
	if from < 0 || !strings.Contains(whole[from:], text) {
		t.Fatalf("%s has no %q after %q", file, text, anchor)
	}
	return 1 + strings.Count(whole[:from+strings.Index(whole[from:], text)], "\n")
}

// TestBreaches_ABreakIsFoundOnTheLineThatMadeIt holds the rules that are ours or stricter than oasdiff's, and the
// edits in which something has a new name: each is found once, on the line to open.
func TestBreaches_ABreakIsFoundOnTheLineThatMadeIt(t *testing.T) {
	t.Parallel()
	const generation, keys = "openapi/paths/generation.yaml", "openapi/schemas/api_keys.yaml"
	for name, tt := range map[string]struct {
		edit               func(doc) // of the release
		rule               string
		file, anchor, text string
	}{
		"an operation has another name": {
			func(d doc) { d.op("post", "/v1/generate")["operationId"] = "makeImages" },
			"api-operation-id-removed", generation, "generate:", "operationId: generate",
		},
		"another status of success": {
			func(d doc) { delete(d.op("post", "/v1/generate").at("responses"), "202") },
			"response-success-status-added", generation, "responses:", `"202":`,
		},
		"a reply to a webhook that means nothing any more": {
			func(d doc) {
				callback := d.op("post", "/v1/generate").at("callbacks", "task.failed", "{$request.body#/webhook_url}", "post")
				callback.at("responses")["409"] = map[string]any{"description": "Later."}
			}, "webhook-reply-removed", generation, "taskFailed:", "post:",
		},
		"a header with a value that could not come": {
			func(d doc) {
				d.op("post", "/v1/generate").at("responses", "202", "headers", "Idempotent-Replayed", "schema")["enum"] = []any{"yes"}
			}, "response-header-enum-value-added", generation, "Idempotent-Replayed:", "schema:",
		},
		"a parameter with another name": {
			func(d doc) {
				for _, p := range d.op("get", "/v1/tasks")["parameters"].([]any) {
					if p := doc(p.(map[string]any)); p["name"] == "status" {
						p["name"] = "state"
					}
				}
			}, "request-parameter-removed", "openapi/paths/tasks.yaml", "tasks:", "parameters:",
		},
		"a closed list that grew": {
			func(d doc) { d.schema("Environment")["enum"] = []any{"live"} },
			"response-property-enum-value-added", keys, "Environment:", "enum: [live, test]",
		},
		"a narrower bound": {
			func(d doc) { d.property("GenerateRequest", "prompt")["maxLength"] = 3000 },
			"request-property-max-length-decreased", "openapi/schemas/generation.yaml", "prompt:\n", "maxLength:",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := released(t, "", tt.edit)
			line := lineOf(t, root, tt.file, tt.anchor, tt.text)
			hits := 0
			found := breaches(t, root)
			for _, f := range found {
				if f.Rule == tt.rule && f.Place.File == tt.file && f.Place.Line == line {
					hits++
				}
			}
			if hits != 1 {
				t.Errorf("want %s once at %s:%d among\n%s", tt.rule, tt.file, line, listed(found))
			}
		})
	}
}

// edited makes a checkout whose contract has grown since the release: the text goes behind the anchor, into the source
// and into the bundle, each with its own indentation.
func edited(t *testing.T, file, anchor, text string, edit func(doc)) string {
	t.Helper()
	root := released(t, "", edit)
	for _, name := range []string{file, history.Current} {
		whole := read(t, root, name)
		if strings.Count(whole, anchor) != 1 {
			t.Fatalf("%s has %q not once", name, anchor)
		}
		before, after, _ := strings.Cut(whole, anchor)
		indent := before[strings.LastIndex(before, "\n")+1:]
		write(t, root, name, before+anchor+strings.ReplaceAll("\n"+text, "\n", "\n"+indent)+after)
	}
	return root
}

func marks(since, sunset string) string {
	return `deprecated: true
x-deprecated-at: "` + since + `"
x-sunset: "` + sunset + `"`
}

const models = "openapi/paths/models.yaml"

func TestBreaches_AnAnnouncedSunsetDoesNotComeEarlier(t *testing.T) {
	t.Parallel()
	for sunset, want := range map[string]bool{"2027-11-30": true, "2027-12-01": false, "2028-01-01": false} {
		root := edited(t, models, "operationId: listModels", marks("2027-05-01", sunset), func(d doc) {
			for name, value := range announced("2027-05-01", "2027-12-01") {
				d.op("get", "/v1/models")[name] = value
			}
		})
		found := breaches(t, root)
		if got := len(found) == 1 && found[0].Rule == "sunset-moved-earlier" && found[0].Place.Line == lineOf(t, root, models, "get:", "x-sunset:"); got != want || !want && len(found) > 0 {
			t.Errorf("to %s: %s", sunset, listed(found))
		}
	}
}

func TestBreaches_AHeaderThatRequestsMustNowHaveIsFound(t *testing.T) {
	t.Parallel()
	header := `parameters:
  - name: X-Colour
    in: header
    required: true
    description: A colour.
    schema:
      type: string
      maxLength: 10`
	root := edited(t, models, "operationId: listModels", header, func(doc) {})
	found := breaches(t, root)
	if len(found) != 1 || found[0].Rule != "new-required-request-parameter" || found[0].Place.Line != lineOf(t, root, models, "get:", "- name: X-Colour") {
		t.Error(listed(found))
	}
}

// TestRelease_GivesCustomersTheNoticeFromTheDayTheyHearOfIt: a mark is written long before it is released.
func TestRelease_GivesCustomersTheNoticeFromTheDayTheyHearOfIt(t *testing.T) {
	t.Parallel()
	for sunset, want := range map[string]string{"2027-11-27": "move it to 2027-11-28 or later", "2027-11-28": ""} {
		root := edited(t, models, "operationId: listModels", marks("2027-01-01", sunset), func(doc) {})
		raise(t, root)
		_, err := open(t, root).Release()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("sunset %s: %v, want %q", sunset, err, want)
		}
		if want == "" && !strings.Contains(read(t, root, history.Changelog), "### Deprecated\n\n- `GET /v1/models`\n  - is deprecated and ends on "+sunset+"\n") {
			t.Errorf("the changelog is\n%s", read(t, root, history.Changelog))
		}
	}
}

// TestRelease_ClearsTheRecordsThatHaveServed: what is released breaks nothing any more.
func TestRelease_ClearsTheRecordsThatHaveServed(t *testing.T) {
	t.Parallel()
	record := "{rule: request-property-max-length-decreased, operation: POST /v1/generate, reason: models take no more, announced: 2026-11-01, sunset: 2027-05-20}"
	root := released(t, record, func(d doc) { d.property("GenerateRequest", "prompt")["maxLength"] = 3000 })
	write(t, root, history.Breaking, "# Words.\nbreaks:\n  - "+record+"\n")
	raise(t, root)
	if _, err := open(t, root).Release(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, root, history.Breaking); got != "# Words.\nbreaks: []\n" {
		t.Errorf("%s is %q", history.Breaking, got)
	}
	if log := read(t, root, history.Changelog); !strings.Contains(log, "**Breaking**, announced on 2026-11-01: models take no more") {
		t.Errorf("the changelog is\n%s", log)
	}
	if found := append(open(t, root).Breaches(), open(t, root).Stale()...); len(found) > 0 {
		t.Errorf("after the release: %s", listed(found))
	}
}

// raise gives the contract of a checkout the next minor version.
func raise(t *testing.T, root string) {
	t.Helper()
	for _, name := range []string{"openapi/openapi.yaml", history.Current} {
		whole := read(t, root, name)
		_, rest, _ := strings.Cut(whole, "\n  version: ")
		version, _, _ := strings.Cut(rest, "\n")
		parts := strings.Split(version, ".")
		minor, err := strconv.Atoi(parts[1])
		if err != nil {
			t.Fatal(err)
		}
		write(t, root, name, strings.Replace(whole, "\n  version: "+version, fmt.Sprintf("\n  version: %s.%d.0", parts[0], minor+1), 1))
	}
}
