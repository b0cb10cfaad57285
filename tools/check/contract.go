package main

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
)

const bundle = "gen/openapi.yaml"

// An Operation is what the laws need to know of one operation of the contract.
type Operation struct {
	ID, Method, Path string
	Tags             []string
}

// Contract is the bundled contract: its declared tags and its operations.
type Contract struct {
	Tags       []string
	Operations []Operation
}

var methods = []string{"get", "put", "post", "delete", "options", "head", "patch", "trace"}

// readContract reads the bundle; a tree without one has no operations.
func readContract(t *Tree) (Contract, error) {
	text, err := t.Text(bundle)
	if err != nil {
		return Contract{}, err
	}
	var doc struct {
		Tags  []struct{ Name string }
		Paths map[string]map[string]yaml.Node
	}
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		return Contract{}, fmt.Errorf("read %s: %w", bundle, err)
	}
	var c Contract
	for _, tag := range doc.Tags {
		c.Tags = append(c.Tags, tag.Name)
	}
	for p, item := range doc.Paths {
		for method, node := range item {
			if !slices.Contains(methods, method) {
				continue
			}
			var op struct {
				OperationID string `yaml:"operationId"`
				Tags        []string
			}
			if err := node.Decode(&op); err != nil {
				return Contract{}, fmt.Errorf("read %s %s in %s: %w", method, p, bundle, err)
			}
			c.Operations = append(c.Operations, Operation{op.OperationID, method, p, op.Tags})
		}
	}
	return c, nil
}

// walk calls visit for each mapping in the document.
func walk(n *yaml.Node, visit func(*yaml.Node)) {
	if n.Kind == yaml.MappingNode {
		visit(n)
	}
	for _, child := range n.Content {
		walk(child, visit)
	}
}

// value returns what the mapping holds under the key, or nil.
func value(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// parse reads one YAML file.
func parse(t *Tree, p string) (*yaml.Node, error) {
	text, err := t.Text(p)
	if err != nil {
		return nil, err
	}
	var n yaml.Node
	if err := yaml.Unmarshal([]byte(text), &n); err != nil {
		return nil, fmt.Errorf("read %s: %w", p, err)
	}
	return &n, nil
}
