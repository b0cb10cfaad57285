package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// plant writes a small checkout whose only page beside the first is text.
func plant(t *testing.T, text string, edits ...string) string {
	t.Helper()
	root := t.TempDir()
	files := map[string]string{
		"docs/site/pages.yaml": "- section: All\n  pages:\n    - {name: index, nav: First, about: First.}\n    - {name: planted, nav: Planted, about: Planted.}\n" +
			"    - {name: reference, nav: Reference, about: Reference.}\n" +
			"    - {name: later, nav: Later, about: Later., source: docs/later.md, optional: true}\n",
		"docs/site/index.md":     "# First\n\nOne.\n\n## A place\n\nTwo.\n",
		"docs/site/planted.md":   text,
		"docs/site/reference.md": "# Reference\n\n<!-- reference -->\n\nAll.\n",
		"docs/part.md":           "# Part\n\n## One\n\nfirst [words](other.md)\n\n### Below\n\ndeeper\n\n## Two\n\nsecond [link](site/index.md#a-place)\n",
		"web/src/egg.svg":        "<svg/>",
		"web/package.json":       `{"devDependencies": {"swagger-ui-dist": "1.2.3"}}`,
		"gen/openapi.yaml": "paths:\n  /x:\n    get:\n      summary: X\n      security: [{apiKey: []}, {session: []}]\n      responses:\n" +
			"        '404': {x-error-codes: [GONE]}\ncomponents:\n  schemas:\n    ErrorCode: {x-extensible-enum: [GONE]}\n" +
			"    TaskFailure: {properties: {code: {x-extensible-enum: [late]}}}\n",
	}
	for i := 0; i < len(edits); i += 2 {
		files[edits[i]] = edits[i+1]
	}
	for name, body := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestCheck_TellsEveryPlantedFault(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"nothing wrong":   {"# P\n\n[a](index.md) [b](index.md#a-place) [c](/openapi.json) [d](https://example.com) [e](#p)\n", ""},
		"no such page":    {"# P\n\n[a](nothing.md)\n", "links to nothing.md, which is not shipped"},
		"no such address": {"# P\n\n[a](/docs/nothing)\n", "links to /docs/nothing, which is not there"},
		"no such place":   {"# P\n\n[a](index.md#nowhere)\n", "/docs#nowhere, which is no place on that page"},
		"a file name":     {"# P\n\n<a href=\"index.md#a-place\">a</a>\n", "links to index.md#a-place, which is not there"},
		"over two lines":  {"# P\n\n[two\nlines](nothing.md)\n", "links to nothing.md, which is not shipped"},
		"no place here":   {"# P\n\n[a](#nowhere)\n", "links to #nowhere, which is no place on that page"},
		"twice one place": {"# P\n\n## `SAME`\n\n## `SAME`\n", "has two places called SAME"},
		"foreign image":   {"# P\n\n![a](https://example.com/a.png)\n", "asks https://example.com/a.png"},
		"foreign script":  {"# P\n\n<script src=\"//example.com/a.js\"></script>\n", "asks //example.com/a.js"},
		"inline script":   {"# P\n\n<script>alert(1)</script>\n", "a script in the page"},
		"inline style":    {"# P\n\n<p style=\"color: red\">x</p>\n", "a style in the page"},
		"style element":   {"# P\n\n<style>p { color: red }</style>\n", "a style in the page"},
		"event handler":   {"# P\n\n<p onclick=\"x()\">x</p>\n", "an event handler in the page"},
		"foreign form":    {"# P\n\n<form action=\"https://example.com\"></form>\n", "asks https://example.com"},
		"missing asset":   {"# P\n\n<img src=\"/docs/assets/none.png\" alt=\"\">\n", "loads /docs/assets/none.png, which is not there"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Build(plant(t, tt.text))
			if err != nil {
				t.Fatal(err)
			}
			var told []string
			for _, f := range Check(s) {
				told = append(told, f.String())
			}
			all := strings.Join(told, "\n")
			if tt.want == "" && all != "" || !strings.Contains(all, tt.want) {
				t.Errorf("want %q, got:\n%s", tt.want, all)
			}
		})
	}
}

func TestCheck_TellsAStyleSheetThatAsksAnotherServer(t *testing.T) {
	s, err := Build(plant(t, "# P\n"))
	if err != nil {
		t.Fatal(err)
	}
	s.Files["assets/x.css"] = []byte(`a { background: url("https://example.com/a.png") } @import "//example.com/b.css"; b { background: url(data:x) }`)
	if faults := Check(s); len(faults) != 2 {
		t.Errorf("%d faults: %v", len(faults), faults)
	}
}

func TestBuild_RefusesWhatItCannotRender(t *testing.T) {
	for name, root := range map[string]string{
		"no title":        plant(t, "no title\n"),
		"missing include": plant(t, "# P\n\n[x](../nothing.md)<!-- include -->\n"),
		"missing section": plant(t, "# P\n\n[x](../part.md#three)<!-- include -->\n"),
		"missing page":    plant(t, "# P\n", "docs/site/pages.yaml", "- section: A\n  pages: [{name: gone, nav: Gone, about: Gone.}]\n"),
		"unknown member":  plant(t, "# P\n", "docs/site/pages.yaml", "- section: A\n  pages: [{name: index, naw: X}]\n"),
		"no contract":     plant(t, "# P\n", "gen/openapi.yaml", "paths: {}\n"),
		"no library":      plant(t, "# P\n", "web/package.json", "{}"),
	} {
		if _, err := Build(root); err == nil {
			t.Errorf("%s: rendered", name)
		}
	}
}

func TestBuild_LeavesAnOptionalPageOutUntilItIsThere(t *testing.T) {
	text := "# P\n\n[later](../later.md) on\n"
	s, err := Build(plant(t, text))
	if err != nil || len(Check(s)) > 0 {
		t.Fatalf("%v %v", err, Check(s))
	}
	if s.Files["later.html"] != nil || !strings.Contains(string(s.Files["planted.md"]), "later on") {
		t.Errorf("the page is there, or linked to: %s", s.Files["planted.md"])
	}
	s, err = Build(plant(t, text, "docs/later.md", "# Later\n"))
	if err != nil || len(Check(s)) > 0 {
		t.Fatalf("%v %v", err, Check(s))
	}
	if s.Files["later.html"] == nil || !strings.Contains(string(s.Files["planted.md"]), "[later](/docs/later.md) on") {
		t.Errorf("the page is not there, or not linked to: %s", s.Files["planted.md"])
	}
}

func TestExpand_IncludesSectionsAndWholeFiles(t *testing.T) {
	s, err := Build(plant(t, "# P\n\n[x](../part.md#one)<!-- include -->\n\nend\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(s.Files["planted.md"]), "# P\n\nfirst words\n\nend\n"; got != want {
		t.Errorf("a section: %q", got)
	}
	s, err = Build(plant(t, "# P\n\n[x](../part.md)<!-- include -->\n"))
	if err != nil {
		t.Fatal(err)
	}
	got := string(s.Files["planted.md"])
	for _, want := range []string{"## One\n", "### Below\n", "second [link](/docs/index.md#a-place)"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in %q", want, got)
		}
	}
	if !strings.Contains(string(s.Files["planted.html"]), `<a href="/docs#a-place">link</a>`) {
		t.Error("the page does not link to the page")
	}
}

func TestRender_MakesTabsOfNeighboursThatShowTheSame(t *testing.T) {
	page := "# P\n\n```bash run=a expect='1'\necho 1\n```\n\n```python run=a expect='1'\nprint(1)\n```\n\n" +
		"Between.\n\n```python serve=c expect='1'\nprint(1)\n```\n\n```ts serve=c expect='1'\n1;\n```\n\n" +
		"```go run=b expect='1'\npackage main\n```\n\n```json output title=\"An answer\"\n{}\n```\n"
	s, err := Build(plant(t, page))
	if err != nil {
		t.Fatal(err)
	}
	html := string(s.Files["planted.html"])
	if n := strings.Count(html, `<div class="samples">`); n != 2 {
		t.Errorf("%d groups", n)
	}
	for _, want := range []string{">curl</div>", ">Python</div>", ">Go</div>", ">An answer</div>", `class="code answer"`} {
		if !strings.Contains(html, want) {
			t.Errorf("%s is missing", want)
		}
	}
	if text := string(s.Files["planted.md"]); strings.Contains(text, "run=") || strings.Contains(text, "output") {
		t.Errorf("the Markdown has marks: %s", text)
	}
}

func TestRender_NamesPlacesAfterTheirHeading(t *testing.T) {
	s, err := Build(plant(t, "# P\n\n## When to `try` again?\n\n### `NOT_FOUND`\n\n### Added\n\n### Added\n"))
	if err != nil {
		t.Fatal(err)
	}
	html := string(s.Files["planted.html"])
	for _, want := range []string{`<h2 id="when-to-try-again">`, `<h3 id="NOT_FOUND">`, `<h3 id="added">`, `<h3 id="added-1">`} {
		if !strings.Contains(html, want) {
			t.Errorf("%s is missing in %s", want, html)
		}
	}
}

func TestContract_SaysWhoGivesACode(t *testing.T) {
	s, err := Build(plant(t, "# P\n\n<!-- given by GONE -->\n\n<!-- given by OTHER -->\n\n<!-- operations -->\n"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(s.Files["planted.md"])
	for _, want := range []string{"Any operation can give it.", "No operation gives it by itself", "| `GET /x` | X | an API key or a session |"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in %q", want, text)
		}
	}
}

func TestMirror_WritesOnlyWhatChangedAndRemovesTheRest(t *testing.T) {
	folder := t.TempDir()
	if err := mirror(map[string][]byte{"a/same.md": []byte("1"), "other.md": []byte("1"), "gone.md": []byte("1")}, folder); err != nil {
		t.Fatal(err)
	}
	long := time.Now().Add(-time.Hour)
	for _, name := range []string{"a/same.md", "other.md"} {
		if err := os.Chtimes(filepath.Join(folder, name), long, long); err != nil {
			t.Fatal(err)
		}
	}
	if err := mirror(map[string][]byte{"a/same.md": []byte("1"), "other.md": []byte("2")}, folder); err != nil {
		t.Fatal(err)
	}
	for name, written := range map[string]bool{"a/same.md": false, "other.md": true} {
		info, err := os.Stat(filepath.Join(folder, name))
		if err != nil || info.ModTime().After(long.Add(time.Minute)) != written {
			t.Errorf("%s: written again is not %t (%v)", name, written, err)
		}
	}
	if _, err := os.Stat(filepath.Join(folder, "gone.md")); !os.IsNotExist(err) {
		t.Error("gone.md is still there")
	}
}

func TestLibrary_IsShippedWithItsConditionsAndWithoutSourceMaps(t *testing.T) {
	root := plant(t, "# P\n")
	if _, err := readLibrary(root); err == nil || !strings.Contains(err.Error(), "make node-web") {
		t.Errorf("a library that is not there: %v", err)
	}
	folder := filepath.Join(root, "web", "node_modules", library)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{
		"swagger-ui-bundle.js": "x;\n//# sourceMappingURL=swagger-ui-bundle.js.map\n", "swagger-ui.css": "a{}\n/*# sourceMappingURL=a.css.map*/",
		"LICENSE": "the licence", "NOTICE": "the notice", "swagger-ui-bundle.js.LICENSE.txt": "theirs",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, err := readLibrary(root)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"assets/swagger-ui-1.2.3.js": "x;", "assets/swagger-ui-1.2.3.css": "a{}",
		"assets/swagger-ui-1.2.3.LICENSE.txt": "the licence\n\nthe notice\n\ntheirs",
	} {
		if got := string(files[name]); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
}
