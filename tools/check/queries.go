package main

import (
	"fmt"
	"regexp"
	"strings"
)

var queryName = regexp.MustCompile(`^-- name: (\S+) :\w+\s*$`)

// checkQueries: each query says in words what it does; the words become the Go method's document.
func checkQueries(t *Tree) ([]Fault, error) {
	var faults []Fault
	for _, p := range t.Match("queries/*") {
		if !strings.HasSuffix(p, ".sql") {
			faults = append(faults, Fault{Path: p, Text: "only .sql files belong here"})
			continue
		}
		text, err := t.Text(p)
		if err != nil {
			return nil, err
		}
		all := strings.Split(text, "\n")
		for i, line := range all {
			name := queryName.FindStringSubmatch(line)
			if name == nil {
				if strings.HasPrefix(line, "-- name:") {
					faults = append(faults, Fault{p, i + 1, "is not of the form -- name: NounVerb :kind"})
				}
				continue
			}
			words, found := strings.CutPrefix(strings.TrimSpace(all[min(i+1, len(all)-1)]), "-- ")
			if !found || strings.TrimSpace(words) == "" {
				faults = append(faults, Fault{p, i + 1, fmt.Sprintf("%s has no comment below its name", name[1])})
			}
		}
	}
	return faults, nil
}
