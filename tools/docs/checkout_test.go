package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const checkout = "../.."

func built(t *testing.T) *Site {
	t.Helper()
	s, err := Build(checkout)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func fileOf(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(checkout, filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestCheckout_HasNoFaults(t *testing.T) {
	for _, f := range Check(built(t)) {
		t.Error(f)
	}
}

func TestCheckout_HoldsWhatIsRendered(t *testing.T) {
	for _, f := range stale(t, built(t), filepath.Join(checkout, filepath.FromSlash(out))) {
		t.Errorf("%s: run make generate", f)
	}
}

// stale lists what differs between the site and what is committed. The library is copied when it is there to copy
// from, and only named here.
func stale(t *testing.T, s *Site, folder string) []string {
	t.Helper()
	version, err := libraryVersion(checkout)
	if err != nil {
		t.Fatal(err)
	}
	wanted := map[string][]byte{}
	for name, body := range s.Files {
		wanted[name] = body
	}
	for _, ending := range []string{".js", ".css", ".LICENSE.txt"} {
		wanted[libraryFile(version, ending)] = nil
	}
	var faults []string
	found, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob(filepath.Join(folder, "assets", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(found, more...) {
		name, err := filepath.Rel(folder, path)
		if err != nil {
			t.Fatal(err)
		}
		if name = filepath.ToSlash(name); name == "assets" {
			continue
		}
		want, ok := wanted[name]
		delete(wanted, name)
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			faults = append(faults, name+" is not made any more")
		} else if want != nil && !bytes.Equal(got, want) {
			faults = append(faults, name+" is not what is rendered")
		}
	}
	for name := range wanted {
		faults = append(faults, name+" is missing")
	}
	return faults
}

func TestStale_TellsEditedMissingAndSurplusFiles(t *testing.T) {
	s := built(t)
	folder := t.TempDir()
	files := map[string][]byte{"extra.html": []byte("x")}
	for name, body := range s.Files {
		files[name] = body
	}
	version, err := libraryVersion(checkout)
	if err != nil {
		t.Fatal(err)
	}
	files[libraryFile(version, ".js")], files[libraryFile(version, ".css")] = []byte("x"), []byte("x")
	files["index.html"] = []byte("edited by hand")
	delete(files, "limits.html")
	if err := mirror(files, folder); err != nil {
		t.Fatal(err)
	}
	faults := strings.Join(stale(t, s, folder), "\n")
	for _, want := range []string{
		"extra.html is not made any more", "index.html is not what is rendered", "limits.html is missing",
		libraryFile(version, ".LICENSE.txt") + " is missing",
	} {
		if !strings.Contains(faults, want) {
			t.Errorf("%q is not told in:\n%s", want, faults)
		}
	}
	if n := strings.Count(faults, "\n") + 1; n != 4 {
		t.Errorf("%d faults:\n%s", n, faults)
	}
}

// place is a heading of the errors page with what stands below it.
type explained struct{ code, text string }

func explanations(t *testing.T) []explained {
	t.Helper()
	var all []explained
	for _, part := range strings.Split(fileOf(t, "docs/site/errors.md"), "\n### `")[1:] {
		code, text, _ := strings.Cut(part, "`\n")
		text, _, _ = strings.Cut(text, "\n## ")
		all = append(all, explained{code, text})
	}
	return all
}

var (
	jsonBlock  = regexp.MustCompile("(?s)```json output[^\n]*\n(.*?)```")
	goText     = regexp.MustCompile(`fault\.New\(fault\.\w+, "([^"]+)"`)
	statusMark = regexp.MustCompile(`^\s*\*\*(\d{3})\.\*\*`)
)

func TestErrors_EveryCodeOfTheContractHasItsPlaceAndNoOther(t *testing.T) {
	c, err := readContract(checkout)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range explanations(t) {
		got = append(got, e.code)
	}
	if want := slices.Concat(c.errorCodes, c.failureCodes); !slices.Equal(got, want) {
		t.Errorf("the page explains\n%v\nthe contract lists\n%v", got, want)
	}
	page := string(built(t).Files["errors.html"])
	for _, code := range got {
		if !strings.Contains(page, ` id="`+code+`">`) {
			t.Errorf("there is no place called %s", code)
		}
	}
}

// The example of each code is an envelope with that code, and its message is one that the server gives.
func TestErrors_ExamplesAreWhatTheServerSays(t *testing.T) {
	c, err := readContract(checkout)
	if err != nil {
		t.Fatal(err)
	}
	said := messages(t)
	for _, e := range explanations(t) {
		if !slices.Contains(c.errorCodes, e.code) {
			continue
		}
		m := jsonBlock.FindStringSubmatch(e.text)
		if m == nil {
			t.Errorf("%s has no example", e.code)
			continue
		}
		var example struct {
			Data  *struct{} `json:"data"`
			Error struct {
				Code      string `json:"code"`
				Message   string `json:"message"`
				RequestID string `json:"request_id"`
				Fields    []struct {
					In      string `json:"in"`
					Name    string `json:"name"`
					Rule    string `json:"rule"`
					Message string `json:"message"`
				} `json:"fields"`
				Quota *struct {
					Name      string `json:"name"`
					Limit     string `json:"limit"`
					Remaining string `json:"remaining"`
					ResetsAt  string `json:"resets_at"`
				} `json:"quota"`
			} `json:"error"`
		}
		d := json.NewDecoder(strings.NewReader(m[1]))
		d.DisallowUnknownFields()
		if err := d.Decode(&example); err != nil || example.Data != nil || example.Error.Code != e.code || example.Error.RequestID == "" {
			t.Errorf("the example of %s: %v %+v", e.code, err, example)
		}
		// Nothing gives this one, so nothing says its words.
		if !said[example.Error.Message] && e.code != "UPSTREAM_ERROR" {
			t.Errorf("nothing in the server says %q, as the example of %s does", example.Error.Message, e.code)
		}
	}
}

// messages are the public texts of refusals.
func messages(t *testing.T) map[string]bool {
	t.Helper()
	said := map[string]bool{}
	for _, pattern := range []string{"internal/*/*.go", "handlers/*.go"} {
		files, err := filepath.Glob(filepath.Join(checkout, filepath.FromSlash(pattern)))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, path := range files {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			for _, m := range goText.FindAllSubmatch(text, -1) {
				said[string(m[1])] = true
			}
		}
	}
	return said
}

func TestErrors_StatusesAreThoseOfTheContract(t *testing.T) {
	c, err := readContract(checkout)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range explanations(t) {
		if !slices.Contains(c.errorCodes, e.code) {
			continue
		}
		m := statusMark.FindStringSubmatch(e.text)
		if m == nil {
			t.Errorf("%s does not open with its status", e.code)
			continue
		}
		for _, op := range c.operations {
			for status, codes := range op.codes {
				if op.ErrorFormat == "" && slices.Contains(codes, e.code) && status != m[1] {
					t.Errorf("the page says %s for %s, %s says %s", m[1], e.code, op.name, status)
				}
			}
		}
	}
}

// The refusals of a credential stand on their page in the server's own words.
func TestAuthentication_ListsMessagesThatTheServerGives(t *testing.T) {
	said := messages(t)
	_, table, _ := strings.Cut(fileOf(t, "docs/site/authentication.md"), "\n## Refusals\n")
	quoted := regexp.MustCompile("(?m)^\\| `40[13]` \\| (.*?) \\|").FindAllStringSubmatch(table, -1)
	if len(quoted) < 8 {
		t.Fatalf("the page lists only %v", quoted)
	}
	for _, row := range quoted {
		for _, message := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1) {
			if !said[message[1]] {
				t.Errorf("nothing in the server says %q", message[1])
			}
		}
	}
}

// Every magic prompt that the sandbox's own page and its code know is on the page that is shipped.
func TestSandbox_PageHasEveryToken(t *testing.T) {
	page := string(built(t).Files["sandbox.html"])
	token := regexp.MustCompile(`\[\[[a-z0-9:]+\]\]`)
	tokens := token.FindAllString(fileOf(t, "docs/sandbox.md"), -1)
	for _, line := range regexp.MustCompile(`(?m)^//\t(\[\[.*?\]\])`).FindAllStringSubmatch(fileOf(t, "internal/provider/sandbox_script.go"), -1) {
		tokens = append(tokens, strings.Replace(line[1], "partial:k", "partial:2", 1))
	}
	if len(tokens) < 25 {
		t.Fatalf("only these tokens were found: %v", tokens)
	}
	for _, want := range tokens {
		if !strings.Contains(page, "<code>"+want) {
			t.Errorf("%s is not on the page", want)
		}
	}
}

func TestTexts_CarryNoMarksAndLinkToTexts(t *testing.T) {
	s := built(t)
	marked := regexp.MustCompile("(?m)^```\\S+ |<!-- |\\]\\(page:|\\]\\([^/h#]")
	for _, p := range s.pages() {
		text := string(s.Files[p.Name+".md"])
		if found := marked.FindString(text); found != "" {
			t.Errorf("%s.md has %q", p.Name, found)
		}
		if !strings.HasPrefix(text, "# "+p.Title+"\n") {
			t.Errorf("%s.md does not open with its title", p.Name)
		}
		for _, name := range []string{"llms.txt", "llms-full.txt"} {
			if !strings.Contains(string(s.Files[name]), pageAddress(p.Name, ".md")) {
				t.Errorf("%s does not name %s.md", name, p.Name)
			}
		}
	}
}
