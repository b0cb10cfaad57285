// Package lint holds the contract to the rules of the house.
//
// Owns: the rules, each with a name and a reason; what an operation, a response and a schema are to them.
// Does not own: the rules that Redocly knows (redocly.yaml), what was promised before (history).
// May touch: the contract's source, through package source.
// Always true: a finding names the file and line to open and says what to do; each rule is shown red by a test.
package lint

import (
	"slices"
	"strconv"

	"github.com/eggapi/eggapi/tools/contract/source"
)

// A Contract is the source, sorted the way the rules ask for it.
type Contract struct {
	Root       source.Node
	Operations []*Operation
	Schemas    []*Schema // in the order they are reached
	files      []source.Node
	codes      map[string]bool // of the house
	authCodes  map[string]bool // of Better Auth
}

// An Operation is a method of a path, or a webhook that we send.
type Operation struct {
	ID, Method, Path string // a webhook's path is its event
	Node             source.Node
	Parameters       []source.Node // of the path and its own
	Webhook          bool
	BetterAuth       bool
}

// A Response is one status of an operation.
type Response struct {
	Status int
	Node   source.Node
}

var methods = []string{"get", "put", "post", "delete", "options", "head", "patch", "trace"}

// Read sorts the contract's source.
func Read(tree *source.Tree) *Contract {
	c := &Contract{Root: tree.Contract(), files: tree.Files(), codes: map[string]bool{}, authCodes: map[string]bool{}}
	for _, p := range c.Root.Get("paths").Members() {
		c.readPath(p, p.Name, false)
	}
	c.readSchemas()
	c.readCodes()
	return c
}

func (c *Contract) readPath(item source.Node, path string, webhook bool) {
	for _, n := range item.Members() {
		if !slices.Contains(methods, n.Name) {
			continue
		}
		op := &Operation{
			ID: n.Get("operationId").Text(), Method: n.Name, Path: path, Node: n, Webhook: webhook,
			Parameters: append(item.Get("parameters").Items(), n.Get("parameters").Items()...),
			BetterAuth: n.Get("x-error-format").Text() == "better-auth",
		}
		c.Operations = append(c.Operations, op)
		for _, callback := range n.Get("callbacks").Members() {
			for _, target := range callback.Members() {
				c.readPath(target, callback.Name, true)
			}
		}
	}
}

// readCodes finds the two lists of error codes by the names of their schemas.
func (c *Contract) readCodes() {
	lists := map[string]map[string]bool{"ErrorCode": c.codes, "AuthErrorCode": c.authCodes}
	for _, s := range c.Schemas {
		for _, code := range s.Node.Get("x-extensible-enum").Texts() {
			if list := lists[s.Name]; list != nil {
				list[code] = true
			}
		}
	}
}

// Responses are the statuses that the operation declares.
func (o *Operation) Responses() []Response {
	var all []Response
	for _, n := range o.Node.Get("responses").Members() {
		status, err := strconv.Atoi(n.Name)
		if err != nil {
			status = 0
		}
		all = append(all, Response{status, n})
	}
	return all
}

// Answers are the responses that this service gives; a webhook's are given by whoever receives it.
func (o *Operation) Answers() []Response {
	if o.Webhook {
		return nil
	}
	return o.Responses()
}

// Refusals are the answers of 400 and above.
func (o *Operation) Refusals() []Response {
	return slices.DeleteFunc(o.Answers(), func(r Response) bool { return r.Status < 400 })
}

// title is how messages name the operation.
func (o *Operation) title() string {
	if o.ID != "" {
		return o.ID
	}
	return o.Method + " " + o.Path
}
