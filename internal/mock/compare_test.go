package mock_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// plain is an answer without what differs from one run to the next.
type plain struct {
	Status int
	Header http.Header
	Body   any
}

// Headers of which only the presence is compared.
var volatile = []string{"Date", "X-Request-Id", "Ratelimit", "Etag", "Last-Modified"}

// What stands for a text that differs from run to run.
var patterns = []struct {
	pattern *regexp.Regexp
	mark    string
}{
	{regexp.MustCompile(`\b(gen|key|usr|txn|use|req)_[0-9a-z]{26}\b`), "${1}_ID"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`), "MILLISECONDS"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`), "SECONDS"},
	{regexp.MustCompile(`\begg_(live|test)_\w{4}…\w{4}`), "${1}_HINT"},
	{regexp.MustCompile(`\begg_(live|test)_\w{38}\b`), "${1}_KEY"},
	{regexp.MustCompile(`whsec_[\w+/=]{44}`), "SECRET"},
	{regexp.MustCompile(`([?&]token)=\w{24}\b`), "${1}=TOKEN"},
	{regexp.MustCompile(`(session_token|dont_remember)=[\w%.+/=-]+;`), "${1}=COOKIE;"},
}

// Members whose text is free, so that only its type is compared.
var freeMembers = []string{"token", "reference", "checks", "request_count"}

// simplify makes the answers of two services comparable. url is the service's own.
func simplify(a answer, url string) plain {
	p := plain{Status: a.status, Header: http.Header{}}
	for name, values := range a.header {
		switch {
		case name == "Content-Length", name == "Eggapi-Mock":
			// The length follows from the body, which is compared.
		case slices.Contains(volatile, name):
			p.Header[name] = nil
		default:
			for _, v := range values {
				p.Header.Add(name, mark(v, url))
			}
			slices.Sort(p.Header[name])
		}
	}
	if json.Unmarshal(a.body, &p.Body) != nil {
		p.Body = string(a.body)
	}
	p.Body = strip(p.Body, url)
	return p
}

func strip(v any, url string) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			v[name] = strip(member, url)
			if slices.Contains(freeMembers, name) {
				v[name] = "FREE"
			}
		}
		// The service tells it up to a minute late, the mock never.
		delete(v, "last_used_at")
		// Better Auth's sessions have ids without a prefix.
		if _, session := v["expiresAt"]; session {
			v["id"] = "FREE"
		}
		return v
	case []any:
		for i := range v {
			v[i] = strip(v[i], url)
		}
		return v
	case string:
		return mark(v, url)
	}
	return v
}

func mark(text, url string) string {
	text = strings.ReplaceAll(text, url, "URL")
	for _, p := range patterns {
		text = p.pattern.ReplaceAllString(text, p.mark)
	}
	return text
}

// differences tells how the mock's answer differs from the real one, "" when it does not.
func differences(real, mocked plain) string { return cmp.Diff(real, mocked) }

func TestDifferences_SeesEveryPartOfAnAnswer(t *testing.T) {
	t.Parallel()
	const url = "http://127.0.0.1:1"
	real := func() answer {
		return answer{
			status: http.StatusOK, header: http.Header{"Content-Type": {"application/json"}, "Date": {"now"}},
			body: []byte(`{"data":{"id":"gen_01jz3v9m4r8q5t7w9x0y1z2a3b","at":"2026-05-08T10:30:00Z","n":1,"tags":["x"]},"error":null}`),
		}
	}
	for name, plant := range map[string]func(*answer){
		"another status":      func(a *answer) { a.status = http.StatusCreated },
		"a header less":       func(a *answer) { a.header.Del("Date") },
		"a header more":       func(a *answer) { a.header.Set("Vary", "*") },
		"another value":       func(a *answer) { a.header.Set("Content-Type", "text/plain") },
		"another kind of id":  func(a *answer) { a.body = []byte(strings.Replace(string(a.body), "gen_", "key_", 1)) },
		"a time in fractions": func(a *answer) { a.body = []byte(strings.Replace(string(a.body), "00Z", "00.000Z", 1)) },
		"another type":        func(a *answer) { a.body = []byte(strings.Replace(string(a.body), `"n":1`, `"n":"1"`, 1)) },
		"a member less":       func(a *answer) { a.body = []byte(strings.Replace(string(a.body), `"n":1,`, ``, 1)) },
		"null for nothing":    func(a *answer) { a.body = []byte(strings.Replace(string(a.body), `["x"]`, `null`, 1)) },
		"another text":        func(a *answer) { a.body = []byte(strings.Replace(string(a.body), `"x"`, `"y"`, 1)) },
	} {
		planted := real()
		plant(&planted)
		if differences(simplify(real(), url), simplify(planted, url)) == "" {
			t.Errorf("%s goes unnoticed", name)
		}
	}
	later := real()
	later.body = []byte(strings.ReplaceAll(string(later.body), "01jz3v9m4r", "01kz3v9m4r"))
	later.header.Set("Date", "later")
	if diff := differences(simplify(real(), url), simplify(later, url)); diff != "" {
		t.Errorf("an id and the date are taken for a difference:\n%s", diff)
	}
}
