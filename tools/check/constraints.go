package main

import (
	"fmt"
	"slices"

	"github.com/eggapi/eggapi/tools/internal/ddl"
)

// Better Auth's own tables stay as Better Auth makes them, unnamed constraints and all.
var betterAuth = []string{"user", "session", "account", "verification"}

// checkConstraints: every constraint has a name a person gave it. Names the database makes up
// cannot be told apart in an error, nor dropped safely by a later migration.
func checkConstraints(t *Tree) ([]Fault, error) {
	schema, err := readSchema(t)
	if err != nil {
		return nil, err
	}
	var faults []Fault
	for _, c := range schema.Constraints() {
		if c.Name != "" || slices.Contains(betterAuth, c.Table) {
			continue
		}
		text := fmt.Sprintf("a %s of %s has no name: write constraint %s before it", c.Kind, c.Table, c.AutomaticName())
		if c.Kind == ddl.Index {
			text = fmt.Sprintf("an index on %s has no name", c.Table)
		}
		faults = append(faults, Fault{c.File, c.Line, text})
	}
	return faults, nil
}
