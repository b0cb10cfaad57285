package main

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// machinePath is a path that only one machine has. What is committed runs on all of them.
var machinePath = regexp.MustCompile("(?:^|[\\s\"'`(=:,])(/(?:work|root|tmp|home/[a-z]\\w*|Users/[A-Za-z]\\w*)(?:/[\\w.-]|[\\s\"'`),]|$))")

// checkDocuments: documents, scripts and settings name no path of one machine, and lock files no mirror.
func checkDocuments(t *Tree) ([]Fault, error) {
	var faults []Fault
	for _, p := range t.Paths {
		lock := path.Base(p) == "package-lock.json"
		if !lock && !readByPeople(p) {
			continue
		}
		text, err := t.Text(p)
		if err != nil {
			return nil, err
		}
		for i, line := range strings.Split(text, "\n") {
			if lock {
				if strings.Contains(line, `"resolved": "http`) {
					faults = append(faults, Fault{p, i + 1, "names an address: run npm install with omit-lockfile-registry-resolved, so that any mirror serves"})
					break
				}
				continue
			}
			if m := machinePath.FindStringSubmatch(line); m != nil {
				faults = append(faults, Fault{p, i + 1, fmt.Sprintf("names a path of one machine: %s", strings.TrimSpace(m[1]))})
			}
		}
	}
	return faults, nil
}

// readByPeople tells documents, scripts and settings from code.
func readByPeople(p string) bool {
	if Derived(p) || strings.Contains(p, "/testdata/") {
		return false
	}
	ends := []string{".md", ".yaml", ".yml", ".json", ".toml", ".sh", ".sql", ""}
	return slices.Contains(ends, path.Ext(p)) || path.Base(p) == path.Ext(p)
}
