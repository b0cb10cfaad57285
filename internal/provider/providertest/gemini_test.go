package providertest

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/eggapi/eggapi/internal/provider"
)

const path = "/v1beta/models/gemini-3-pro-image:generateContent"

// body gives a request that is accepted as it is.
func body() string {
	return `{"contents":[{"role":"user","parts":[{"text":"a fox"},{"inlineData":{"mimeType":"image/png","data":"` +
		base64.StdEncoding.EncodeToString(Picture("x", "16:9", "1K")) + `"}}]}],
		"generationConfig":{"responseModalities":["IMAGE"],"imageConfig":{"aspectRatio":"16:9","imageSize":"2K"}}}`
}

type sent struct {
	method, path, body string
	keys               []string
	contentType        string
}

func send(g *Gemini, s sent) (int, string) {
	r := httptest.NewRequestWithContext(context.Background(), s.method, s.path, strings.NewReader(s.body))
	r.Header["X-Goog-Api-Key"] = s.keys
	r.Header.Set("Content-Type", s.contentType)
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	answer, _ := io.ReadAll(w.Body)
	return w.Code, string(answer)
}

func TestGemini_RefusesWhatUpstreamWould(t *testing.T) {
	replace := func(old, with string) func(*sent) {
		return func(s *sent) {
			if !strings.Contains(s.body, old) {
				t.Fatalf("%q is not in the body", old)
			}
			s.body = strings.Replace(s.body, old, with, 1)
		}
	}
	tests := []struct {
		name   string
		change func(*sent)
		want   int
	}{
		{"as it should be", func(*sent) {}, 200},
		{"no key", func(s *sent) { s.keys = nil }, 403},
		{"wrong key", func(s *sent) { s.keys = []string{"k2"} }, 400},
		{"key in the query", func(s *sent) { s.path += "?key=k" }, 400},
		{"get", func(s *sent) { s.method = http.MethodGet }, 404},
		{"other method", func(s *sent) { s.path = strings.Replace(s.path, "generate", "stream", 1) }, 404},
		{"other version", func(s *sent) { s.path = strings.Replace(s.path, "v1beta", "v1", 1) }, 404},
		{"unknown model", func(s *sent) { s.path = strings.Replace(s.path, "3-pro", "3-pro-preview", 1) }, 404},
		{"size refused by the model", func(s *sent) { s.path = strings.Replace(s.path, "3-pro", "2.5-flash", 1) }, 400},
		{"form", func(s *sent) { s.contentType = "text/plain" }, 400},
		{"cut JSON", func(s *sent) { s.body = s.body[:len(s.body)-1] }, 400},
		{"more after the JSON", func(s *sent) { s.body += "{}" }, 400},
		{"unknown field", replace(`"role"`, `"seed":1,"role"`), 400},
		{"field in another case", replace(`"aspectRatio"`, `"aspectratio"`), 400},
		{"field twice", replace(`"role":"user"`, `"role":"user","role":"user"`), 400},
		{"lower-case size", replace(`"2K"`, `"2k"`), 400},
		{"unknown size", replace(`"2K"`, `"8K"`), 400},
		{"unknown ratio", replace(`16:9`, `16:10`), 400},
		{"no picture asked for", replace(`"IMAGE"`, `"TEXT"`), 400},
		{"another role", replace(`"user"`, `"model"`), 400},
		{"empty part", replace(`{"text":"a fox"}`, `{}`), 400},
		{"lying type", replace(`image/png`, `image/jpeg`), 400},
		{"broken base64", replace(`"data":"`, `"data":"%`), 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := NewGemini("k")
			s := sent{http.MethodPost, path, body(), []string{"k"}, "application/json"}
			tt.change(&s)
			status, answer := send(g, s)
			if status != tt.want {
				t.Errorf("got %d: %s", status, answer)
			}
			calls := 0
			if tt.want == 200 {
				calls = 1
			}
			if g.Calls() != calls || g.CallsFor("fox") != calls || g.PicturesFor("") != calls {
				t.Errorf("counted %d, %d, %d", g.Calls(), g.CallsFor("fox"), g.PicturesFor(""))
			}
		})
	}
}

func TestGemini_OnceCountsForTheFirstCallOfAPrompt(t *testing.T) {
	g := NewGemini("k")
	for i, want := range []int{503, 200, 503, 200, 200} {
		prompt := []string{"one", "one", "two", "two", "one"}[i] + " [[503:once]]"
		s := sent{http.MethodPost, path, strings.Replace(body(), "a fox", prompt, 1), []string{"k"}, "application/json"}
		if status, answer := send(g, s); status != want {
			t.Errorf("call %d: %d %s", i, status, answer)
		}
	}
	if g.CallsFor("one") != 3 || g.PicturesFor("one") != 2 {
		t.Errorf("counted %d calls, %d pictures", g.CallsFor("one"), g.PicturesFor("one"))
	}
}

func TestGemini_InjectOverridesThePrompt(t *testing.T) {
	g := NewGemini("k")
	g.Inject = func(string) string { return "[[500]]" }
	s := sent{http.MethodPost, path, body(), []string{"k"}, "application/json"}
	if status, _ := send(g, s); status != 500 {
		t.Errorf("got %d", status)
	}
}

func TestPicture_KeepsTheRealRatio(t *testing.T) {
	for _, tt := range []struct {
		aspect, size string
		w, h         int
	}{{"16:9", "1K", 86, 48}, {"9:16", "2K", 96, 172}, {"16:9", "4K", 344, 192}, {"1:1", "", 48, 48}} {
		for _, data := range [][]byte{Picture("x", tt.aspect, tt.size), JPEG("x", tt.aspect, tt.size)} {
			img, err := provider.CheckImage(data)
			if err != nil || img.Width != tt.w || img.Height != tt.h {
				t.Errorf("%s %s: %dx%d %v", tt.aspect, tt.size, img.Width, img.Height, err)
			}
		}
	}
	if string(Picture("a", "16:9", "1K")) == string(Picture("b", "16:9", "1K")) {
		t.Error("two prompts, one picture")
	}
}
