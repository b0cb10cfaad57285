package lint

import (
	"github.com/eggapi/eggapi/tools/contract/source"
)

var bodyRules = []Rule{
	{"request-example", "People copy the example before they read the schema.", eachOperation(requestExample)},
	{"response-example", "An example shows what a schema only allows; mocks and documentation are made of it.", eachOperation(responseExample)},
}

func requestExample(_ *Contract, op *Operation) []Finding {
	return lacking(op.Node.Get("requestBody"), op.title()+": the body")
}

func responseExample(_ *Contract, op *Operation) []Finding {
	var all []Finding
	for _, r := range op.Responses() {
		all = append(all, lacking(r.Node, op.title()+": the answer "+r.Node.Name)...)
	}
	return all
}

// lacking finds the media types without an example. The place is where the body is described, which several
// operations may share; then the text names none of them.
func lacking(body source.Node, title string) []Finding {
	if body.Part != "" {
		title = "the response " + body.Part
	}
	var all []Finding
	for _, media := range body.Get("content").Members() {
		if len(Examples(media)) == 0 {
			all = append(all, found(media.Place(), "%s has no example as %s; add examples with a value each", title, media.Name))
		}
	}
	return all
}

// An Example is one sample of a body.
type Example struct {
	Name  string // empty for the only one
	Value source.Node
}

// Examples are those of a media type that have a value.
func Examples(media source.Node) []Example {
	if only := media.Get("example"); !only.IsZero() {
		return []Example{{Value: only}}
	}
	var all []Example
	for _, e := range media.Get("examples").Members() {
		if value := e.Get("value"); !value.IsZero() {
			all = append(all, Example{e.Name, value})
		}
	}
	return all
}

// CountExamples counts the samples of bodies, each once however many operations share it.
func (c *Contract) CountExamples() int {
	seen := map[any]bool{}
	for _, op := range c.Operations {
		bodies := []source.Node{op.Node.Get("requestBody")}
		for _, r := range op.Responses() {
			bodies = append(bodies, r.Node)
		}
		for _, body := range bodies {
			for _, media := range body.Get("content").Members() {
				for _, e := range Examples(media) {
					seen[e.Value.ID()] = true
				}
			}
		}
	}
	return len(seen)
}
