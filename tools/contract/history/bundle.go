// Package history holds the contract to what was promised before, and tells how it has changed.
//
// Owns: the difference between the contract and its newest release, what of it breaks clients, versions, changelog, releases.
// Does not own: the rules of a contract by itself (lint).
// May touch: openapi/released, openapi/CHANGELOG.md and openapi/breaking.yaml, the last three only in a release.
// Always true: nothing breaks a released contract unless that was announced half a year before; today is given.
package history

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"golang.org/x/mod/semver"

	"github.com/eggapi/eggapi/tools/contract/lint"
	"github.com/eggapi/eggapi/tools/contract/source"
)

// Where things are in a checkout.
const (
	Current   = "gen/openapi.yaml"
	Released  = "openapi/released"
	Changelog = "openapi/CHANGELOG.md"
	Breaking  = "openapi/breaking.yaml"
)

// A Bundle is a whole contract in one file.
type Bundle struct {
	File     string
	Version  string // info.version
	text     []byte
	contract *lint.Contract
	pointers map[position]string
	lines    map[int]string // the widest pointer that begins on a line
	plain    any
}

// position is where a value begins, or its key if it has one.
type position struct{ line, column int }

// ReadBundle reads one contract.
func ReadBundle(disk fs.FS, file string) (*Bundle, error) {
	text, err := fs.ReadFile(disk, file)
	if err != nil {
		return nil, fmt.Errorf("read a contract: %w", err)
	}
	tree, err := source.OpenFile(disk, file)
	if err != nil {
		return nil, err
	}
	var doc yaml.Node
	b := &Bundle{File: file, text: text, contract: lint.Read(tree), pointers: map[position]string{}, lines: map[int]string{}}
	if err := errors.Join(yaml.Unmarshal(text, &doc), doc.Decode(&b.plain)); err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	b.Version = tree.Contract().Down("info", "version").Text()
	b.note(doc.Content[0], "")
	return b, nil
}

// note remembers which value begins where.
func (b *Bundle) note(n *yaml.Node, pointer string) {
	for i, child := range n.Content {
		below, at := child, child
		name := fmt.Sprint(i)
		if n.Kind == yaml.MappingNode {
			if i%2 == 0 {
				continue
			}
			at = n.Content[i-1]
			name = strings.NewReplacer("~", "~0", "/", "~1").Replace(at.Value)
		}
		here := position{at.Line, at.Column}
		if _, taken := b.pointers[here]; !taken { // an item of a list begins where its first member does
			b.pointers[here] = pointer + "/" + name
		}
		if b.lines[here.line] == "" {
			b.lines[here.line] = pointer + "/" + name
		}
		b.note(below, pointer+"/"+name)
	}
}

// Newest reads the release with the highest version; nil when there is none.
func Newest(disk fs.FS) (*Bundle, error) {
	paths, err := fs.Glob(disk, Released+"/v*.yaml")
	if err != nil {
		return nil, fmt.Errorf("list the releases: %w", err)
	}
	newest := ""
	for _, p := range paths {
		version := strings.TrimSuffix(path.Base(p), ".yaml")
		if !semver.IsValid(version) || strings.Count(version, ".") != 2 {
			return nil, fmt.Errorf("%s is not named like v1.2.3.yaml", p)
		}
		if newest == "" || semver.Compare(version, newest) > 0 {
			newest = version
		}
	}
	if newest == "" {
		return nil, nil
	}
	b, err := ReadBundle(disk, file(newest))
	if err == nil && "v"+b.Version != newest {
		return nil, fmt.Errorf("%s says it is version %s", b.File, b.Version)
	}
	return b, err
}

// file is where a release is kept.
func file(version string) string { return Released + "/" + version + ".yaml" }

// at is the pointer of a value of this bundle.
func (b *Bundle) at(n source.Node) string { return b.lines[n.Place().Line] }

// operation finds an operation by method and path.
func (b *Bundle) operation(method, path string) *lint.Operation {
	i := slices.IndexFunc(b.contract.Operations, func(op *lint.Operation) bool {
		return op.Path == path && strings.EqualFold(op.Method, method)
	})
	if i < 0 {
		return nil
	}
	return b.contract.Operations[i]
}

// title is how findings, breaking.yaml and the changelog name an operation.
func title(op *lint.Operation) string {
	if op.Webhook {
		return "webhook " + op.Path
	}
	return strings.ToUpper(op.Method) + " " + op.Path
}
