package main

import (
	"fmt"
	"go/parser"
	"go/token"
	"path"
	"strings"
)

var charter = []string{"Owns: ", "Does not own: ", "May touch: ", "Always true: "}

// checkCharters: each package states in four lines what it is for and what always holds in it.
func checkCharters(t *Tree) ([]Fault, error) {
	docs := map[string][]string{} // folder to the package documents in it
	var order []string
	for _, p := range t.Paths {
		if path.Ext(p) != ".go" || strings.HasSuffix(p, "_test.go") || !chartered(p) {
			continue
		}
		dir := path.Dir(p)
		if _, ok := docs[dir]; !ok {
			order = append(order, dir)
			docs[dir] = nil
		}
		text, err := t.Text(p)
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(token.NewFileSet(), p, text, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", p, err)
		}
		if doc := file.Doc.Text(); doc != "" {
			docs[dir] = append(docs[dir], doc)
		}
	}
	var faults []Fault
	for _, dir := range order {
		if text := charterFault(path.Base(dir), docs[dir]); text != "" {
			faults = append(faults, Fault{Path: dir, Text: text})
		}
	}
	return faults, nil
}

func chartered(p string) bool {
	if strings.Contains(p, "/testdata/") {
		return false
	}
	for _, room := range []string{"internal/", "handlers/", "cmd/", "tools/"} {
		if strings.HasPrefix(p, room) {
			return true
		}
	}
	return false
}

func charterFault(name string, docs []string) string {
	if len(docs) != 1 {
		return fmt.Sprintf("has %d package documents; exactly one file opens with the charter", len(docs))
	}
	got := strings.Split(strings.TrimSpace(docs[0]), "\n")
	if !strings.HasPrefix(got[0], "Package "+name+" ") && !strings.HasPrefix(got[0], "Command "+name+" ") {
		return fmt.Sprintf("the charter opens with Package %s or Command %s and what it is or does", name, name)
	}
	for i, line := range got {
		if !strings.HasPrefix(line, charter[0]) {
			continue
		}
		for j, want := range charter {
			if i+j >= len(got) || !strings.HasPrefix(got[i+j], want) || strings.TrimSpace(got[i+j]) == strings.TrimSpace(want) {
				return fmt.Sprintf("the charter's line %d is %q and some words, on one line", j+1, want)
			}
		}
		return ""
	}
	return fmt.Sprintf("the charter lacks the line %q", charter[0])
}
