package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/eggapi/eggapi/internal/fault"
)

func TestReadJSON_TakesEveryValueThatIsOne(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{}`, `[]`, `null`, `true`, `0`, `-0`, `1.5e-300`, `""`, `"\ud83e\udd5a"`, ` {"a":{"a":1},"b":[{"a":1},{"a":2}]} `, "\t\r\n{}\n",
		`{"":1}`, `{"a":1,"A":2}`, strings.Repeat(`[`, 64) + strings.Repeat(`]`, 64), `"` + strings.Repeat("🥚", 1<<16) + `"`,
	} {
		if _, err := readJSON([]byte(body)); err != nil {
			t.Errorf("%.40s: %v", body, err)
		}
	}
}

func TestReadJSON_SixtyFiveLevelsAreTooDeep(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		strings.Repeat(`[`, 65) + strings.Repeat(`]`, 65), strings.Repeat(`{"a":`, 65) + `1` + strings.Repeat(`}`, 65), strings.Repeat(`[`, 1<<20),
	} {
		if _, err := readJSON([]byte(body)); err == nil || err.Error() != errDepth.Error() {
			t.Errorf("%.40s: %v", body, err)
		}
	}
}

// judgeInTwoPasses is what readJSON does in one: tokens are judged by jsontext, and the value is read by encoding/json.
func judgeInTwoPasses(body []byte) (any, error) {
	if err := judgeTokens(body); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var value any
	return value, d.Decode(&value)
}

func judgeTokens(body []byte) error {
	d := jsontext.NewDecoder(bytes.NewReader(body))
	for first := true; ; first = false {
		token, err := d.ReadToken()
		switch {
		case errors.Is(err, io.EOF) && !first:
			return nil
		case errors.Is(err, jsontext.ErrDuplicateName):
			return errDuplicate
		case err != nil:
			return errJSON
		case d.StackDepth() > maxJSONDepth:
			return errDepth
		case token.Kind() == '"' && strings.ContainsRune(token.String(), 0):
			return errNUL
		}
		if d.StackDepth() == 0 && len(bytes.TrimSpace(body[d.InputOffset():])) > 0 {
			return errTrailing
		}
	}
}

// seeds are bodies at the edges of what is JSON.
var seeds = []string{
	`{"a":1}`, `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `{"a":1,"a`, `{"a":1,"a":`, `{"a":1 "a":2}`, `{"\u0000":1,"\u0000":2}`, `"\u0000"`, "\"\x00\"", "\"\xff\"",
	`[1] 2`, `[1]]`, ``, ` `, `"\ud800"`, `"\ud83e\udd5a"`, `"\uD83E\u0041"`, `{"a":{"b":[null,true,false]}}`, `1e309`, `-0`, `01`, `1.`, `1.5.5`, `-`, `+1`, `.5`, `1e`, `0x1`, `truex`, `nul`,
	`[]`, `{}`, `[[],{}]`, `[1,]`, `{"a":1,}`, `[,1]`, `{,}`, `{"a"}`, `{1:2}`, `{"a":}`, `[1 2]`, "{}\v", "{}\u00a0", "{} \v x", "\ufeff{}", "\t\r\n{} \n", `"a\tb"`, "\"a\tb\"", `"\x"`, `'a'`, `// a`,
	`{"":{"":[{"":""}]}}`, `{"model":"nanobanana","prompt":"A lighthouse 🥚","num_outputs":1,"image_urls":["https://egg.example/a.png"]}`,
	strings.Repeat(`[`, 64) + strings.Repeat(`]`, 64), strings.Repeat(`[`, 65), strings.Repeat(`{"a":`, 65), strings.Repeat(`[`, 64) + `"\u0000"`,
}

// readTwice holds the one pass against the two.
func readTwice(t interface{ Fatalf(string, ...any) }, body []byte) {
	want, refusal := judgeInTwoPasses(body)
	got, err := readJSON(body)
	if told(err) != told(refusal) {
		t.Fatalf("%q: %v, want %v", body, err, refusal)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%q is read as %#v, want %#v", body, got, want)
	}
}

// told is what a client is told of err.
func told(err error) string {
	refusal, ok := fault.As(err)
	if !ok {
		return fmt.Sprint(err)
	}
	return string(refusal.Code) + " " + refusal.Message
}

func TestReadJSON_SaysWhatTwoPassesSay(t *testing.T) {
	t.Parallel()
	for _, seed := range seeds {
		readTwice(t, []byte(seed))
	}
	t.Run("mutated", rapid.MakeCheck(func(t *rapid.T) {
		body := []byte(rapid.SampledFrom(seeds).Draw(t, "seed"))
		pieces := []string{`"`, `{`, `}`, `[`, `]`, `,`, `:`, ` `, "\x00", "\xff", `\`, `\u0000`, `0`, `1`, `-`, `.`, `e`, `"a":1,`, `null`, `true`, "\v", `🥚`, `{"a":[`, `"a"`}
		for range rapid.IntRange(0, 4).Draw(t, "mutations") {
			at := rapid.IntRange(0, len(body)).Draw(t, "at")
			end := rapid.IntRange(at, min(len(body), at+4)).Draw(t, "end")
			body = slices.Replace(body, at, end, []byte(rapid.SampledFrom(pieces).Draw(t, "piece"))...)
		}
		readTwice(t, body)
	}))
}

// What passes is one value that every reader reads alike.
func FuzzReadJSON(f *testing.F) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		readTwice(t, body)
		if _, err := readJSON(body); err != nil {
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
