package lint

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

var operationRules = []Rule{
	{"operation-id", "Clients name their methods after it, so it reads as an order: verb first.", eachOperation(operationID)},
	{"operation-tag", "One tag places the operation in one file, one handler file and one chapter of the documentation.", eachOperation(operationTag)},
	{"operation-summary", "Menus and tables show it, and cut off what is long.", eachOperation(operationSummary)},
	{"operation-description", "A summary names the operation; only a description says what it does and when not to call it.", eachOperation(operationDescription)},
	{"operation-security", "Who may call it is said at the operation, not inherited: the gate is built from it.", eachOperation(operationSecurity)},
}

const longestSummary = 60

var (
	camel = regexp.MustCompile(`^[a-z]+([A-Z]+[a-z0-9]*)*$`)
	// verbs that operations begin with; a new one is added here, after asking whether an old one would do.
	verbs = []string{
		"change", "create", "delete", "generate", "get", "list", "receive", "remove", "replace", "request", "reset", "revoke", "rotate", "send", "sign",
		"summarize", "update", "verify",
	}
)

func operationID(_ *Contract, op *Operation) []Finding {
	at := op.Node.Place()
	if id := op.Node.Get("operationId"); !id.IsZero() {
		at = id.Place()
	}
	if !camel.MatchString(op.ID) {
		return []Finding{found(at, "%q is not lowerCamelCase; name it like listTasks", op.ID)}
	}
	first := regexp.MustCompile(`^[a-z]+`).FindString(op.ID)
	if !slices.Contains(verbs, first) {
		return []Finding{found(at, "%s begins with %q, which is no verb of this API; begin with one of %s, or add it in tools/contract/lint/operations.go", op.ID, first, strings.Join(verbs, ", "))}
	}
	return nil
}

func operationTag(c *Contract, op *Operation) []Finding {
	tags := op.Node.Get("tags")
	if n := len(tags.Items()); n != 1 {
		at := op.Node.Place()
		if n > 0 {
			at = tags.Place()
		}
		return []Finding{found(at, "%s has %d tags; give it exactly one", op.title(), n)}
	}
	tag := tags.Items()[0]
	for _, declared := range c.Root.Get("tags").Items() {
		if declared.Get("name").Text() == tag.Text() {
			return nil
		}
	}
	return []Finding{found(tag.Place(), "%s has the tag %q, which is not declared; declare it in openapi/openapi.yaml", op.title(), tag.Text())}
}

func operationSummary(_ *Contract, op *Operation) []Finding {
	summary := op.Node.Get("summary")
	text := summary.Text()
	switch {
	case text == "":
		return []Finding{found(op.Node.Place(), "%s has no summary; say in a few words what it does", op.title())}
	case utf8.RuneCountInString(text) > longestSummary:
		return []Finding{found(summary.Place(), "the summary has %d characters; at most %d, the rest belongs in the description", utf8.RuneCountInString(text), longestSummary)}
	case strings.HasSuffix(text, "."):
		return []Finding{found(summary.Place(), "the summary ends with a full stop; it is a heading, leave it out")}
	}
	return nil
}

func operationDescription(_ *Contract, op *Operation) []Finding {
	if strings.TrimSpace(op.Node.Get("description").Text()) == "" {
		return []Finding{found(op.Node.Place(), "%s has no description; say what it does that its name does not", op.title())}
	}
	return nil
}

func operationSecurity(_ *Contract, op *Operation) []Finding {
	if !op.Node.Get("security").IsList() {
		return []Finding{found(op.Node.Place(), "%s does not say who may call it; add security, an empty list where anybody may", op.title())}
	}
	return nil
}
