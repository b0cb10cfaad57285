package lint

import "slices"

var schemaRules = []Rule{
	{"string-bound", "Columns, buffers and screens are made for a longest text; without one they are made for none.", eachSchema(stringBound)},
	{"array-bound", "A list without an end is a page that never loads and a body that never ends.", eachSchema(arrayBound)},
	{"number-bound", "Without both bounds a client cannot choose a type that holds the number.", eachSchema(numberBound)},
	{"request-closed", "What a request says and we do not know is a typing error; only a closed object can say so.", eachSchema(requestClosed)},
	{"answer-open", "Answers grow; a closed object would make every new member a break.", eachSchema(answerOpen)},
	{"map-bound", "A map without an end is a list without an end.", eachSchema(mapBound)},
	{"enum-open", "Clients crash on values they were told cannot come, so a list in an answer says whether it may grow.", eachSchema(enumOpen)},
	{"enum-values", "A list of known values is there to be read, so it names some, each once, and only one kind of list is used.", eachSchema(enumValues)},
}

// bounded are the formats that bound a text by themselves: points in time, fixed forms, and documents that are
// streamed rather than kept in a variable.
var bounded = []string{"date", "date-time", "uuid", "ipv4", "ipv6", "binary"}

func stringBound(s *Schema) string {
	if !s.is("string") || s.Node.Has("maxLength") || s.Node.Has("enum") || slices.Contains(bounded, s.Node.Get("format").Text()) {
		return ""
	}
	return "is a string of any length; add maxLength"
}

func arrayBound(s *Schema) string {
	if s.is("array") && !s.Node.Has("maxItems") {
		return "is a list of any length; add maxItems"
	}
	return ""
}

func numberBound(s *Schema) string {
	if s.is("integer", "number") && !s.Node.Has("enum") && (!s.Node.Has("minimum") || !s.Node.Has("maximum")) {
		return "is a number of any size; add minimum and maximum"
	}
	return ""
}

func requestClosed(s *Schema) string {
	if !s.isObject() || !s.Request {
		return ""
	}
	more := s.Node.Get("additionalProperties")
	switch {
	case more.IsZero():
		return "is sent to us and does not say whether it takes members it does not know; add additionalProperties: false"
	case more.Is() && s.House && !s.Node.Get("x-free-form").Is():
		return "is sent to us and takes members it does not know; only Better Auth's requests do: write additionalProperties: false, or x-free-form: true where any object will do"
	}
	return ""
}

func answerOpen(s *Schema) string {
	more := s.Node.Get("additionalProperties")
	switch {
	case !s.isObject() || s.Request || more.IsZero() || more.IsMap():
		return ""
	case more.Is() && s.Node.Get("x-free-form").Is():
		return ""
	}
	return "is an answer and says additionalProperties; leave it out, clients ignore members they do not know (x-free-form: true for an object without any form)"
}

func mapBound(s *Schema) string {
	if s.Node.Get("additionalProperties").IsMap() && !s.Node.Has("maxProperties") {
		return "is a map of any size; add maxProperties"
	}
	return ""
}

func enumOpen(s *Schema) string {
	if s.is("string") && s.Answer && s.Node.Has("enum") && !s.Node.Get("x-closed-enum").Is() {
		return "is a closed list in an answer; use x-extensible-enum, or add x-closed-enum: true if it will never grow"
	}
	return ""
}

func enumValues(s *Schema) string {
	open, closed := s.Node.Get("x-extensible-enum"), s.Node.Get("enum")
	values := slices.Concat(open.Texts(), closed.Texts())
	switch {
	case !open.IsZero() && !closed.IsZero():
		return "has both enum and x-extensible-enum; keep the one that is meant"
	case s.Node.Has("x-closed-enum") && closed.IsZero():
		return "says x-closed-enum and has no enum; remove it"
	case !open.IsZero() && len(values) == 0:
		return "has an empty list of known values; name them"
	case len(slices.Compact(slices.Sorted(slices.Values(values)))) != len(values):
		return "lists a value twice; list it once"
	}
	return ""
}
