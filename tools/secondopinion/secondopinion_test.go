package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

const contract = "../../gen/openapi.yaml"

// listed is an exchange that is right in every way.
func listed() Exchange {
	return Exchange{
		Method: http.MethodGet, URL: "/v1/models", Status: http.StatusOK,
		ResponseHeaders: http.Header{"Content-Type": {"application/json"}, "X-Request-Id": {"req_01jz3v9m4r8q5t7w9x0y1z2a3b"}},
		ResponseBody:    []byte(`{"data":[],"error":null}`),
	}
}

// generated is an accepted task.
func generated(body string) Exchange {
	e := listed()
	e.Method, e.URL, e.Status = http.MethodPost, "/v1/generate", http.StatusAccepted
	e.RequestHeaders = http.Header{"Content-Type": {"application/json"}}
	e.RequestBody = []byte(body)
	e.ResponseBody = []byte(`{"data":{"id":"gen_01jz3v9m4r8q5t7w9x0y1z2a3b","status":"pending","model":"nanobanana",` +
		`"type":"image_generate","cost":"$0.00","created_at":"2026-05-08T10:30:00Z"},"error":null}`)
	return e
}

// refusedBy makes a 400 of an exchange.
func refusedBy(e Exchange, code, message string) Exchange {
	e.Status = http.StatusBadRequest
	e.ResponseBody = fmt.Appendf(nil, `{"data":null,"error":{"code":%q,"message":%q,"request_id":"req_1"}}`, code, message)
	return e
}

var shared = sync.OnceValues(func() (*Judge, error) { return NewJudge(contract) })

func opinion(t *testing.T, e Exchange) []Disagreement {
	t.Helper()
	j, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	found, err := j.Opinion(e)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestOpinion_AgreesWithWhatIsRight(t *testing.T) {
	for _, e := range []Exchange{
		listed(),
		generated(`{"model":"nanobanana","prompt":"a fox"}`),
		refusedBy(generated(`{"model":"nanobanana"}`), "VALIDATION_ERROR", "request validation failed"),
	} {
		if found := opinion(t, e); len(found) > 0 {
			t.Errorf("%s %s: %+v", e.Method, e.URL, found)
		}
	}
}

func TestOpinion_DoesNotJudgeRequestsByAnswersThatAreOrdered(t *testing.T) {
	ordered := refusedBy(generated(`{"model":"nanobanana","prompt":"a fox"}`), "BAD_REQUEST", "no")
	ordered.RequestHeaders.Set("EggAPI-Mock-Fail", "400")
	if found := opinion(t, ordered); len(found) > 0 {
		t.Errorf("the second opinion says %+v", found)
	}
	ordered.ResponseBody = []byte(`{}`)
	if found := opinion(t, ordered); len(found) != 1 || found[0].Kind != Answer {
		t.Errorf("the second opinion says %+v of an answer that is not declared", found)
	}
}

func TestOpinion_ReportsWhatIsPlanted(t *testing.T) {
	wrongBody, wrongStatus, wrongType, noHeader := listed(), listed(), listed(), listed()
	wrongBody.ResponseBody = []byte(`{"data":"none","error":null}`)
	wrongStatus.Status = http.StatusTeapot
	wrongType.ResponseHeaders = http.Header{"Content-Type": {"text/html"}, "X-Request-Id": {"req_1"}}
	noHeader.ResponseHeaders = http.Header{"Content-Type": {"application/json"}}
	unknownPath := listed()
	unknownPath.URL = "/v1/secrets"
	tests := map[string]struct {
		exchange Exchange
		kind     Kind
		rule     string
	}{
		"an answer with another body":    {wrongBody, Answer, "data"},
		"an answer of another status":    {wrongStatus, Answer, "418"},
		"an answer of another type":      {wrongType, Answer, "text/html"},
		"an answer without its header":   {noHeader, Answer, "X-Request-Id"},
		"an acceptance of what is wrong": {generated(`{"model":"nanobanana"}`), Accepted, "required"},
		"a refusal of what is right":     {refusedBy(generated(`{"model":"nanobanana","prompt":"a fox"}`), "BAD_REQUEST", "no"), Refused, "BAD_REQUEST: no"},
		"an answer on an unknown path":   {unknownPath, Outside, "GET /v1/secrets 200"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			found := opinion(t, test.exchange)
			if len(found) != 1 || found[0].Kind != test.kind || !strings.Contains(found[0].Rule, test.rule) {
				t.Fatalf("the second opinion says %+v", found)
			}
			report := newReport(decided)
			report.add(found[0])
			if len(report.Open) != 1 {
				t.Error("an entry of the table explains it away")
			}
		})
	}
}

func TestReport_NamesIdleEntriesAndKeepsTheRest(t *testing.T) {
	report := newReport([]Decided{
		{Name: "used", Kind: Refused, Operations: []string{"generate"}, Rule: regexp.MustCompile("^a$")},
		{Name: "of another kind", Kind: Accepted, Rule: regexp.MustCompile("^a$")},
		{Name: "not so", Kind: Refused, Rule: regexp.MustCompile("^b$"), When: func(Disagreement) bool { return false }},
	})
	report.add(Disagreement{Operation: "generate", Kind: Refused, Rule: "a"})
	for range 2 {
		report.add(Disagreement{Operation: "listTasks", Kind: Refused, Rule: "b"})
	}
	if got := report.Idle(); !slices.Equal(got, []string{"of another kind", "not so"}) {
		t.Errorf("idle are %q", got)
	}
	var out bytes.Buffer
	report.print(&out)
	for _, text := range []string{"1 disagreements decided, 2 open", "2 x listTasks, refused: b", `"not so" explains nothing`} {
		if !strings.Contains(out.String(), text) {
			t.Errorf("%q is missing in:\n%s", text, out.String())
		}
	}
}

func TestSample_IsEvenAndKeepsRareKinds(t *testing.T) {
	kinds := slices.Repeat([]string{"frequent"}, 1000)
	for n := range 10 {
		kinds[n*100] = "rare"
	}
	s := Sample{Size: 200, Floor: 40, Seed: 1}
	picked := s.pick(kinds)
	rare := 0
	for _, n := range picked {
		if kinds[n] == "rare" {
			rare++
		}
	}
	if len(picked) != 200 || rare != 10 || !slices.IsSorted(picked) {
		t.Errorf("%d were picked, %d of them rare", len(picked), rare)
	}
	if !slices.Equal(picked, s.pick(kinds)) {
		t.Error("the same seed picks others")
	}
	if late := picked[len(picked)-1]; late < 900 {
		t.Errorf("the last one picked is %d of 1000", late)
	}
	if all := (Sample{Size: 6000, Floor: 40}).pick(kinds); len(all) != len(kinds) {
		t.Errorf("%d of %d were picked, although all fit", len(all), len(kinds))
	}
}

func TestJudge_ReadsRecordings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "recording")
	var text []byte
	for _, e := range []Exchange{listed(), generated(`{"model":"nanobanana"}`)} {
		line, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		text = append(append(text, line...), '\n')
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	report, err := judge(contract, []string{path, path}, Sample{Size: 10, Floor: 1, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if report.Recorded != 4 || report.Judged != 4 || len(report.operations) != 2 || len(report.Open) != 2 {
		t.Errorf("the report is %+v", report)
	}
	if err := os.WriteFile(path, append(text, `{"method":`...), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := judge(contract, []string{path}, Sample{}); err == nil || !strings.Contains(err.Error(), "exchange 3") {
		t.Errorf("half a line gives %v", err)
	}
}

func TestDecided_IsWhatTheDocumentSays(t *testing.T) {
	page, err := os.ReadFile("../../docs/conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, entry := range decided {
		if seen[entry.Name] || entry.Why == "" || entry.Rule == nil {
			t.Errorf("%s is there twice, or has no reason or no rule", entry.Name)
		}
		seen[entry.Name] = true
		if !strings.Contains(string(page), "| `"+entry.Name+"` |") {
			t.Errorf("docs/conformance.md does not have %s", entry.Name)
		}
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|").FindAllStringSubmatch(string(page), -1) {
		if !seen[row[1]] {
			t.Errorf("docs/conformance.md has %s, which the table does not", row[1])
		}
	}
}
