package history

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/oasdiff/oasdiff/checker"
	"github.com/oasdiff/oasdiff/diff"
	"github.com/oasdiff/oasdiff/load"
)

// A Kind is a heading of the changelog.
type Kind string

// The kinds of changes, in the order of the changelog.
const (
	Added      Kind = "Added"
	Changed    Kind = "Changed"
	Deprecated Kind = "Deprecated"
	Removed    Kind = "Removed"
)

// A Change is one difference that a client could notice.
type Change struct {
	Rule      string // oasdiff's id, or one of ours
	Operation string // "GET /v1/tasks", "webhook task.failed"; empty for the contract as a whole
	Text      string
	Kind      Kind
	Breaks    string // why it breaks clients; empty when it does not
	base      string // pointer in the older bundle
	revision  string // pointer in the newer one; empty when it is gone
}

// stricter are rules that oasdiff only mentions and we take for breaks, with the reason.
var stricter = map[string]string{
	"response-optional-property-removed":                  "a client that reads it now misses it",
	"optional-response-header-removed":                    "a client that reads it now misses it",
	"response-success-status-added":                       "a client that waits for the other status takes this one for a failure",
	"api-operation-id-removed":                            "generated clients name their methods after it",
	"request-body-default-value-changed":                  "who leaves it out now gets something else",
	"request-body-default-value-removed":                  "who leaves it out now gets something else",
	"request-property-default-value-changed":              "who leaves it out now gets something else",
	"request-property-default-value-removed":              "who leaves it out now gets something else",
	"request-parameter-default-value-changed":             "who leaves it out now gets something else",
	"request-parameter-default-value-removed":             "who leaves it out now gets something else",
	"request-parameter-removed-with-deprecation":          "a request that sends it is now refused",
	"request-property-removed-with-deprecation":           "a request that sends it is now refused",
	"response-required-property-removed-with-deprecation": "a client that reads it now misses it",
}

// ours are rules of oasdiff that this package replaces: versions (version.go) and names that nobody calls.
var ours = []string{"api-version-", "api-major-version-", "api-schema-removed"}

var (
	localize = checker.NewDefaultLocalizer()
	metadata = rulesByID()
)

func rulesByID() map[string]checker.BackwardCompatibilityRule {
	byID := map[string]checker.BackwardCompatibilityRule{}
	for _, rule := range checker.GetAllRules() {
		byID[rule.Id] = rule
	}
	return byID
}

// Compare finds all changes from one contract to the next.
func Compare(base, revision *Bundle) ([]Change, error) {
	older, err := base.prepare()
	if err != nil {
		return nil, err
	}
	newer, err := revision.prepare()
	if err != nil {
		return nil, err
	}
	report, operations, err := diff.GetWithOperationsSourcesMap(diff.NewConfig(), older, newer)
	if err != nil {
		return nil, fmt.Errorf("compare %s with %s: %w", revision.File, base.File, err)
	}
	config := checker.NewConfig(checker.GetAllChecks())
	var all []Change
	for _, c := range checker.CheckBackwardCompatibilityUntilLevel(config, report, operations, checker.INFO) {
		if !replaced(c.GetId()) {
			all = append(all, change(c, base, revision))
		}
	}
	return append(all, ownChanges(base, revision)...), nil
}

func replaced(id string) bool {
	for _, prefix := range ours {
		if strings.HasPrefix(id, prefix) {
			return true
		}
	}
	return false
}

// prepare loads the contract for oasdiff, changed in two ways. Deprecation marks are taken out, because oasdiff
// reads the clock of the machine (life.go judges them). Webhooks become operations whose answer is what we send,
// because oasdiff does not look into callbacks.
func (b *Bundle) prepare() (*load.SpecInfo, error) {
	loader := openapi3.NewLoader()
	loader.IncludeOrigin = true
	doc, err := loader.LoadFromDataWithPath(b.text, &url.URL{Path: b.File})
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", b.File, err)
	}
	webhooks := map[string]*openapi3.PathItem{}
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			op.Deprecated = false
			for _, mark := range []string{"x-deprecated-at", "x-sunset", "x-deprecation-link"} {
				delete(op.Extensions, mark)
			}
			for name, callback := range op.Callbacks {
				for _, target := range callback.Value.Map() {
					webhooks[webhookPath+name] = turned(target)
				}
			}
			op.Callbacks = nil
		}
	}
	for path, item := range webhooks {
		doc.Paths.Set(path, item)
	}
	return &load.SpecInfo{Url: b.File, Spec: doc, Version: b.Version}, nil
}

const webhookPath = "/webhook:"

// turned makes operations that answer with what a webhook sends.
func turned(item *openapi3.PathItem) *openapi3.PathItem {
	out := &openapi3.PathItem{Origin: item.Origin}
	for method, op := range item.Operations() {
		sent := &openapi3.Response{Description: &op.Description}
		if op.RequestBody != nil {
			sent.Content, sent.Origin = op.RequestBody.Value.Content, op.RequestBody.Value.Origin
		}
		out.SetOperation(method, &openapi3.Operation{
			OperationID: op.OperationID, Origin: op.Origin,
			Responses: openapi3.NewResponses(openapi3.WithStatus(200, &openapi3.ResponseRef{Value: sent})),
		})
	}
	return out
}

// change puts a finding of oasdiff into our words.
func change(c checker.Change, base, revision *Bundle) Change {
	out := Change{
		Rule: c.GetId(), Operation: strings.TrimSpace(c.GetOperation() + " " + c.GetPath()), Text: c.GetUncolorizedText(localize),
		base: base.pointer(c.GetBaseSource()), revision: revision.pointer(c.GetRevisionSource()),
	}
	if _, name, ok := strings.Cut(out.Operation, webhookPath); ok {
		out.Operation, out.Text = "webhook "+name, sentence.ReplaceAllString(out.Text, "")
	}
	if out.Rule == RuleRemoved || out.Rule == RulePathRemoved {
		out.Text = base.removal(c.GetOperation(), c.GetPath())
	}
	out.Kind = kind(out.Rule)
	out.Breaks = stricter[out.Rule]
	if c.IsBreaking() && out.Breaks == "" {
		out.Breaks = reason(out.Rule)
	}
	return out
}

// removal says how an operation was removed.
func (b *Bundle) removal(method, path string) string {
	if op := b.operation(method, path); op != nil && op.Node.Has("x-sunset") {
		return "removed; its sunset was announced for " + op.Node.Get("x-sunset").Text()
	}
	return "removed"
}

// sentence is what oasdiff says of a status; a webhook has none.
var sentence = regexp.MustCompile("( (from|to) the response with the `200` status| for (the response )?(the )?status `200`)")

func (b *Bundle) pointer(s *checker.Source) string {
	if s == nil {
		return ""
	}
	return b.pointers[position{s.Line, s.Column}]
}

// kind is the heading for a rule: what comes or goes as a whole is added or removed, all else is changed.
func kind(rule string) Kind {
	about := metadata[rule]
	if about.Kind != checker.KindExistence && about.Kind != checker.KindValues {
		return Changed
	}
	switch {
	case strings.Contains(rule, "removed"):
		return Removed
	case strings.Contains(rule, "added"), strings.HasPrefix(rule, "new-"):
		return Added
	}
	return Changed
}

// reason says in plain words why a rule's change breaks clients.
func reason(rule string) string {
	about := metadata[rule]
	switch {
	case about.Area == checker.AreaSecurity:
		return "callers who were let in are now turned away"
	case about.Area == checker.AreaPaths:
		return "calls to it now fail"
	case about.Direction == checker.DirectionRequest:
		return "a request that was right is now refused"
	case about.Direction == checker.DirectionResponse && kind(rule) == Removed:
		return "a client that reads it now misses it"
	case about.Direction == checker.DirectionResponse:
		return "a client may now get what it was told never comes"
	}
	return "a client that was built on the released contract may stop working"
}
