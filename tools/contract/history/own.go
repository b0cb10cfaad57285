package history

import (
	"fmt"
	"slices"
	"strings"

	"github.com/eggapi/eggapi/tools/contract/lint"
)

// The rules that oasdiff has none for.
const (
	RuleRemoved      = "api-removed-without-deprecation"
	RulePathRemoved  = "api-path-removed-without-deprecation"
	RuleBeforeSunset = "api-removed-before-sunset"
	ruleDeprecated   = "deprecated"
	ruleSunsetMoved  = "sunset-moved-earlier"
	ruleClosed       = "request-object-closed"
	ruleHeaderValue  = "response-header-enum-value-added"
	ruleWebhookReply = "webhook-reply-removed"
)

// own finds the changes between two contracts that oasdiff does not see.
type own struct{ base, revision *Bundle }

// ownChanges are those that oasdiff does not see: marks, lists of codes, lists that may grow, objects that close.
func ownChanges(base, revision *Bundle) []Change {
	o := own{base, revision}
	var all []Change
	for _, older := range base.contract.Operations {
		if newer := revision.operation(older.Method, older.Path); newer != nil {
			all = append(all, o.life(older, newer)...)
			all = append(all, o.code(older, newer)...)
			all = append(all, o.reply(older, newer)...)
		}
	}
	byName := map[string]*lint.Schema{}
	for _, s := range base.contract.Schemas {
		byName[s.Name] = s
	}
	for _, newer := range revision.contract.Schemas {
		if older := byName[newer.Name]; older != nil {
			all = append(all, o.schema(older, newer)...)
		}
	}
	return all
}

// life reads the marks of deprecation.
func (o own) life(older, newer *lint.Operation) []Change {
	was, is := older.Node.Get("x-sunset").Text(), newer.Node.Get("x-sunset").Text()
	out := Change{Operation: title(newer), Kind: Deprecated, base: o.base.at(older.Node), revision: o.revision.at(newer.Node)}
	switch {
	case was == is:
		return nil
	case was == "":
		out.Rule, out.Text = ruleDeprecated, "is deprecated and ends on "+is
	case is == "":
		out.Rule, out.Text = "deprecation-withdrawn", "is not deprecated any more"
	case is < was:
		out.Rule, out.Text = ruleSunsetMoved, fmt.Sprintf("ends on %s, earlier than the announced %s", is, was)
		out.Breaks = "customers were told that they have time until then"
		out.revision = o.revision.at(newer.Node.Get("x-sunset"))
	default:
		out.Rule, out.Text = "sunset-moved-later", fmt.Sprintf("ends on %s, later than the announced %s", is, was)
	}
	if link := newer.Node.Get("x-deprecation-link").Text(); link != "" && out.Rule == ruleDeprecated {
		out.Text += "; see " + link
	}
	return []Change{out}
}

// code compares the lists of error codes. Neither way is a break: clients treat a code they do not know by
// its status, and miss nothing when one no longer comes.
func (o own) code(older, newer *lint.Operation) []Change {
	was := map[string][]string{}
	for _, r := range older.Refusals() {
		was[r.Node.Name] = r.Node.Get("x-error-codes").Texts()
	}
	var all []Change
	for _, r := range newer.Refusals() {
		old, known := was[r.Node.Name]
		if !known {
			continue
		}
		out := Change{Operation: title(newer), base: o.base.at(older.Node), revision: o.revision.at(r.Node)}
		added, removed := compareLists(old, r.Node.Get("x-error-codes").Texts())
		for _, code := range added {
			out.Rule, out.Kind, out.Text = "error-code-added", Added, fmt.Sprintf("the status `%s` can carry `%s`", r.Node.Name, code)
			all = append(all, out)
		}
		for _, code := range removed {
			out.Rule, out.Kind, out.Text = "error-code-removed", Removed, fmt.Sprintf("the status `%s` no longer carries `%s`", r.Node.Name, code)
			all = append(all, out)
		}
	}
	return all
}

// reply: what a receiver of our webhooks may reply, and what it means, stays.
func (o own) reply(older, newer *lint.Operation) []Change {
	if !older.Webhook {
		return nil
	}
	_, removed := compareLists(statuses(older), statuses(newer))
	var all []Change
	for _, status := range removed {
		all = append(all, Change{
			Rule: ruleWebhookReply, Operation: title(newer), Kind: Removed, Text: fmt.Sprintf("the reply `%s` means nothing any more", status),
			Breaks: "receivers reply with it", base: o.base.at(older.Node), revision: o.revision.at(newer.Node),
		})
	}
	return all
}

func statuses(op *lint.Operation) []string {
	var all []string
	for _, r := range op.Responses() {
		all = append(all, r.Node.Name)
	}
	return all
}

func (o own) schema(older, newer *lint.Schema) []Change {
	out := Change{base: o.base.at(older.Node), revision: o.revision.at(newer.Node)}
	var all []Change
	added, removed := compareLists(older.Node.Get("x-extensible-enum").Texts(), newer.Node.Get("x-extensible-enum").Texts())
	if older.Node.Has("x-extensible-enum") && newer.Node.Has("x-extensible-enum") {
		for _, value := range added {
			out.Rule, out.Kind, out.Text = "known-value-added", Added, fmt.Sprintf("`%s` knows the value `%s`", newer.Name, value)
			all = append(all, out)
		}
		for _, value := range removed {
			out.Rule, out.Kind, out.Text = "known-value-removed", Removed, fmt.Sprintf("`%s` no longer knows the value `%s`", newer.Name, value)
			all = append(all, out)
		}
	}
	if newer.Request && newer.Node.Get("additionalProperties").Text() == "false" && older.Node.Get("additionalProperties").Text() != "false" {
		out.Rule, out.Kind, out.Text = ruleClosed, Changed, fmt.Sprintf("`%s` no longer takes members it does not know", newer.Name)
		out.Breaks = "a request that was right is now refused"
		all = append(all, forOperations(out, newer)...)
	}
	if added, _ := compareLists(older.Node.Get("enum").Texts(), newer.Node.Get("enum").Texts()); newer.Header && older.Node.Has("enum") && len(added) > 0 {
		out.Rule, out.Kind, out.Text = ruleHeaderValue, Added, fmt.Sprintf("the header `%s` can be `%s`", lastWord(newer.Name), strings.Join(added, "`, `"))
		out.Breaks = "a client may now get what it was told never comes"
		all = append(all, forOperations(out, newer)...)
	}
	return all
}

// forOperations gives the change once for each operation that it reaches.
func forOperations(c Change, s *lint.Schema) []Change {
	var all []Change
	for _, op := range s.Operations {
		c.Operation = title(op)
		all = append(all, c)
	}
	return all
}

func lastWord(name string) string { return name[strings.LastIndex(name, " ")+1:] }

func compareLists(older, newer []string) (added, removed []string) {
	for _, value := range newer {
		if !slices.Contains(older, value) {
			added = append(added, value)
		}
	}
	for _, value := range older {
		if !slices.Contains(newer, value) {
			removed = append(removed, value)
		}
	}
	return added, removed
}
