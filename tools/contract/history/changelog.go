package history

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Unreleased heads the changes that no release has yet.
const Unreleased = "## Unreleased"

const preface = `# Changelog of the contract

What changed for clients of the API, newest first. Made from the contract itself by ` + "`make contract-changelog`" + `;
what counts as a change, and as a break, is in [the contract policy](../docs/contract-policy.md).
`

// section is the text below the heading for what is not released yet; empty when nothing differs.
func section(released, current *Bundle, changes []Change, breaks []*Break) string {
	if released == nil {
		return first(current)
	}
	var parts []string
	for _, kind := range []Kind{Added, Changed, Deprecated, Removed} {
		if list := entries(kind, changes, breaks, len(current.contract.Operations)); list != "" {
			parts = append(parts, "### "+string(kind)+"\n\n"+list)
		}
	}
	if owners := reworded(released, current); len(owners) > 0 {
		parts = append(parts, "### Words\n\n- Descriptions and examples of "+strings.Join(owners, ", ")+".\n")
	}
	if len(parts) == 0 && Distance(released, current) != Nothing {
		parts = append(parts, "### Words\n\n- Marks that only tools read.\n")
	}
	return strings.Join(parts, "\n")
}

// first lists all operations by tag.
func first(b *Bundle) string {
	var out strings.Builder
	fmt.Fprintln(&out, "First release.")
	for _, tag := range b.contract.Root.Get("tags").Items() {
		fmt.Fprintf(&out, "\n### %s\n\n", tag.Get("name").Text())
		for _, op := range b.contract.Operations {
			if slices.Contains(op.Node.Get("tags").Texts(), tag.Get("name").Text()) {
				fmt.Fprintf(&out, "- `%s`: %s\n", title(op), op.Node.Get("summary").Text())
			}
		}
	}
	return out.String()
}

// entries lists the changes of one kind: what the same operations have in common stands together.
func entries(kind Kind, changes []Change, breaks []*Break, all int) string {
	operations := map[string][]string{} // by text
	var texts []string
	for _, c := range changes {
		if c.Kind != kind {
			continue
		}
		text := c.Text
		if c.Breaks != "" || c.Rule == RuleRemoved {
			text += why(c, breaks)
		}
		if operations[text] == nil {
			texts = append(texts, text)
		}
		if !slices.Contains(operations[text], c.operation()) {
			operations[text] = append(operations[text], c.operation())
		}
	}
	byOwners := map[string][]string{}
	for _, text := range texts {
		byOwners[owners(operations[text], all)] = append(byOwners[owners(operations[text], all)], text)
	}
	var out strings.Builder
	for _, owner := range slices.SortedFunc(maps.Keys(byOwners), func(a, b string) int {
		return cmp.Or(cmp.Compare(strings.Count(b, ","), strings.Count(a, ",")), cmp.Compare(a, b))
	}) {
		fmt.Fprintf(&out, "- %s\n", owner)
		for _, text := range byOwners[owner] {
			fmt.Fprintf(&out, "  - %s\n", text)
		}
	}
	return out.String()
}

// owners names the operations; the contract itself has no address.
func owners(operations []string, all int) string {
	if len(operations) == all {
		return "Every operation"
	}
	if slices.Equal(operations, []string{"contract"}) {
		return "Everywhere"
	}
	return "`" + strings.Join(slices.Sorted(slices.Values(operations)), "`, `") + "`"
}

// why adds to a break what breaking.yaml says about it.
func why(c Change, breaks []*Break) string {
	for _, b := range breaks {
		if b.Rule == c.Rule && slices.Contains(b.Operations, c.operation()) {
			return fmt.Sprintf(". **Breaking**, announced on %s: %s", b.Announced.Format("2006-01-02"), b.Reason)
		}
	}
	return ""
}

// reworded names the operations and parts in which nothing but words differ.
func reworded(released, current *Bundle) []string {
	var all []string
	for _, op := range current.contract.Operations {
		if op.Webhook {
			continue
		}
		older, newer := member(released.plain, "paths", op.Path, op.Method), member(current.plain, "paths", op.Path, op.Method)
		if onlyWords(older, newer, false) {
			all = append(all, "`"+title(op)+"`")
		}
	}
	parts, _ := member(current.plain, "components").(map[string]any)
	for _, kind := range slices.Sorted(maps.Keys(parts)) {
		list, _ := parts[kind].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(list)) {
			if onlyWords(member(released.plain, "components", kind, name), list[name], false) {
				all = append(all, "`"+name+"`")
			}
		}
	}
	for _, part := range []string{"info", "tags"} {
		if onlyWords(member(unversioned(released.plain), part), member(unversioned(current.plain), part), false) {
			all = append(all, "the contract as a whole")
			break
		}
	}
	return all
}

func onlyWords(older, newer any, names bool) bool {
	return older != nil && newer != nil && !reflect.DeepEqual(older, newer) &&
		reflect.DeepEqual(wordless(older, names), wordless(newer, names))
}

func member(value any, names ...string) any {
	for _, name := range names {
		mapping, _ := value.(map[string]any)
		value = mapping[name]
	}
	return value
}

// withSection puts a section in front of the older ones, in the place of the one not released yet. The older ones
// stay as they are.
func withSection(text, heading, body string) string {
	if text == "" {
		text = preface
	}
	parts := strings.Split(text, "\n## ")
	older := parts[1:]
	if len(older) > 0 && strings.HasPrefix(older[0], strings.TrimPrefix(Unreleased, "## ")+"\n") {
		older = older[1:]
	}
	out := strings.TrimRight(parts[0], "\n") + "\n"
	if body != "" {
		out += "\n" + heading + "\n\n" + strings.TrimRight(body, "\n") + "\n"
	}
	for _, part := range older {
		out += "\n## " + strings.TrimRight(part, "\n") + "\n"
	}
	return out
}
