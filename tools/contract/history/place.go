package history

import (
	"strings"

	"github.com/eggapi/eggapi/tools/contract/source"
)

// locate finds where people write what a bundle has at a pointer: the deepest part of it that the source has. Of
// what is gone it finds what it was part of.
func locate(tree *source.Tree, pointer string, gone bool) source.Place {
	steps := source.Steps(pointer)
	n := tree.Contract()
	if len(steps) > 2 && steps[0] == "components" && steps[1] != "securitySchemes" {
		part := tree.Part(steps[1], steps[2])
		if part.IsZero() {
			return source.Place{File: source.Root}
		}
		n, steps = part, steps[3:]
	}
	at := n.Place()
	for _, step := range steps {
		// What has moved up in a list is not what is gone.
		if gone && strings.Trim(step, "0123456789") == "" && n.IsList() {
			break
		}
		next := n.Get(step)
		if next.IsZero() {
			break
		}
		n, at = next, next.Use()
	}
	return at
}

// Fresh finds where the bundle does not say what the source says. One place is enough: the bundle is made anew.
func Fresh(tree *source.Tree, bundle *Bundle) (source.Place, bool) {
	c := comparison{root: bundle.contract.Root.ID(), done: map[pair]bool{}}
	c.compare(tree.Contract(), bundle.contract.Root)
	return c.differs, c.differs.File == ""
}

type comparison struct {
	root    any // of the bundle
	done    map[pair]bool
	differs source.Place
}

type pair struct{ a, b any }

func (c *comparison) compare(a, b source.Node) {
	here := pair{a.ID(), b.ID()}
	if c.differs.File != "" || c.done[here] {
		return
	}
	c.done[here] = true
	if a.IsMap() != b.IsMap() || a.IsList() != b.IsList() || a.Text() != b.Text() || len(a.Items()) != len(b.Items()) {
		c.differs = a.Use()
		return
	}
	for i, item := range a.Items() {
		c.compare(item, b.Items()[i])
	}
	// The bundle puts shared parts below components; they are compared where they are used.
	root := c.root == b.ID()
	names := map[string]bool{}
	for _, m := range a.Members() {
		names[m.Name] = true
		if root && m.Name == "components" {
			c.compare(m.Get("securitySchemes"), b.Down("components", "securitySchemes"))
			continue
		}
		other := b.Get(m.Name)
		if other.IsZero() {
			c.differs = m.Use()
			return
		}
		c.compare(m, other)
	}
	for _, m := range b.Members() {
		if !names[m.Name] && !(root && m.Name == "components") {
			c.differs = a.Use()
		}
	}
}
