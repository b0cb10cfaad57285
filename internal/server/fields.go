package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"

	"github.com/eggapi/eggapi/internal/fault"
)

// A client that sends a thousand faults is told of the first hundred, as the contract says.
const maxFields = 100

// toRefusal turns kin-openapi's errors, whose text repeats the schema and the caller's values, into fields.
func toRefusal(err error) error {
	var fields []fault.Field
	body := true
	for _, one := range flatten(err) {
		var request *openapi3filter.RequestError
		if !errors.As(one, &request) {
			continue
		}
		if request.Parameter != nil {
			body = false
			fields = append(fields, parameterFields(request)...)
			continue
		}
		fields = append(fields, bodyFields(request)...)
	}
	if len(fields) > maxFields {
		fields = fields[:maxFields]
	}
	if !body || len(fields) == 0 {
		return errMalformed.WithFields(fields...).Because(err)
	}
	return fault.New(fault.ValidationError, "request validation failed").WithFields(fields...).Because(err)
}

func flatten(err error) []error {
	var many openapi3.MultiError
	if m, ok := err.(openapi3.MultiError); ok { //nolint:errorlint // only the outermost layer is a list
		many = m
	} else {
		return []error{err}
	}
	var all []error
	for _, one := range many {
		all = append(all, flatten(one)...)
	}
	return all
}

func parameterFields(e *openapi3filter.RequestError) []fault.Field {
	field := fault.Field{In: e.Parameter.In, Name: e.Parameter.Name}
	schemaErrors := schemaErrors(e.Err)
	if len(schemaErrors) == 0 {
		field.Rule, field.Message = "format", "has the wrong format"
		if errors.Is(e.Err, openapi3filter.ErrInvalidRequired) {
			field.Rule, field.Message = "required", "is required"
		}
		return []fault.Field{field}
	}
	field.Rule, field.Message = describe(schemaErrors[0])
	return []fault.Field{field}
}

func bodyFields(e *openapi3filter.RequestError) []fault.Field {
	var fields []fault.Field
	for _, s := range schemaErrors(e.Err) {
		rule, message := describe(s)
		name := pointerName(s.JSONPointer())
		if rule == "unknown" {
			name = join(name, unknownName(s))
		}
		fields = append(fields, fault.Field{In: "body", Name: name, Rule: rule, Message: message})
	}
	if len(fields) == 0 && errors.Is(e.Err, openapi3filter.ErrInvalidRequired) {
		fields = append(fields, fault.Field{In: "body", Rule: "required", Message: "is required"})
	}
	return fields
}

func schemaErrors(err error) []*openapi3.SchemaError {
	var found []*openapi3.SchemaError
	for _, one := range flatten(err) {
		var s *openapi3.SchemaError
		if errors.As(one, &s) {
			found = append(found, s)
		}
	}
	return found
}

// describe names the broken rule and words it from the contract alone.
func describe(e *openapi3.SchemaError) (rule, message string) {
	s := e.Schema
	switch e.SchemaField {
	case "required":
		return "required", "is required"
	case "properties":
		return "unknown", "is not a member of this object"
	case "enum":
		return "enum", "must be one of " + listed(s.Enum)
	case "minLength":
		return "minLength", "must be at least " + characters(s.MinLength)
	case "maxLength":
		if s.MaxLength != nil {
			return "maxLength", "must be at most " + characters(*s.MaxLength)
		}
	case "minimum", "maximum":
		return e.SchemaField, "must be from " + number(s.Min) + " to " + number(s.Max)
	case "maxItems":
		if s.MaxItems != nil {
			return "maxItems", fmt.Sprintf("must have at most %d items", *s.MaxItems)
		}
	case "minProperties":
		return "minProperties", "must have at least one member"
	case "type", "nullable":
		if s.Type != nil {
			return "type", "must be of type " + strings.Join(s.Type.Slice(), " or ")
		}
	case "format", "pattern":
		if s.Format != "" {
			return "format", "must be a valid " + s.Format
		}
		return "pattern", "has the wrong format"
	}
	return e.SchemaField, "is not valid"
}

func listed(values []any) string {
	texts := make([]string, len(values))
	for i, v := range values {
		text, _ := json.Marshal(v) // values of the contract, which came from JSON
		texts[i] = string(text)
	}
	return strings.Join(texts, ", ")
}

func characters(n uint64) string {
	if n == 1 {
		return "1 character"
	}
	return strconv.FormatUint(n, 10) + " characters"
}

func number(n *float64) string {
	if n == nil {
		return "any number"
	}
	return strconv.FormatFloat(*n, 'f', -1, 64)
}

// pointerName writes a JSON pointer the way people do: image_urls[2].
func pointerName(pointer []string) string {
	name := ""
	for _, part := range pointer {
		if _, err := strconv.Atoi(part); err == nil {
			name += "[" + part + "]"
			continue
		}
		name = join(name, safeName(part))
	}
	return name
}

func join(parent, child string) string {
	if parent == "" || child == "" {
		return parent + child
	}
	return parent + "." + child
}

// unknownName finds the name in kin-openapi's fixed phrase `property "x" is unsupported`.
func unknownName(e *openapi3.SchemaError) string {
	_, rest, ok := strings.Cut(e.Reason, `property "`)
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, `"`)
	return safeName(name)
}

// safeName repeats a name the caller made up only when it looks like a name.
func safeName(name string) string {
	if name == "" || len(name) > 100 {
		return ""
	}
	for _, r := range name {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !letter && r != '_' && r != '-' && r != '.' {
			return ""
		}
	}
	return name
}
