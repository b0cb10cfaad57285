package history_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eggapi/eggapi/tools/contract/history"
)

// styles adds an operation to the release that is not there any more; marks are its own.
func styles(marks map[string]any) func(doc) {
	return func(d doc) {
		extra := map[string]any{}
		for name, value := range d.op("get", "/v1/models") {
			extra[name] = value
		}
		extra["operationId"] = "listStyles"
		for name, value := range marks {
			extra[name] = value
		}
		d.at("paths")["/v1/styles"] = map[string]any{"get": extra}
	}
}

func announced(since, sunset string) map[string]any {
	return map[string]any{"deprecated": true, "x-deprecated-at": since, "x-sunset": sunset}
}

func TestBreaches_AnOperationMayGoOnceItsAnnouncedSunsetHasPassed(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		marks map[string]any
		want  string // "" = nothing
	}{
		"never announced":    {nil, "api-path-removed-without-deprecation"},
		"before the sunset":  {announced("2027-01-01", "2027-06-02"), "api-removed-before-sunset"},
		"on the day":         {announced("2026-11-01", "2027-06-01"), ""},
		"long after the day": {announced("2026-01-01", "2026-12-01"), ""},
	} {
		found := listed(breaches(t, released(t, "", styles(tt.marks))))
		if (found == "") != (tt.want == "") || !strings.Contains(found, tt.want) {
			t.Errorf("%s: %q, want %s", name, found, tt.want)
		}
	}
}

func TestBreaches_ADeliberateBreakNeedsARecordWhoseSunsetHasPassed(t *testing.T) {
	t.Parallel()
	shorter := func(d doc) { d.property("GenerateRequest", "prompt")["maxLength"] = 3000 }
	record := func(rule, operation, announced, sunset string) string {
		return "{rule: " + rule + ", operation: " + operation + ", reason: models take no more, announced: " + announced + ", sunset: " + sunset + "}"
	}
	const rule, generate = "request-property-max-length-decreased", "POST /v1/generate"
	for name, tt := range map[string]struct {
		breaks string
		want   string // "" = nothing
	}{
		"recorded, and its sunset passed":     {record(rule, generate, "2026-11-01", "2027-05-20"), ""},
		"recorded, and its sunset is to come": {record(rule, generate, "2026-12-15", "2027-07-01"), "its sunset 2027-07-01 has not come"},
		"another rule":                        {record("request-property-removed", generate, "2026-11-01", "2027-05-20"), "excuses nothing"},
		"another operation":                   {record(rule, "GET /v1/tasks", "2026-11-01", "2027-05-20"), rule},
		"too short a notice":                  {record(rule, generate, "2027-05-01", "2027-05-20"), "less than 180 days"},
		"no date":                             {record(rule, generate, "soon", "2027-05-20"), "is no date"},
		"no reason":                           {"{rule: " + rule + ", operation: " + generate + ", announced: 2026-11-01, sunset: 2027-05-20}", "lacks its rule, operation or reason"},
		"no record":                           {"soon", "is no record"},
		"none":                                {"", rule},
	} {
		found := listed(breaches(t, released(t, tt.breaks, shorter)))
		if (found == "") != (tt.want == "") || !strings.Contains(found, tt.want) {
			t.Errorf("%s: %q, want %s", name, found, tt.want)
		}
	}
}

func TestVersion_MovesAsFarAsTheDifferenceDoes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		edit  func(doc)
		minor bool
	}{
		"additions": {func(d doc) { delete(d.at("paths"), "/v1/models") }, true},
		"words":     {func(d doc) { d.op("get", "/v1/models")["description"] = "Others." }, false},
		"examples":  {func(d doc) { d.schema("Money")["example"] = "$1.0000" }, false},
	} {
		var major, minor, patch int
		found := listed(open(t, released(t, "", func(d doc) {
			if _, err := fmt.Sscanf(d.at("info")["version"].(string), "%d.%d.%d", &major, &minor, &patch); err != nil {
				t.Fatal(err)
			}
			tt.edit(d)
		})).Breaches())
		want := fmt.Sprintf("raise info.version to %d.%d.%d", major, minor, patch+1)
		if tt.minor {
			want = fmt.Sprintf("raise info.version to %d.%d.0", major, minor+1)
		}
		if !strings.Contains(found, want) {
			t.Errorf("%s: %q, want %s", name, found, want)
		}
	}
}

func TestChangelog_TellsInWordsWhatIsNewChangedEndingAndGone(t *testing.T) {
	t.Parallel()
	root := released(t, "", func(d doc) {
		delete(d.at("paths"), "/v1/usage/summary")
		d.property("GenerateRequest", "prompt")["maxLength"] = 100
		d.at("components", "responses", "ForbiddenOrUnpaid")["x-error-codes"] = []any{"FORBIDDEN"}
		d.op("get", "/v1/models")["description"] = "Others."
		styles(announced("2026-01-01", "2026-12-01"))(d)
	})
	older := "# Changelog\n\nWords.\n\n## 0.9.0, 2026-01-01\n\nOlder.\n"
	write(t, root, history.Changelog, older)
	if found := listed(open(t, root).Stale()); !strings.Contains(found, "make contract-changelog") {
		t.Errorf("a changelog that tells of nothing is %q", found)
	}
	for range 2 { // writing again changes nothing
		if err := open(t, root).WriteChangelog(); err != nil {
			t.Fatal(err)
		}
	}
	got := read(t, root, history.Changelog)
	for _, want := range []string{
		"# Changelog\n\nWords.\n\n## Unreleased\n\n### Added\n", "`GET /v1/usage/summary`", "### Changed\n", "`POST /v1/generate`", "maxLength",
		"the status `403` can carry `INSUFFICIENT_BALANCE`", "### Removed\n", "`GET /v1/styles`\n  - removed; its sunset was announced for 2026-12-01",
		"### Words\n", "`GET /v1/models`", "\n## 0.9.0, 2026-01-01\n\nOlder.\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	if found := open(t, root).Stale(); len(found) > 0 {
		t.Error(listed(found))
	}
}

func TestRelease_KeepsTheContractOnceAndOnlyWhenNothingIsWrong(t *testing.T) {
	t.Parallel()
	root := released(t, "", func(doc) {})
	if err := os.RemoveAll(filepath.Join(root, history.Released)); err != nil {
		t.Fatal(err)
	}
	write(t, root, history.Changelog, "")
	version, err := open(t, root).Release()
	if err != nil {
		t.Fatal(err)
	}
	if kept := read(t, root, history.Released+"/v"+version+".yaml"); kept != read(t, root, history.Current) {
		t.Error("what was kept is not the contract")
	}
	if log := read(t, root, history.Changelog); !strings.Contains(log, "## "+version+", 2027-06-01\n\nFirst release.\n") || !strings.Contains(log, "`POST /v1/generate`: Generate images") {
		t.Errorf("the changelog is\n%s", log)
	}
	if found := append(open(t, root).Breaches(), open(t, root).Stale()...); len(found) > 0 {
		t.Error(listed(found))
	}
	if _, err := open(t, root).Release(); err == nil || !strings.Contains(err.Error(), "is released already") {
		t.Errorf("again: %v", err)
	}
	broken := released(t, "", func(d doc) { d.property("GenerateRequest", "prompt")["maxLength"] = 3000 })
	if _, err := open(t, broken).Release(); err == nil || !strings.Contains(err.Error(), "nothing was released") {
		t.Errorf("a break: %v", err)
	}
}

func TestBreaches_ABundleThatIsNotTheSourcesIsNoneToJudge(t *testing.T) {
	t.Parallel()
	root := released(t, "", func(doc) {})
	name := "openapi/paths/models.yaml"
	write(t, root, name, strings.Replace(read(t, root, name), "summary: List models", "summary: List all models", 1))
	if found := listed(open(t, root).Breaches()); !strings.Contains(found, name+":") || !strings.Contains(found, "run make generate") {
		t.Errorf("%q", found)
	}
}

func read(t *testing.T, root, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
