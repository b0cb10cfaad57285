package lint

import (
	"regexp"
	"strings"

	"github.com/eggapi/eggapi/tools/contract/source"
)

var nameRules = []Rule{
	{"name-property", "One spelling for all members of bodies: snake_case, and camelCase where Better Auth's clients read them.", nameProperty},
	{"name-parameter", "Parameters are spelt as members are.", eachOperation(nameParameter)},
	{"name-header", "Headers are written the way people know them, Word-By-Word.", eachOperation(nameHeader)},
	{"name-path", "Addresses are kebab-case, and what varies in them is spelt as members are.", eachOperation(namePath)},
	{"name-schema", "Clients name their types after schemas, so they are PascalCase.", nameSchema},
	{"known-extension", "A misspelt x- mark does nothing and says nothing.", knownExtension},
}

var (
	snake   = regexp.MustCompile(`^[a-z]+[a-z0-9]*(_[a-z0-9]+)*$`)
	pascal  = regexp.MustCompile(`^[A-Z][A-Za-z0-9]*$`)
	train   = regexp.MustCompile(`^[A-Z][A-Za-z0-9]*(-[A-Z][A-Za-z0-9]*)*$`)
	segment = regexp.MustCompile(`^([a-z0-9]+([-.][a-z0-9]+)*|\{[a-z]+[a-z0-9]*(_[a-z0-9]+)*\})$`)
)

// Extensions are the x- marks that mean something here, and what.
var Extensions = map[string]string{
	"x-error-codes":      "the codes a refusal can carry",
	"x-error-format":     "the operation answers refusals in another format than the envelope",
	"x-extensible-enum":  "the known values of a list that may grow",
	"x-closed-enum":      "this list in an answer will never grow",
	"x-free-form":        "any object will do",
	"x-redact":           "never written to a log",
	"x-no-ip-limit":      "the limit per address does not count the operation",
	"x-narrow-limit":     "has a limit of its own: sign-in or new-keys",
	"x-rate-cost":        "how many calls one call counts as",
	"x-scopes":           "what a key must be allowed to do",
	"x-deprecated-at":    "since when the operation is deprecated",
	"x-sunset":           "when the operation goes away",
	"x-deprecation-link": "where to read what to use instead",
}

func nameProperty(c *Contract) []Finding {
	var all []Finding
	for _, s := range c.Schemas {
		for _, p := range s.Node.Get("properties").Members() {
			if shape, spelling := spelling(s.BetterAuth && !s.House); !shape.MatchString(p.Name) {
				all = append(all, found(s.Node.Get("properties").Keys()[p.Name], "%s.%s is not %s; rename it", s.Name, p.Name, spelling))
			}
		}
	}
	return all
}

func spelling(betterAuth bool) (*regexp.Regexp, string) {
	if betterAuth {
		return camel, "camelCase"
	}
	return snake, "snake_case"
}

func nameParameter(_ *Contract, op *Operation) []Finding {
	var all []Finding
	for _, p := range op.Parameters {
		name := p.Get("name")
		shape, words := spelling(op.BetterAuth)
		if p.Get("in").Text() == "header" {
			shape, words = train, "Train-Case"
		}
		if !shape.MatchString(name.Text()) {
			all = append(all, found(name.Place(), "the parameter %s is not %s; rename it", name.Text(), words))
		}
	}
	return all
}

func nameHeader(_ *Contract, op *Operation) []Finding {
	var all []Finding
	for _, r := range op.Responses() {
		for name, at := range r.Node.Get("headers").Keys() {
			if !train.MatchString(name) {
				all = append(all, found(at, "the header %s is not Train-Case; rename it", name))
			}
		}
	}
	return all
}

func namePath(c *Contract, op *Operation) []Finding {
	if op.Webhook {
		return nil
	}
	for _, part := range strings.Split(strings.TrimPrefix(op.Path, "/"), "/") {
		if !segment.MatchString(part) {
			return []Finding{found(c.Root.Get("paths").Keys()[op.Path], "%q in %s is neither kebab-case nor a {snake_case} parameter; rename it", part, op.Path)}
		}
	}
	return nil
}

func nameSchema(c *Contract) []Finding {
	var all []Finding
	for _, s := range c.Schemas {
		if s.Node.Part != "" && !pascal.MatchString(s.Node.Part) {
			all = append(all, found(s.Node.Place(), "the schema %s is not PascalCase; rename it", s.Node.Part))
		}
	}
	return all
}

// knownExtension looks through the files themselves, as a mark may stand anywhere. Samples may hold anything.
func knownExtension(c *Contract) []Finding {
	var all []Finding
	for _, file := range c.files {
		file.Walk(func(n source.Node) bool {
			if n.Name == "example" || n.Name == "examples" || n.Name == "default" {
				return false
			}
			for name, at := range n.Keys() {
				if strings.HasPrefix(name, "x-") && Extensions[name] == "" {
					all = append(all, found(at, "%s means nothing here; correct it, or explain it in tools/contract/lint/names.go and docs/contract-policy.md", name))
				}
			}
			return true
		})
	}
	return all
}
