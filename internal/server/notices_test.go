package server_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/eggapi/eggapi/internal/server"
)

func TestDeprecation_MarksOfTheContractAreHeadersOfEveryAnswer(t *testing.T) {
	t.Parallel()
	d, _ := deps()
	d.Contract = edited(t, func(doc *openapi3.T) { deprecate(doc.Paths.Value("/v1/models").Get, "2026-12-01", "2027-06-01") })
	e, err := server.New(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	for path, marked := range map[string]bool{"/v1/models": true, "/v1/models?colour=red": true, "/healthz": false, "/v1/tasks": false} {
		answer := httptest.NewRecorder()
		e.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		want := http.Header{}
		if marked {
			// The first is RFC 9745's date, the second RFC 8594's.
			want.Set("Deprecation", "@1796083200")
			want.Set("Sunset", "Tue, 01 Jun 2027 00:00:00 GMT")
			want.Set("Link", `</docs/policy>; rel="deprecation", </docs/policy>; rel="sunset"`)
		}
		for _, name := range []string{"Deprecation", "Sunset", "Link"} {
			if got := answer.Header().Get(name); got != want.Get(name) {
				t.Errorf("%s answered %d with %s: %s, want %s", path, answer.Code, name, got, want.Get(name))
			}
		}
	}
}
