package history_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/eggapi/eggapi/tools/contract/history"
	"github.com/eggapi/eggapi/tools/contract/lint"
)

const checkout = "../../.."

var today = time.Date(2027, 6, 1, 0, 0, 0, 0, time.UTC)

// doc is a contract as a tree of maps and lists.
type doc map[string]any

// at walks down to a map.
func (d doc) at(names ...string) doc {
	for _, name := range names {
		next, ok := d[name].(map[string]any)
		if !ok {
			panic(name + " is no map, of " + strings.Join(names, "/"))
		}
		d = next
	}
	return d
}

func (d doc) schema(name string) doc   { return d.at("components", "schemas", name) }
func (d doc) property(s, p string) doc { return d.schema(s).at("properties", p) }
func (d doc) op(method, path string) doc {
	return d.at("paths", path, method)
}

// released makes a checkout whose contract is today's, and whose newest release is an edited one: what the edit adds
// has been taken away since. breaks is the text of breaking.yaml.
func released(t *testing.T, breaks string, edit func(doc)) string {
	t.Helper()
	root := t.TempDir()
	if err := os.CopyFS(filepath.Join(root, "openapi"), os.DirFS(filepath.Join(checkout, "openapi"))); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(checkout, history.Current))
	if err != nil {
		t.Fatal(err)
	}
	var older map[string]any
	if err := yaml.Unmarshal(text, &older); err != nil {
		t.Fatal(err)
	}
	version := doc(older).at("info")["version"].(string)
	edit(older)
	olderText, err := yaml.Marshal(older)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(root, history.Released)); err != nil {
		t.Fatal(err)
	}
	write(t, root, history.Current, string(text))
	write(t, root, history.Released+"/v"+version+".yaml", string(olderText))
	write(t, root, history.Breaking, "breaks: ["+breaks+"]\n")
	return root
}

func write(t *testing.T, root, name, text string) {
	t.Helper()
	path := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, root string) *history.History {
	t.Helper()
	h, err := history.Open(root, today)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// breaches are the findings but for the version, which every difference has.
func breaches(t *testing.T, root string) []lint.Finding {
	t.Helper()
	var all []lint.Finding
	for _, f := range open(t, root).Breaches() {
		if f.Rule != "version" {
			all = append(all, f)
		}
	}
	return all
}

func listed(findings []lint.Finding) string {
	var lines []string
	for _, f := range findings {
		lines = append(lines, f.String())
	}
	return strings.Join(lines, "\n")
}

func TestBreaches_NothingDiffersFromTheReleaseOfToday(t *testing.T) {
	t.Parallel()
	if found := open(t, released(t, "", func(doc) {})).Breaches(); len(found) > 0 {
		t.Error(listed(found))
	}
	if found := open(t, checkout).Breaches(); len(found) > 0 {
		t.Errorf("of the checkout itself: %s", listed(found))
	}
}

func text() map[string]any { return map[string]any{"type": "string", "maxLength": 10} }

// Each edit is of the release, so that the contract of today is the one that breaks it.
var breaking = map[string]struct {
	edit func(doc)
	rule string
	file string // where the reader is sent
}{
	"an operation removed": {func(d doc) {
		extra := map[string]any{}
		for name, value := range d.op("get", "/v1/models") {
			extra[name] = value
		}
		extra["operationId"] = "listStyles"
		d.at("paths")["/v1/styles"] = map[string]any{"get": extra}
	}, "api-path-removed-without-deprecation", "openapi/openapi.yaml"},
	"a member of an answer removed": {func(d doc) {
		d.schema("Task").at("properties")["colour"] = text()
		d.schema("Task")["required"] = append(d.schema("Task")["required"].([]any), "colour")
	}, "response-required-property-removed", "openapi/schemas/tasks.yaml"},
	"an optional member of an answer removed": {func(d doc) {
		d.schema("Task").at("properties")["colour"] = text()
	}, "response-optional-property-removed", "openapi/schemas/tasks.yaml"},
	"a member of an answer no longer certain": {func(d doc) {
		d.schema("Task")["required"] = append(d.schema("Task")["required"].([]any), "output")
	}, "response-property-became-optional", "openapi/schemas/tasks.yaml"},
	"a member of a request now needed": {func(d doc) {
		d.schema("GenerateRequest")["required"] = []any{"model"}
	}, "request-property-became-required", "openapi/schemas/generation.yaml"},
	"a member of a request removed": {func(d doc) {
		d.schema("GenerateRequest").at("properties")["colour"] = text()
	}, "request-property-removed", "openapi/schemas/generation.yaml"},
	"a value of a request taken away": {func(d doc) {
		ratio := d.property("GenerateRequest", "aspect_ratio")
		ratio["enum"] = append(ratio["enum"].([]any), "1:1")
	}, "request-property-enum-value-removed", "openapi/schemas/generation.yaml"},
	"a text of a request shorter": {func(d doc) {
		d.property("GenerateRequest", "prompt")["maxLength"] = 3000
	}, "request-property-max-length-decreased", "openapi/schemas/generation.yaml"},
	"a text of an answer longer": {func(d doc) {
		d.property("ErrorBody", "message")["maxLength"] = 500
	}, "response-property-max-length-increased", "openapi/schemas/errors.yaml"},
	"a type changed": {func(d doc) {
		d.property("GenerateRequest", "num_outputs")["type"] = "string"
		delete(d.property("GenerateRequest", "num_outputs"), "format")
	}, "request-property-type-changed", "openapi/schemas/generation.yaml"},
	"a status of success gone": {func(d doc) {
		responses := d.op("post", "/v1/generate").at("responses")
		responses["200"] = responses["202"]
	}, "response-success-status-removed", "openapi/paths/generation.yaml"},
	"a way in closed": {func(d doc) {
		d.op("get", "/v1/usage")["security"] = []any{map[string]any{"apiKey": []any{}}, map[string]any{"session": []any{}}}
	}, "api-security-removed", "openapi/paths/usage.yaml"},
	"a parameter removed": {func(d doc) {
		list := d.op("get", "/v1/tasks")
		list["parameters"] = append(list["parameters"].([]any), map[string]any{"name": "colour", "in": "query", "schema": text()})
	}, "request-parameter-removed", "openapi/paths/tasks.yaml"},
	"a header of an answer removed": {func(d doc) {
		d.op("get", "/v1/models").at("responses", "200", "headers")["X-Colour"] = map[string]any{"schema": text()}
	}, "optional-response-header-removed", "openapi/paths/models.yaml"},
	"a closed list in an answer grown": {func(d doc) {
		d.schema("Environment")["enum"] = []any{"live"}
	}, "response-property-enum-value-added", "openapi/schemas/api_keys.yaml"},
	"a request closed to what it does not know": {func(d doc) {
		d.schema("GenerateRequest")["additionalProperties"] = true
	}, "request-object-closed", "openapi/schemas/generation.yaml"},
	"a default changed": {func(d doc) {
		d.property("GenerateRequest", "num_outputs")["default"] = 2
	}, "request-property-default-value-changed", "openapi/schemas/generation.yaml"},
	"a member of a webhook removed": {func(d doc) {
		d.schema("WebhookPayload").at("properties")["colour"] = text()
	}, "response-optional-property-removed", "openapi/schemas/generation.yaml"},
}

func TestBreaches_EveryKindOfBreakIsNamedWithItsPlaceItsReasonAndWhatToDo(t *testing.T) {
	t.Parallel()
	for name, tt := range breaking {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := breaches(t, released(t, "", tt.edit))
			for _, f := range found {
				if f.Rule == tt.rule && f.Place.File == tt.file && f.Place.Line > 0 && strings.Contains(f.Text, "breaks ") && strings.Count(f.Text, "; ") > 0 {
					return
				}
			}
			t.Errorf("%s at %s is not among:\n%s", tt.rule, tt.file, listed(found))
		})
	}
}

func TestBreaches_AdditionsBreakNothing(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(doc){
		"a new operation":                func(d doc) { delete(d.at("paths"), "/v1/models") },
		"a new optional member, request": func(d doc) { delete(d.schema("GenerateRequest").at("properties"), "webhook_url") },
		"a new member of an answer":      func(d doc) { delete(d.schema("Task").at("properties"), "failure") },
		"a new value of a list that may": func(d doc) { d.schema("TaskStatus")["x-extensible-enum"] = []any{"pending"} },
		"a known value less":             func(d doc) { d.schema("TaskType")["x-extensible-enum"] = []any{"image_generate", "image_edit", "x"} },
		"a code of an error more": func(d doc) {
			d.at("components", "responses", "ForbiddenOrUnpaid")["x-error-codes"] = []any{"FORBIDDEN"}
		},
		"a code of an error less": func(d doc) {
			d.at("components", "responses", "TaskNotFound")["x-error-codes"] = []any{"NOT_FOUND", "GONE"}
		},
		"a longer text of a request":      func(d doc) { d.property("GenerateRequest", "prompt")["maxLength"] = 100 },
		"other words":                     func(d doc) { d.op("get", "/v1/models")["description"] = "Others." },
		"a new way in":                    func(d doc) { d.op("get", "/v1/tasks")["security"] = []any{map[string]any{"apiKey": []any{}}} },
		"a new header of an answer":       func(d doc) { delete(d.op("get", "/v1/models").at("responses", "200", "headers"), "RateLimit") },
		"a value of a request more":       func(d doc) { d.property("GenerateRequest", "aspect_ratio")["enum"] = []any{"16:9"} },
		"a new status that is no success": func(d doc) { delete(d.op("get", "/v1/models").at("responses"), "503") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := released(t, "", edit)
			if found := breaches(t, root); len(found) > 0 {
				t.Error(listed(found))
			}
			if found := listed(open(t, root).Breaches()); !strings.Contains(found, "raise info.version to ") {
				t.Errorf("the version may stand still: %s", found)
			}
		})
	}
}
