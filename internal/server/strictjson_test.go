package server

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCheckJSON_TakesEveryValueThatIsOne(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{}`, `[]`, `null`, `true`, `0`, `-0`, `1.5e-300`, `""`, `"\ud83e\udd5a"`, ` {"a":{"a":1},"b":[{"a":1},{"a":2}]} `, "\t\r\n{}\n",
		`{"":1}`, `{"a":1,"A":2}`, strings.Repeat(`[`, 64) + strings.Repeat(`]`, 64), `"` + strings.Repeat("🥚", 1<<16) + `"`,
	} {
		if err := checkJSON([]byte(body)); err != nil {
			t.Errorf("%.40s: %v", body, err)
		}
	}
}

func TestCheckJSON_SixtyFiveLevelsAreTooDeep(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		strings.Repeat(`[`, 65) + strings.Repeat(`]`, 65), strings.Repeat(`{"a":`, 65) + `1` + strings.Repeat(`}`, 65), strings.Repeat(`[`, 1<<20),
	} {
		if err := checkJSON([]byte(body)); err == nil || err.Error() != errDepth.Error() {
			t.Errorf("%.40s: %v", body, err)
		}
	}
}

// What passes is one value that every reader reads alike.
func FuzzCheckJSON(f *testing.F) {
	for _, seed := range []string{`{"a":1}`, `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `"\u0000"`, "\"\xff\"", `[1] 2`, ``, ` `, `"\ud800"`, `{"a":{"b":[null]}}`, `1e309`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if checkJSON(body) != nil {
			return
		}
		if !json.Valid(body) || !utf8.Valid(body) {
			t.Fatalf("took %q", body)
		}
		d := json.NewDecoder(strings.NewReader(string(body)))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		again, err := json.Marshal(v)
		if err != nil || strings.Contains(string(again), `\u0000`) {
			t.Fatalf("%q holds a NUL: %v", body, err)
		}
		if repeats(json.NewDecoder(strings.NewReader(string(body)))) {
			t.Fatalf("%q names a member twice", body)
		}
	})
}

// repeats reads one value and tells whether an object in it has a name twice.
func repeats(d *json.Decoder) bool {
	d.UseNumber()
	token, err := d.Token()
	if err != nil {
		return false
	}
	seen, object := map[json.Token]bool{}, token == json.Delim('{')
	if !object && token != json.Delim('[') {
		return false
	}
	for d.More() {
		if object {
			name, err := d.Token()
			if err != nil || seen[name] {
				return true
			}
			seen[name] = true
		}
		if repeats(d) {
			return true
		}
	}
	_, _ = d.Token()
	return false
}
