package apitest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// generalHeaders may be on any answer; every other one must be declared where it is sent. The last three are made
// from the contract's marks of a deprecation.
var generalHeaders = []string{
	"Cache-Control", "Content-Length", "Content-Type", "Cross-Origin-Opener-Policy", "Date", "Referrer-Policy",
	"X-Content-Type-Options", "X-Frame-Options", "Connection", "Transfer-Encoding", "Eggapi-Mock",
	"Deprecation", "Sunset", "Link",
}

// undeclaredHeader names a header that the response does not declare, "" when there is none.
func undeclaredHeader(declared openapi3.Headers, sent http.Header) string {
	for name := range sent {
		known := slices.Contains(generalHeaders, name)
		for declaredName := range declared {
			known = known || http.CanonicalHeaderKey(declaredName) == name
		}
		if !known {
			return name
		}
	}
	return ""
}

// undeclaredMember finds what the schema lets pass so that answers may grow, and no answer of today may hold: a member
// that is not declared, or a value that is not in an extensible list. It gives "" when there is none.
func undeclaredMember(schema *openapi3.SchemaRef, value any, at string) string {
	s := schema.Value
	switch v := value.(type) {
	case string:
		return unlistedValue(s, v, at)
	case []any:
		for i, item := range v {
			if s.Items == nil {
				continue
			}
			if problem := undeclaredMember(s.Items, item, fmt.Sprintf("%s[%d]", at, i)); problem != "" {
				return problem
			}
		}
	case map[string]any:
		return undeclaredIn(s, v, at)
	}
	return ""
}

func undeclaredIn(s *openapi3.Schema, object map[string]any, at string) string {
	if s.Extensions["x-free-form"] == true || s.AdditionalProperties.Schema != nil {
		return ""
	}
	properties := map[string]*openapi3.SchemaRef{}
	for _, part := range append(openapi3.SchemaRefs{{Value: s}}, s.AllOf...) {
		for name, property := range part.Value.Properties {
			properties[name] = property
		}
	}
	for name, value := range object {
		property, ok := properties[name]
		if !ok {
			return fmt.Sprintf("%s.%s is not declared", at, name)
		}
		if problem := undeclaredMember(property, value, at+"."+name); problem != "" {
			return problem
		}
	}
	return ""
}

func unlistedValue(s *openapi3.Schema, value, at string) string {
	known, listed := s.Extensions["x-extensible-enum"].([]any)
	if listed && !slices.Contains(known, any(value)) {
		return fmt.Sprintf("%s is %q, which is not in the list of known values", at, value)
	}
	return ""
}

// refusal gives the code and the message of a refusal in either format, empty when value is none.
func refusal(value any) (code, message string) {
	body, _ := value.(map[string]any)
	if inner, ok := body["error"].(map[string]any); ok {
		body = inner
	}
	code, _ = body["code"].(string)
	message, _ = body["message"].(string)
	return code, message
}

// declaredCodes gives the codes that a response may carry.
func declaredCodes(r *openapi3.Response) []string {
	list, _ := r.Extensions["x-error-codes"].([]any)
	var codes []string
	for _, v := range list {
		code, _ := v.(string)
		codes = append(codes, code)
	}
	return codes
}

// isJSON tells whether a body is described by a schema that can be walked.
func isJSON(header http.Header) bool {
	return strings.HasPrefix(header.Get("Content-Type"), "application/json")
}
