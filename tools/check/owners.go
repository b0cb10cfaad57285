package main

import (
	"fmt"
	"regexp"
)

const queryRules = "sqlc.vet.yaml"

// checkOwners: a table whose rows belong to users stands in the owner rule on queries.
func checkOwners(t *Tree) ([]Fault, error) {
	rules, err := t.Text(queryRules)
	if err != nil {
		return nil, err
	}
	schema, err := readSchema(t)
	if err != nil {
		return nil, err
	}
	var faults []Fault
	for _, table := range schema.Tables {
		for _, c := range table.Columns {
			if c.Name == "user_id" && !regexp.MustCompile(`\b`+regexp.QuoteMeta(table.Name)+`\b`).MatchString(rules) {
				faults = append(faults, Fault{Path: queryRules, Text: fmt.Sprintf("the owner rule does not name the table %s, which has a user_id", table.Name)})
			}
		}
	}
	return faults, nil
}
