package server

import (
	"bytes"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"
)

// shortcut lets a request in without looking for what there is to judge, which is known at boot. kin-openapi judges
// each value all the same. A request that finds no way in is not refused: ValidateRequest judges it from the start,
// and its errors say what is wrong. So a shortcut may be narrow, but nothing may pass it that ValidateRequest refuses.
type shortcut struct {
	parameters  []parameter
	body        *openapi3.Schema // nil when the operation takes none
	bodyOptions []openapi3.SchemaValidationOption
}

// parameter is one of which the shortcut can tell whether it is there and, mostly, its value.
type parameter struct {
	name     string // canonical for a header
	in       string
	required bool
	value    func(text string) (any, bool) // nil where that is for kin-openapi to say
	schema   *openapi3.Schema
}

// valueOptions tell kin-openapi that one fault is enough.
var valueOptions = []openapi3.SchemaValidationOption{openapi3.FailFast()}

// newShortcut gives nil when there can be none.
func newShortcut(doc *openapi3.T, item *openapi3.PathItem, op *openapi3.Operation) *shortcut {
	if doc.IsOpenAPI31OrLater() {
		return nil
	}
	s := &shortcut{bodyOptions: valueOptions}
	for _, p := range append(append(openapi3.Parameters{}, item.Parameters...), op.Parameters...) {
		one, ok := newParameter(p.Value)
		if !ok {
			return nil
		}
		s.parameters = append(s.parameters, one) // one of the path that the operation has too is only judged twice
	}
	if op.RequestBody == nil {
		return s
	}
	content := op.RequestBody.Value.Content
	media := content[echo.MIMEApplicationJSON]
	if len(content) != 1 || media == nil || media.Schema == nil {
		return nil
	}
	s.body = media.Schema.Value
	if oneWay(s.body, map[*openapi3.Schema]bool{}) {
		s.bodyOptions = []openapi3.SchemaValidationOption{openapi3.FailFast(), openapi3.VisitAsRequest()}
	}
	return s
}

func newParameter(p *openapi3.Parameter) (parameter, bool) {
	usual := p.Style == "" && p.Explode == nil && len(p.Content) == 0 && !p.AllowEmptyValue && p.In != openapi3.ParameterInCookie
	if !usual || p.Schema == nil {
		return parameter{}, false
	}
	s := p.Schema.Value
	if len(s.AllOf)+len(s.AnyOf)+len(s.OneOf) > 0 || s.Not != nil {
		return parameter{}, false
	}
	one := parameter{name: p.Name, in: p.In, required: p.Required, schema: s}
	if p.In == openapi3.ParameterInHeader {
		one.name = textproto.CanonicalMIMEHeaderKey(p.Name)
	}
	switch {
	case s.Type.Is(openapi3.TypeString):
		one.value = func(text string) (any, bool) { return text, true }
	case s.Type.Is(openapi3.TypeInteger) && s.Format == "":
		one.value = func(text string) (any, bool) {
			n, err := strconv.ParseInt(text, 10, 64)
			return n, err == nil
		}
	default:
		simple := s.Type.Is(openapi3.TypeInteger) || s.Type.Is(openapi3.TypeNumber) || s.Type.Is(openapi3.TypeBoolean)
		return one, simple
	}
	return one, true
}

// oneWay tells whether something in s goes one way only, so that kin-openapi must know that it reads a request.
func oneWay(s *openapi3.Schema, seen map[*openapi3.Schema]bool) bool {
	if s == nil || seen[s] {
		return false
	}
	seen[s] = true
	if s.ReadOnly || s.WriteOnly {
		return true
	}
	below := append(append(append(openapi3.SchemaRefs{s.Items, s.Not, s.AdditionalProperties.Schema}, s.AllOf...), s.AnyOf...), s.OneOf...)
	for _, property := range s.Properties {
		below = append(below, property)
	}
	for _, ref := range below {
		if ref != nil && oneWay(ref.Value, seen) {
			return true
		}
	}
	return false
}

// admits tells whether the parameters of a request and the value of its body, nil when it has none, keep the contract.
func (s *shortcut) admits(c echo.Context, query url.Values, body *heldBody) bool {
	if s == nil || c.Request().URL.RawPath != "" || (body == nil) != (s.body == nil) {
		return false
	}
	for i := range s.parameters {
		if !s.parameters[i].admits(c, query) {
			return false
		}
	}
	return s.body == nil || s.body.VisitJSON(body.value, s.bodyOptions...) == nil
}

func (p *parameter) admits(c echo.Context, query url.Values) bool {
	text, times := p.find(c, query)
	if times == 0 {
		return !p.required
	}
	// What an empty or a repeated one means is for kin-openapi to say.
	if p.value == nil || times > 1 || text == "" {
		return false
	}
	value, ok := p.value(text)
	return ok && p.schema.VisitJSON(value, valueOptions...) == nil
}

// find gives the first text of a parameter, and how many there are.
func (p *parameter) find(c echo.Context, query url.Values) (text string, times int) {
	var values []string
	switch p.in {
	case openapi3.ParameterInPath:
		return c.Param(p.name), 1
	case openapi3.ParameterInHeader:
		values = c.Request().Header[p.name]
	case openapi3.ParameterInQuery:
		values = query[p.name]
	}
	if len(values) == 0 {
		return "", 0
	}
	return values[0], len(values)
}

// heldBody is a body that was read, and its value. The generated server takes the value from where it was validated, so
// that handlers receive that very value.
type heldBody struct {
	bytes.Reader
	value any
}

// ValidatedValue is what the generated server asks for.
func (b *heldBody) ValidatedValue() any { return b.value }

// Close does nothing: the body was read.
func (b *heldBody) Close() error { return nil }

var _ interface{ ValidatedValue() any } = (*heldBody)(nil)

// install makes the body what the handler reads.
func (b *heldBody) install(r *http.Request) {
	if b != nil {
		r.Body, r.ContentLength = b, b.Size()
	}
}
