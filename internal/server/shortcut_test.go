package server

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"
	"pgregory.net/rapid"

	"github.com/eggapi/eggapi/gen"
)

// A mutant that is killed must leave the checkout as it was. What failed is printed with the seed that repeats it.
var _ = flag.Set("rapid.nofailfile", "true")

// What the shortcut lets in, kin-openapi's own way lets in too, with the same value for the handler. The other way
// round it may be narrow, but not for what is in plain sight.
func TestShortcut_AdmitsOnlyWhatTheLongWayAdmits(t *testing.T) {
	t.Parallel()
	for name, document := range map[string][]byte{"the contract": gen.Contract, "with members that go one way": oneWayContract(t)} {
		c, err := compile(t.Context(), document)
		if err != nil {
			t.Fatal(err)
		}
		admitted := map[string]int{}
		for _, op := range c.operations {
			if op.shortcut == nil {
				t.Errorf("%s: %s has no shortcut", name, op.id)
				continue
			}
			t.Run(name+"/"+op.id, rapid.MakeCheck(func(t *rapid.T) {
				if checkShortcut(t, op) {
					admitted[op.id]++
				}
			}))
			if admitted[op.id] == 0 {
				t.Errorf("%s: %s: the shortcut admitted nothing, so nothing was compared", name, op.id)
			}
		}
	}
}

// checkShortcut sends one request of op both ways, and tells whether it was let in.
func checkShortcut(t *rapid.T, op *operation) bool {
	s := &server{}
	made := drawRequest(t, op)
	short, long := made.context(op), made.context(op)
	query, err := checkQuery(made.target.RawQuery, op)
	if err != nil {
		return false
	}
	body, err := s.readBody(short.Request(), op)
	if err != nil {
		return false
	}
	again, err := s.readBody(long.Request(), op)
	if err != nil {
		t.Fatalf("the same body was taken and refused: %v", err)
	}
	verdict := judge(long, op, query, again)
	if !op.shortcut.admits(short, query, body) {
		if plain := made.usual && (body != nil) == op.hasBody; plain && verdict == nil {
			t.Fatalf("%s %s: the shortcut is needlessly narrow", made.target.RawQuery, made.body)
		}
		return false
	}
	if verdict != nil {
		t.Fatalf("%s %v %s: admitted by the shortcut and refused by kin-openapi: %v", made.target.RawQuery, made.header, made.body, verdict)
	}
	if body == nil {
		return true
	}
	body.install(short.Request())
	if want, got := long.Request(), short.Request(); !reflect.DeepEqual(valueOf(t, want), valueOf(t, got)) || want.ContentLength != got.ContentLength {
		t.Fatalf("%s: handlers would get %v of %d bytes, want %v of %d", made.body, valueOf(t, got), got.ContentLength, valueOf(t, want), want.ContentLength)
	}
	return true
}

func valueOf(t *rapid.T, r *http.Request) any {
	holder, ok := r.Body.(interface{ ValidatedValue() any })
	if !ok {
		t.Fatalf("the body %T holds no value", r.Body)
	}
	return holder.ValidatedValue()
}

// drawnRequest is what a context can be made of any number of times.
type drawnRequest struct {
	method string
	target url.URL
	header http.Header
	body   []byte
	params []string // name, value, ...
	usual  bool     // every parameter is there once or not at all
}

func (d drawnRequest) context(op *operation) echo.Context {
	r := httptest.NewRequest(d.method, "/", bytes.NewReader(d.body))
	r.URL, r.Header = &d.target, d.header.Clone()
	c := echo.New().NewContext(r, httptest.NewRecorder())
	c.SetPath(op.echoPath)
	var names, values []string
	for i := 0; i < len(d.params); i += 2 {
		names, values = append(names, d.params[i]), append(values, d.params[i+1])
	}
	c.SetParamNames(names...)
	c.SetParamValues(values...)
	return c
}

func drawRequest(t *rapid.T, op *operation) drawnRequest {
	d := drawnRequest{method: op.method, target: url.URL{Path: "/"}, header: http.Header{}, usual: true}
	query, few := url.Values{}, rapid.Bool().Draw(t, "few")
	for _, p := range append(append(openapi3.Parameters{}, op.route.PathItem.Parameters...), op.route.Operation.Parameters...) {
		times := 1
		if p.Value.In != openapi3.ParameterInPath {
			times = rapid.SampledFrom([]int{0, 0, 1, 1, 1, 2}).Draw(t, "times")
		}
		if few && !p.Value.Required {
			times = rapid.SampledFrom([]int{0, 0, 0, 0, 0, 1}).Draw(t, "times of few")
		}
		for range times {
			value := drawText(t, p.Value.Schema.Value)
			d.usual = d.usual && times == 1 && value != ""
			switch p.Value.In {
			case openapi3.ParameterInPath:
				d.params = append(d.params, p.Value.Name, value)
			case openapi3.ParameterInQuery:
				query.Add(p.Value.Name, value)
			case openapi3.ParameterInHeader:
				d.header.Add(p.Value.Name, value)
			}
		}
	}
	d.target.RawQuery = query.Encode()
	if op.hasBody {
		d.header.Set("Content-Type", rapid.SampledFrom([]string{"application/json", "Application/JSON; charset=UTF-8", "application/json ;charset=utf-8"}).Draw(t, "type"))
		value, err := json.Marshal(drawValue(t, op.route.Operation.RequestBody.Value.Content["application/json"].Schema.Value))
		if err != nil {
			t.Fatal(err)
		}
		if rapid.IntRange(0, 9).Draw(t, "empty") > 0 {
			d.body = value
		}
	}
	return d
}

// drawValue makes a value that mostly keeps the schema.
func drawValue(t *rapid.T, s *openapi3.Schema) any {
	if rapid.IntRange(0, 19).Draw(t, "odd") == 0 {
		odd := []any{nil, true, "", "x", 0, -1, 1.5, 1e300, json.Number("1.0"), json.Number("1e0"), json.Number("1e400"), []any{}, []any{nil}, map[string]any{}, map[string]any{"a": 1}}
		return rapid.SampledFrom(odd).Draw(t, "value")
	}
	switch {
	case s.Type.Is("object"):
		members := map[string]any{}
		for name, p := range s.Properties {
			if rapid.IntRange(0, 9).Draw(t, name) > 2 {
				members[name] = drawValue(t, p.Value)
			}
		}
		for _, name := range s.Required {
			if rapid.IntRange(0, 19).Draw(t, name) > 0 {
				members[name] = drawValue(t, s.Properties[name].Value)
			}
		}
		if rapid.IntRange(0, 9).Draw(t, "unknown") == 0 {
			members[rapid.SampledFrom([]string{"Model", "extra", ""}).Draw(t, "name")] = 1
		}
		return members
	case s.Type.Is("array"):
		items := []any{}
		for range rapid.IntRange(0, 4).Draw(t, "length") {
			items = append(items, drawValue(t, s.Items.Value))
		}
		return items
	case s.Type.Is("integer"), s.Type.Is("number"):
		return json.Number(rapid.SampledFrom([]string{"1", "1", "1", "2", "2", "3", "0", "-1", "5", "100", "1000000000000", "1.5", "2.0", "1e1"}).Draw(t, "number"))
	case s.Type.Is("boolean"):
		return rapid.Bool().Draw(t, "bool")
	default:
		return drawText(t, s)
	}
}

func drawText(t *rapid.T, s *openapi3.Schema) string {
	texts := []string{
		"gen_7", "nanobanana", "a lighthouse", "ada@egg.example", "https://egg.example/a.png", "2030-01-02T03:04:05Z", "live", "test", "1", "20", "",
		"tru\u00e9 \U0001f95a", "two words", strings.Repeat("x", 41), strings.Repeat("\U0001f95a", 128), strings.Repeat("x", 256), strings.Repeat("y", 5001),
	}
	for _, v := range s.Enum {
		if text, ok := v.(string); ok {
			texts = append(texts, text)
		}
	}
	if rapid.IntRange(0, 9).Draw(t, "fitting") > 0 {
		texts = fitting(s, texts)
	}
	return rapid.SampledFrom(texts).Draw(t, "text")
}

func fitting(s *openapi3.Schema, texts []string) []string {
	var fit []string
	for _, text := range texts {
		var value any = text
		if n, err := strconv.Atoi(text); err == nil && s.Type.Is("integer") {
			value = n
		}
		if s.VisitJSON(value) == nil {
			fit = append(fit, text)
		}
	}
	if fit == nil {
		return texts
	}
	return fit
}

// oneWayContract is the contract with read-only members in bodies, which it has none of.
func oneWayContract(t *testing.T) []byte {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(gen.Contract)
	if err != nil {
		t.Fatal(err)
	}
	doc.Components.Schemas["GenerateRequest"].Value.Properties["duration"].Value.ReadOnly = true
	doc.Paths.Value("/v1/generate").Post.RequestBody.Value.Content["application/json"].Examples = nil
	document, err := doc.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return document
}

func TestShortcut_IsNotTakenWhereValuesAreWrittenInAnUnusualWay(t *testing.T) {
	t.Parallel()
	text := openapi3.NewStringSchema().NewRef()
	yes := true
	for name, p := range map[string]*openapi3.Parameter{
		"a cookie":      {In: "cookie", Name: "a", Schema: text},
		"a style":       {In: "query", Name: "a", Schema: text, Style: "pipeDelimited"},
		"exploded":      {In: "query", Name: "a", Schema: text, Explode: &yes},
		"empty allowed": {In: "query", Name: "a", Schema: text, AllowEmptyValue: true},
		"no schema":     {In: "query", Name: "a"},
		"content":       {In: "query", Name: "a", Content: openapi3.NewContentWithJSONSchemaRef(text)},
		"a list":        {In: "query", Name: "a", Schema: openapi3.NewArraySchema().NewRef()},
		"an object":     {In: "query", Name: "a", Schema: openapi3.NewObjectSchema().NewRef()},
		"a choice":      {In: "query", Name: "a", Schema: openapi3.NewOneOfSchema(openapi3.NewStringSchema()).NewRef()},
		"a combination": {In: "query", Name: "a", Schema: openapi3.NewAllOfSchema(openapi3.NewStringSchema()).NewRef()},
	} {
		if _, ok := newParameter(p); ok {
			t.Errorf("%s: taken", name)
		}
	}
}
