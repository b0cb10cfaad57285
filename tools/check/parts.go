package main

import (
	"fmt"
	"path"
	"strings"

	"go.yaml.in/yaml/v3"
)

// checkParts: every part kept beside the contract is used by it. The linter sees only what is reached.
func checkParts(t *Tree) ([]Fault, error) {
	used := map[string]bool{}
	parts := map[string]*yaml.Node{}
	for _, p := range t.Paths {
		if !strings.HasPrefix(p, "openapi/") || path.Ext(p) != ".yaml" || strings.HasSuffix(p, ".cfg.yaml") ||
			strings.HasSuffix(p, ".overlay.yaml") || path.Dir(p) == "openapi/released" || p == "openapi/breaking.yaml" {
			continue
		}
		doc, err := parse(t, p)
		if err != nil {
			return nil, err
		}
		walk(doc, func(n *yaml.Node) {
			if ref := value(n, "$ref"); ref != nil {
				file, part, _ := strings.Cut(ref.Value, "#")
				if file = path.Join(path.Dir(p), file); strings.HasPrefix(ref.Value, "#") {
					file = p
				}
				used[file+"#"+part] = true
			}
		})
		if p == "openapi/openapi.yaml" || len(doc.Content) == 0 {
			continue
		}
		for i := 0; i+1 < len(doc.Content[0].Content); i += 2 {
			key := doc.Content[0].Content[i]
			parts[p+"#/"+key.Value] = key
		}
	}
	var faults []Fault
	for ref, key := range parts {
		if !used[ref] {
			p, _, _ := strings.Cut(ref, "#")
			faults = append(faults, Fault{p, key.Line, fmt.Sprintf("nothing refers to %s", key.Value)})
		}
	}
	return faults, nil
}
