package main

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Names that say nothing of what a package owns; everything ends up in them.
var emptyNames = []string{
	"util", "utils", "common", "helper", "helpers", "manager", "managers", "model", "models",
	"type", "types", "misc", "shared", "base", "lib",
}

// checkNames: a package is named after what it owns.
func checkNames(t *Tree) ([]Fault, error) {
	var faults []Fault
	seen := map[string]bool{}
	for _, p := range t.Paths {
		dir := path.Dir(p)
		if path.Ext(p) != ".go" || seen[dir] {
			continue
		}
		seen[dir] = true
		for _, part := range strings.Split(dir, "/") {
			if slices.Contains(emptyNames, part) {
				faults = append(faults, Fault{Path: dir, Text: fmt.Sprintf("a package called %q says nothing: name it after what it owns", part)})
			}
		}
	}
	return faults, nil
}
