package history

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eggapi/eggapi/tools/contract/lint"
	"github.com/eggapi/eggapi/tools/contract/source"
)

// A Judge holds the contract to its newest release.
type Judge struct {
	Tree     *source.Tree
	Released *Bundle
	Current  *Bundle
	Breaks   []*Break
	Today    time.Time
	Changes  []Change // all, breaking or not
}

// Findings are the breaks that nothing excuses, the records that excuse nothing, and a version that stands still.
func (j *Judge) Findings() []lint.Finding {
	var all []lint.Finding
	folded := map[string]*breach{}
	for i := range j.Changes {
		c := &j.Changes[i]
		if c.Rule == RuleRemoved || c.Rule == RulePathRemoved {
			j.judgeRemoval(c)
		}
		if c.Breaks == "" {
			continue
		}
		if b := excuse(j.Breaks, *c); b == nil {
			fold(folded, c, "")
		} else if j.Today.Before(b.Sunset) {
			fold(folded, c, fmt.Sprintf("%s:%d records it, but its sunset %s has not come; wait for it", Breaking, b.place.Line, b.Sunset.Format(time.DateOnly)))
		}
	}
	for _, b := range folded {
		all = append(all, b.finding(j.Tree))
	}
	for _, b := range j.Breaks {
		if !b.used {
			all = append(all, lint.Finding{Place: b.place, Rule: "breaking-record", Text: "excuses nothing: the contract has no such break; remove it"})
		}
	}
	all = append(all, j.version()...)
	lint.Sort(all)
	return all
}

// judgeRemoval lets an operation go whose announced sunset has passed.
func (j *Judge) judgeRemoval(c *Change) {
	method, path, _ := strings.Cut(c.Operation, " ")
	op := j.Released.operation(method, path)
	if op == nil || op.Webhook {
		return
	}
	sunset, err := time.Parse(time.DateOnly, op.Node.Get("x-sunset").Text())
	if err != nil {
		return
	}
	if c.Breaks = ""; j.Today.Before(sunset) {
		c.Rule = RuleBeforeSunset
		c.Breaks = "customers were told that they have time until then"
	}
}

// A breach is one break that shows in several operations, because they share a part.
type breach struct {
	Change
	operations []string
	advice     string
}

func fold(all map[string]*breach, c *Change, advice string) {
	key := strings.Join([]string{c.Rule, c.base, c.revision, advice}, "\n")
	if c.base == "" && c.revision == "" {
		key += c.Operation + c.Text
	}
	if all[key] == nil {
		all[key] = &breach{Change: *c, advice: advice}
	}
	if b := all[key]; !slices.Contains(b.operations, c.operation()) {
		b.operations = append(b.operations, c.operation())
	}
}

func (b *breach) finding(tree *source.Tree) lint.Finding {
	at := source.Place{File: source.Root}
	switch {
	case b.revision != "":
		at = locate(tree, b.revision, false)
	case b.base != "":
		at = locate(tree, b.base, true)
	}
	where := b.operations[0]
	if more := len(b.operations) - 1; more > 0 {
		where += fmt.Sprintf(" and %d more", more)
	}
	advice := b.advice
	if advice == "" {
		advice = todo(b.Change)
	}
	return lint.Finding{Place: at, Rule: b.Rule, Text: fmt.Sprintf("breaks %s: %s: %s; %s", where, b.Text, b.Breaks, advice)}
}

// todo says how to go on after a break.
func todo(c Change) string {
	record := fmt.Sprintf("or record it in %s (rule: %s, operation: %q) and wait for its sunset", Breaking, c.Rule, c.operation())
	switch {
	case c.Rule == RuleRemoved || c.Rule == RulePathRemoved:
		return "put it back with deprecated: true, x-deprecated-at and x-sunset, and remove it after the sunset"
	case c.Rule == RuleBeforeSunset || c.Rule == ruleSunsetMoved:
		return "keep what was announced"
	case c.Kind == Removed:
		return "put it back, and add the new beside it, " + record
	case c.Kind == Added:
		return "make it optional, or offer it beside the old, " + record
	}
	return "leave the old as it was, and add the new beside it, " + record
}
