// Package source reads the contract as people write it: many files, tied together by $ref, with line numbers.
//
// Owns: following references between the files below openapi/, and the place of each part in them.
// Does not own: what the contract should say (lint), how it differs from an older one (history).
// May touch: the files it is given to read.
// Always true: a node knows the file and line where a reader finds it; nothing is written.
package source

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Root is the file that the contract begins with.
const Root = "openapi/openapi.yaml"

// A Tree is the contract's source: every file that is reached from Root.
type Tree struct {
	disk  fs.FS
	root  string
	files map[string]*yaml.Node // by slashed path; the mapping of the whole file
	broke error                 // the first reference that leads nowhere
}

// A Place is a line of a file. Line 0 means the file as a whole.
type Place struct {
	File string
	Line int
}

// Open reads the contract of a checkout: Root, and every file that is reached from it.
func Open(disk fs.FS) (*Tree, error) { return OpenFile(disk, Root) }

// OpenFile reads a contract that begins with another file, such as a bundle. It fails when a reference leads nowhere.
func OpenFile(disk fs.FS, name string) (*Tree, error) {
	t := &Tree{disk: disk, root: name, files: map[string]*yaml.Node{}}
	if _, err := t.file(name); err != nil {
		return nil, err
	}
	for read := 0; read < len(t.files); {
		read = len(t.files)
		for _, file := range t.Files() {
			file.Walk(func(n Node) bool {
				n.Members() // follows what is there
				return t.broke == nil
			})
		}
	}
	return t, t.broke
}

// Contract is the whole document.
func (t *Tree) Contract() Node {
	return Node{tree: t, File: t.root, yaml: t.files[t.root]}
}

// Files are all files, each as one node.
func (t *Tree) Files() []Node {
	var all []Node
	for _, name := range sortedKeys(t.files) {
		all = append(all, Node{tree: t, File: name, yaml: t.files[name]})
	}
	return all
}

// Part finds what the bundle has below components: the part of that name in the file or folder of its kind.
func (t *Tree) Part(kind, name string) Node {
	var other Node
	for _, file := range t.Files() {
		part := file.Get(name)
		if part.IsZero() {
			continue
		}
		part.Part = name
		if strings.HasPrefix(file.File, path.Dir(t.root)+"/"+kind) {
			return part
		}
		other = part
	}
	return other
}

// String gives the place as file:line, which terminals and editors open.
func (p Place) String() string {
	if p.Line == 0 {
		return p.File
	}
	return p.File + ":" + strconv.Itoa(p.Line)
}

func (t *Tree) file(name string) (*yaml.Node, error) {
	if n, ok := t.files[name]; ok {
		return n, nil
	}
	text, err := fs.ReadFile(t.disk, name)
	if err != nil {
		return nil, fmt.Errorf("read the contract: %w", err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, fmt.Errorf("read %s: is not a mapping", name)
	}
	t.files[name] = doc.Content[0]
	return doc.Content[0], nil
}

// follow finds what a reference in a file points at.
func (t *Tree) follow(from, ref string) (Node, error) {
	name, pointer, _ := strings.Cut(ref, "#")
	if name = path.Join(path.Dir(from), name); strings.HasPrefix(ref, "#") {
		name = from
	}
	doc, err := t.file(name)
	if err != nil {
		return Node{}, err
	}
	n := Node{tree: t, File: name, yaml: doc}
	for _, step := range Steps(pointer) {
		if n = n.Get(step); n.IsZero() {
			return Node{}, errors.New("nothing is there")
		}
	}
	if n.Part = path.Base(pointer); n.Part == "/" || n.Part == "." {
		n.Part = name
	}
	return n, nil
}

// Steps cuts a JSON pointer into its members.
func Steps(pointer string) []string {
	pointer = strings.Trim(pointer, "/")
	if pointer == "" {
		return nil
	}
	steps := strings.Split(pointer, "/")
	for i, step := range steps {
		steps[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
	}
	return steps
}
