package main

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/eggapi/eggapi/tools/internal/ddl"
)

var tagShape = regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)

// checkTags: a tag is one word, and that word names its files in every room.
func checkTags(t *Tree) ([]Fault, error) {
	c, err := readContract(t)
	if err != nil {
		return nil, err
	}
	var faults []Fault
	for _, tag := range c.Tags {
		if !tagShape.MatchString(tag) {
			faults = append(faults, Fault{Path: bundle, Text: fmt.Sprintf("tag %q: use lower case with underscores, as its files are named after it", tag)})
			continue
		}
		for _, p := range []string{"openapi/paths/" + tag + ".yaml", "handlers/" + tag + ".go"} {
			if !t.Has(p) {
				faults = append(faults, Fault{Path: p, Text: fmt.Sprintf("missing: tag %q needs it", tag)})
			}
		}
	}
	for _, p := range t.Match("openapi/paths/*") {
		if !slices.Contains(c.Tags, stem(p)) {
			faults = append(faults, Fault{Path: p, Text: "is named after no tag of the contract"})
		}
		more, err := strangers(t, p)
		if err != nil {
			return nil, err
		}
		faults = append(faults, more...)
	}
	more, err := queryFiles(t, c)
	return append(faults, more...), err
}

// strangers finds the operations of a file that carry another tag than the file's name.
func strangers(t *Tree, p string) ([]Fault, error) {
	doc, err := parse(t, p)
	if err != nil {
		return nil, err
	}
	var faults []Fault
	walk(doc, func(n *yaml.Node) {
		id, tags := value(n, "operationId"), value(n, "tags")
		if id == nil || tags == nil {
			return
		}
		for _, tag := range tags.Content {
			if tag.Value != stem(p) {
				faults = append(faults, Fault{p, tag.Line, fmt.Sprintf("%s has the tag %q: move it to openapi/paths/%s.yaml", id.Value, tag.Value, tag.Value)})
			}
		}
	})
	return faults, nil
}

// queryFiles: a file of queries is named after a tag, a domain, or a table.
func queryFiles(t *Tree, c Contract) ([]Fault, error) {
	known := slices.Clone(c.Tags)
	for _, p := range t.Paths {
		if room, ok := strings.CutPrefix(path.Dir(p), "internal/"); ok {
			known = append(known, room)
		}
	}
	schema, err := readSchema(t)
	if err != nil {
		return nil, err
	}
	for _, table := range schema.Tables {
		known = append(known, table.Name)
	}
	var faults []Fault
	for _, p := range t.Match("queries/*.sql") {
		if !slices.Contains(known, stem(p)) {
			faults = append(faults, Fault{Path: p, Text: "is named after no tag, no package under internal/ and no table"})
		}
	}
	return faults, nil
}

// readSchema folds the migrations.
func readSchema(t *Tree) (*ddl.Schema, error) {
	schema := &ddl.Schema{}
	for _, p := range t.Match("sql/*.sql") {
		text, err := t.Text(p)
		if err != nil {
			return nil, err
		}
		schema.Apply(p, ddl.Up(text))
	}
	return schema, nil
}
