package apitest

import "regexp"

// kinds tell texts apart by how they are spelled; the first that fits counts.
var kinds = []struct {
	name    string
	pattern *regexp.Regexp
}{
	{"no money", regexp.MustCompile(`^\$0\.00$`)},
	{"a charge", regexp.MustCompile(`^-\$\d+\.\d{4}$`)},
	{"money", regexp.MustCompile(`^\$\d+\.\d{4}$`)},
	{"a time", regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`)},
	{"a time in milliseconds", regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)},
	{"an id gen_", regexp.MustCompile(`^gen_[0-9a-z]{26}$`)},
	{"an id key_", regexp.MustCompile(`^key_[0-9a-z]{26}$`)},
	{"an id usr_", regexp.MustCompile(`^usr_[0-9a-z]{26}$`)},
	{"an id txn_", regexp.MustCompile(`^txn_[0-9a-z]{26}$`)},
	{"an id use_", regexp.MustCompile(`^use_[0-9a-z]{26}$`)},
	{"an image", regexp.MustCompile(`^https?://[^/]+/files/images/gen_[0-9a-z]{26}/\d\.png$`)},
	{"an API key", regexp.MustCompile(`^egg_(live|test)_[0-9A-Za-z]{38}$`)},
	{"a hint", regexp.MustCompile(`^egg_(live|test)_[0-9A-Za-z]{4}…[0-9A-Za-z]{4}$`)},
	{"a webhook secret", regexp.MustCompile(`^whsec_[0-9A-Za-z+/]{43}=$`)},
	{"a session token", regexp.MustCompile(`^[0-9A-Za-z]{32}$`)},
}

// shape lists the members of a value with the kind of each: `data.items[].id: an id gen_`.
func shape(value any, at string) []string {
	switch v := value.(type) {
	case map[string]any:
		var lines []string
		for name, member := range v {
			lines = append(lines, shape(member, at+"."+name)...)
		}
		return lines
	case []any:
		var lines []string
		for _, item := range v {
			lines = append(lines, shape(item, at+"[]")...)
		}
		return lines
	case string:
		return []string{at + ": " + kind(v)}
	case float64:
		return []string{at + ": a number"}
	case bool:
		return []string{at + ": a truth"}
	}
	return []string{at + ": null"}
}

func kind(text string) string {
	for _, k := range kinds {
		if k.pattern.MatchString(text) {
			return k.name
		}
	}
	return "a text"
}
