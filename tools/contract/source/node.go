package source

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// A Node is one value of the contract. The zero Node is an absent value; asking it anything gives zero again.
type Node struct {
	File string // where the value itself stands
	Name string // the member it is the value of
	Part string // its own name, the last step of the reference that led to it; empty where none did

	tree *Tree
	yaml *yaml.Node
	key  *yaml.Node // the key it stands under, in the same file
	use  Place      // where the reference to it is, if there is one
}

// IsZero tells that there is no value.
func (n Node) IsZero() bool { return n.yaml == nil }

// Place is where the value is written: the line of its key.
func (n Node) Place() Place {
	switch {
	case n.yaml == nil:
		return Place{}
	case n.key != nil:
		return Place{n.File, n.key.Line}
	}
	return Place{n.File, n.yaml.Line}
}

// Use is where the value is asked for: the line of the reference to it, or its own place.
func (n Node) Use() Place {
	if n.use.Line != 0 {
		return n.use
	}
	return n.Place()
}

// ID tells values apart, however they are reached.
func (n Node) ID() *yaml.Node { return n.yaml }

// Get is the member of that name, references followed.
func (n Node) Get(name string) Node {
	if n.yaml == nil {
		return Node{}
	}
	if n.yaml.Kind == yaml.SequenceNode {
		if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(n.yaml.Content) {
			return n.at(nil, n.yaml.Content[i])
		}
		return Node{}
	}
	for i := 0; n.yaml.Kind == yaml.MappingNode && i+1 < len(n.yaml.Content); i += 2 {
		if n.yaml.Content[i].Value == name {
			return n.at(n.yaml.Content[i], n.yaml.Content[i+1])
		}
	}
	return Node{}
}

// Down walks several members down.
func (n Node) Down(names ...string) Node {
	for _, name := range names {
		n = n.Get(name)
	}
	return n
}

// Has tells whether there is a member of that name.
func (n Node) Has(name string) bool { return !n.Get(name).IsZero() }

// Members are all members of a mapping in their order, references followed.
func (n Node) Members() []Node {
	if n.yaml == nil || n.yaml.Kind != yaml.MappingNode {
		return nil
	}
	var all []Node
	for i := 0; i+1 < len(n.yaml.Content); i += 2 {
		all = append(all, n.at(n.yaml.Content[i], n.yaml.Content[i+1]))
	}
	return all
}

// Items are all items of a list, references followed.
func (n Node) Items() []Node {
	if n.yaml == nil || n.yaml.Kind != yaml.SequenceNode {
		return nil
	}
	var all []Node
	for _, item := range n.yaml.Content {
		all = append(all, n.at(nil, item))
	}
	return all
}

// IsMap and IsList tell the shape of the value.
func (n Node) IsMap() bool { return n.yaml != nil && n.yaml.Kind == yaml.MappingNode }

// IsList tells whether the value is a list.
func (n Node) IsList() bool { return n.yaml != nil && n.yaml.Kind == yaml.SequenceNode }

// Text is a scalar as it is written; empty for anything else.
func (n Node) Text() string {
	if n.yaml == nil || n.yaml.Kind != yaml.ScalarNode {
		return ""
	}
	return n.yaml.Value
}

// Texts are the scalars of a list.
func (n Node) Texts() []string {
	var all []string
	for _, item := range n.Items() {
		all = append(all, item.Text())
	}
	return all
}

// Is tells whether the value is the boolean true.
func (n Node) Is() bool { return n.Text() == "true" && n.yaml.Tag == "!!bool" }

// at makes the node of a value in the same file, and follows the reference it may be.
func (n Node) at(key, value *yaml.Node) Node {
	child := Node{File: n.File, tree: n.tree, yaml: value, key: key}
	if key != nil {
		child.Name = key.Value
	}
	ref := child.raw("$ref")
	if ref == nil {
		return child
	}
	target, err := n.tree.follow(n.File, ref.Value)
	if err != nil {
		if n.tree.broke == nil {
			n.tree.broke = fmt.Errorf("%s: %s leads nowhere: %w", child.Place(), ref.Value, err)
		}
		return Node{}
	}
	target.Name, target.use = child.Name, child.Place()
	return target
}

// raw is the scalar of that name, without following anything.
func (n Node) raw(name string) *yaml.Node {
	for i := 0; n.yaml.Kind == yaml.MappingNode && i+1 < len(n.yaml.Content); i += 2 {
		if n.yaml.Content[i].Value == name && n.yaml.Content[i+1].Kind == yaml.ScalarNode {
			return n.yaml.Content[i+1]
		}
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// Walk shows each mapping at and below the node to visit, without following references. What visit refuses is not
// gone into.
func (n Node) Walk(visit func(Node) bool) {
	if n.yaml == nil || n.IsMap() && !visit(n) {
		return
	}
	for i, child := range n.yaml.Content {
		below := Node{File: n.File, tree: n.tree, yaml: child}
		if n.IsMap() && i%2 == 1 {
			below.key, below.Name = n.yaml.Content[i-1], n.yaml.Content[i-1].Value
		}
		if n.IsList() || i%2 == 1 {
			below.Walk(visit)
		}
	}
}

// Keys are the names of all members, and where they are written, without following references.
func (n Node) Keys() map[string]Place {
	all := map[string]Place{}
	for i := 0; n.IsMap() && i+1 < len(n.yaml.Content); i += 2 {
		all[n.yaml.Content[i].Value] = Place{n.File, n.yaml.Content[i].Line}
	}
	return all
}
