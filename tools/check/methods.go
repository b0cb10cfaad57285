package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
)

const server = "gen/api/api.gen.go"

// route is the line the generator writes above each method: "// (GET /v1/tasks)".
var route = regexp.MustCompile(`\(([A-Z]+) (\S+)\)`)

// checkMethods: each operation is a method in a file that carries its tag's name.
func checkMethods(t *Tree) ([]Fault, error) {
	c, err := readContract(t)
	if err != nil || len(c.Operations) == 0 {
		return nil, err
	}
	names, err := strictMethods(t)
	if err != nil {
		return nil, err
	}
	written, err := handlerMethods(t)
	if err != nil {
		return nil, err
	}
	var faults []Fault
	for _, op := range c.Operations {
		name, ok := names[strings.ToUpper(op.Method)+" "+op.Path]
		if !ok {
			faults = append(faults, Fault{Path: server, Text: op.ID + " is not there: run make generate"})
			continue
		}
		for _, tag := range op.Tags {
			if !t.Has("handlers/" + tag + ".go") {
				continue // checkTags says so
			}
			if !slices.ContainsFunc(written[name], func(file string) bool { return of(tag, file) }) {
				text := fmt.Sprintf("%s has no method here: operation %s has the tag %q", name, op.ID, tag)
				if len(written[name]) > 0 {
					text = fmt.Sprintf("%s belongs here, and not in %s", name, strings.Join(written[name], ", "))
				}
				faults = append(faults, Fault{Path: "handlers/" + tag + ".go", Text: text})
			}
		}
	}
	return faults, nil
}

// of tells whether the file is one of the tag's: tag.go or tag_part.go.
func of(tag, file string) bool {
	return stem(file) == tag || strings.HasPrefix(stem(file), tag+"_")
}

// strictMethods reads the generated interface: "GET /v1/tasks" to "ListTasks".
func strictMethods(t *Tree) (map[string]string, error) {
	text, err := t.Text(server)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	if text == "" {
		return names, nil
	}
	file, err := parser.ParseFile(token.NewFileSet(), server, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", server, err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != "StrictServerInterface" {
			return true
		}
		all, ok := spec.Type.(*ast.InterfaceType)
		if !ok {
			return false
		}
		for _, m := range all.Methods.List {
			if found := route.FindStringSubmatch(m.Doc.Text()); found != nil && len(m.Names) == 1 {
				names[found[1]+" "+found[2]] = m.Names[0].Name
			}
		}
		return false
	})
	return names, nil
}

// handlerMethods maps each method of package handlers to the files that define one of that name.
func handlerMethods(t *Tree) (map[string][]string, error) {
	out := map[string][]string{}
	for _, p := range t.Match("handlers/*.go") {
		if strings.HasSuffix(p, "_test.go") {
			continue
		}
		text, err := t.Text(p)
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(token.NewFileSet(), p, text, parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", p, err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil {
				out[f.Name.Name] = append(out[f.Name.Name], path.Base(p))
			}
		}
	}
	return out, nil
}
