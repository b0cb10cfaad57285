package lint

import (
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/eggapi/eggapi/tools/contract/source"
)

// A Schema is one schema that an operation reaches, with all the ways it is reached.
type Schema struct {
	Node       source.Node
	Name       string // Task, Task.cost, Task.output.urls[]
	Header     bool   // of a header of an answer
	Operations []*Operation
	way
}

// way is how schemas are reached.
type way struct {
	Request    bool // somebody sends it to us
	Answer     bool // we send it
	House      bool // in an operation that speaks the envelope
	BetterAuth bool // in one that speaks Better Auth's format
}

// reader reads the schemas of one operation after the other.
type reader struct {
	contract *Contract
	known    map[*yaml.Node]*Schema
	op       *Operation
	seen     map[step]bool // by this operation
}

type step struct {
	node *yaml.Node
	way  way
}

func (c *Contract) readSchemas() {
	r := &reader{contract: c, known: map[*yaml.Node]*Schema{}}
	for _, op := range c.Operations {
		r.op, r.seen = op, map[step]bool{}
		sent := way{Request: true, House: !op.BetterAuth, BetterAuth: op.BetterAuth}
		given := way{Answer: true, House: !op.BetterAuth, BetterAuth: op.BetterAuth}
		if op.Webhook {
			sent, given = given, sent
		}
		for _, p := range op.Parameters {
			r.read(p.Get("schema"), owner(p, op.title())+" "+p.Get("name").Text(), sent)
		}
		r.content(op.Node.Get("requestBody"), op.title()+" body", sent)
		for _, response := range op.Responses() {
			r.content(response.Node, op.title()+" "+response.Node.Name, given)
			for _, h := range response.Node.Get("headers").Members() {
				if s := r.read(h.Get("schema"), owner(h, op.title()+" "+response.Node.Name)+" "+h.Name, given); s != nil {
					s.Header = true
				}
			}
		}
	}
}

// owner names what a parameter or a header belongs to: nothing, when several operations share it.
func owner(n source.Node, title string) string {
	if n.Part != "" {
		return "the shared"
	}
	return title
}

func (r *reader) content(n source.Node, name string, w way) {
	for _, media := range n.Get("content").Members() {
		r.read(media.Get("schema"), name, w)
	}
}

// read takes in a schema and what is below it; again, when it is reached in a new way.
func (r *reader) read(n source.Node, name string, w way) *Schema {
	if n.IsZero() || r.seen[step{n.ID(), w}] {
		return r.known[n.ID()]
	}
	r.seen[step{n.ID(), w}] = true
	if n.Part != "" {
		name = n.Part
	}
	s := r.known[n.ID()]
	if s == nil {
		s = &Schema{Node: n, Name: name}
		r.known[n.ID()] = s
		r.contract.Schemas = append(r.contract.Schemas, s)
	}
	s.Request, s.Answer = s.Request || w.Request, s.Answer || w.Answer
	s.House, s.BetterAuth = s.House || w.House, s.BetterAuth || w.BetterAuth
	if !slices.Contains(s.Operations, r.op) {
		s.Operations = append(s.Operations, r.op)
	}
	for _, p := range n.Get("properties").Members() {
		r.read(p, name+"."+p.Name, w)
	}
	r.read(n.Get("items"), name+"[]", w)
	if more := n.Get("additionalProperties"); more.IsMap() {
		r.read(more, name+"{}", w)
	}
	for _, word := range []string{"allOf", "oneOf", "anyOf"} {
		for _, part := range n.Get(word).Items() {
			r.read(part, name, w)
		}
	}
	return s
}

// isObject tells schemas of objects, also those that do not say so.
func (s *Schema) isObject() bool {
	return s.Node.Get("type").Text() == "object" || s.Node.Has("properties") || s.Node.Has("additionalProperties")
}

// is tells whether the schema's type is one of these.
func (s *Schema) is(types ...string) bool {
	return slices.Contains(types, s.Node.Get("type").Text())
}
