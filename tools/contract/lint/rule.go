package lint

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/eggapi/eggapi/tools/contract/source"
)

// A Rule is one thing that the contract always does.
type Rule struct {
	Name  string
	Why   string // one sentence
	check func(*Contract) []Finding
}

// A Finding is one place where a rule is broken.
type Finding struct {
	Place source.Place
	Rule  string
	Text  string // what is wrong; what to do
}

// Rules are all rules, in the order of the documents they read.
var Rules = slices.Concat(operationRules, bodyRules, errorRules, headerRules, schemaRules, listRules, nameRules, lifeRules)

// Run applies every rule. Findings come in the order of files and lines, each once.
func Run(c *Contract) []Finding {
	var all []Finding
	for _, rule := range Rules {
		for _, f := range rule.check(c) {
			f.Rule = rule.Name
			all = append(all, f)
		}
	}
	Sort(all)
	return slices.Compact(all)
}

// Sort puts findings into the order of files and lines.
func Sort(all []Finding) { slices.SortFunc(all, compare) }

// String gives the finding as file:line: rule: text.
func (f Finding) String() string {
	return fmt.Sprintf("%s: %s: %s", f.Place, f.Rule, f.Text)
}

func compare(a, b Finding) int {
	return cmp.Or(
		cmp.Compare(a.Place.File, b.Place.File), cmp.Compare(a.Place.Line, b.Place.Line),
		cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Text, b.Text),
	)
}

func found(at source.Place, format string, args ...any) Finding {
	return Finding{Place: at, Text: fmt.Sprintf(format, args...)}
}

// eachOperation makes a check of a function that looks at one operation.
func eachOperation(check func(*Contract, *Operation) []Finding) func(*Contract) []Finding {
	return func(c *Contract) []Finding {
		var all []Finding
		for _, op := range c.Operations {
			all = append(all, check(c, op)...)
		}
		return all
	}
}

// eachSchema makes a check of a function that looks at one schema and says what is wrong with it.
func eachSchema(check func(*Schema) string) func(*Contract) []Finding {
	return func(c *Contract) []Finding {
		var all []Finding
		for _, s := range c.Schemas {
			if text := check(s); text != "" {
				all = append(all, found(s.Node.Place(), "%s", s.Name+" "+text))
			}
		}
		return all
	}
}
