package history

import (
	"maps"
	"reflect"
	"slices"
)

// words are members that people read and programs do not.
var words = []string{"description", "summary", "title", "example", "examples", "externalDocs"}

// named are members whose own members are names that somebody chose, such as a property called description.
var named = []string{"properties", "headers", "schemas", "responses", "parameters", "links", "callbacks", "content", "paths", "securitySchemes"}

// A Step is how far a version has to move.
type Step int

// From words to a difference that programs notice.
const (
	Nothing Step = iota
	Words
	Additions
)

// Distance tells what kind of difference there is between two contracts.
func Distance(base, revision *Bundle) Step {
	switch older, newer := unversioned(base.plain), unversioned(revision.plain); {
	case reflect.DeepEqual(older, newer):
		return Nothing
	case reflect.DeepEqual(wordless(older, false), wordless(newer, false)):
		return Words
	}
	return Additions
}

// unversioned is the document without its version.
func unversioned(doc any) any {
	out, ok := doc.(map[string]any)
	if !ok {
		return doc
	}
	out = maps.Clone(out)
	if info, ok := out["info"].(map[string]any); ok {
		info = maps.Clone(info)
		delete(info, "version")
		out["info"] = info
	}
	return out
}

// wordless is the value without what only people read.
func wordless(value any, names bool) any {
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, member := range v {
			if names || !slices.Contains(words, key) {
				out[key] = wordless(member, !names && slices.Contains(named, key))
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = wordless(item, false)
		}
		return out
	}
	return value
}
