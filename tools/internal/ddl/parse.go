package ddl

import "slices"

// A parser walks the tokens of one statement.
type parser struct {
	schema *Schema
	file   string
	toks   []Token
}

// accept drops the given words when the statement goes on with exactly them.
func (p *parser) accept(words ...string) bool {
	if len(p.toks) < len(words) {
		return false
	}
	for i, w := range words {
		if !p.toks[i].is(w) {
			return false
		}
	}
	p.toks = p.toks[len(words):]
	return true
}

// skip drops each of the words that comes next, in the order given.
func (p *parser) skip(words ...string) {
	for _, w := range words {
		p.accept(w)
	}
}

// name takes a name, without its schema.
func (p *parser) name() string {
	if len(p.toks) == 0 {
		return ""
	}
	n := p.toks[0].Text
	p.toks = p.toks[1:]
	if len(p.toks) > 1 && p.toks[0].is(".") {
		n = p.toks[1].Text
		p.toks = p.toks[2:]
	}
	return n
}

func (p *parser) line() int {
	if len(p.toks) == 0 {
		return 0
	}
	return p.toks[0].Line
}

func (p *parser) statement() {
	switch {
	case p.accept("create"):
		p.create()
	case p.accept("alter", "table"):
		p.alterTable()
	case p.accept("alter", "index"):
		p.skip("if", "exists")
		p.renameIndex(p.name())
	case p.accept("alter", "type"):
		p.alterType()
	case p.accept("drop", "table"):
		p.skip("if", "exists")
		p.each(p.schema.dropTable)
	case p.accept("drop", "index"):
		p.skip("concurrently", "if", "exists")
		p.each(p.schema.dropIndex)
	}
}

func (p *parser) each(drop func(string)) {
	for {
		drop(p.name())
		if !p.accept(",") {
			return
		}
	}
}

func (p *parser) create() {
	p.skip("unlogged", "temporary", "temp")
	unique := p.accept("unique")
	switch {
	case p.accept("table"):
		p.skip("if", "not", "exists")
		p.createTable()
	case p.accept("index"):
		p.createIndex(unique)
	case p.accept("type"):
		p.createType()
	}
}

func (p *parser) createTable() {
	t := &Table{Name: p.name()}
	p.schema.Tables = append(p.schema.Tables, t)
	for _, item := range commaItems(p.parens()) {
		p.tableItem(t, item)
	}
}

func (p *parser) createIndex(unique bool) {
	c := Constraint{Kind: Index, File: p.file, Line: p.line()}
	if unique {
		c.Kind = Unique
	}
	p.skip("concurrently", "if", "not", "exists")
	if !p.accept("on") {
		c.Name = p.name()
		p.skip("on")
	}
	p.skip("only")
	c.Table = p.name()
	if unique || c.Name == "" {
		p.schema.Indexes = append(p.schema.Indexes, c)
	}
}

func (p *parser) createType() {
	e := &Enum{Name: p.name()}
	if !p.accept("as", "enum") {
		return
	}
	for _, t := range p.parens() {
		if t.String {
			e.Values = append(e.Values, t.Text)
		}
	}
	p.schema.Enums = append(p.schema.Enums, e)
}

func (p *parser) alterType() {
	name := p.name()
	i := slices.IndexFunc(p.schema.Enums, func(e *Enum) bool { return e.Name == name })
	if i < 0 || !p.accept("add", "value") {
		return
	}
	e := p.schema.Enums[i]
	p.skip("if", "not", "exists")
	value, at := p.name(), len(e.Values)
	if p.accept("after") {
		at = slices.Index(e.Values, p.name()) + 1
	} else if p.accept("before") {
		at = max(slices.Index(e.Values, p.name()), 0)
	}
	e.Values = slices.Insert(e.Values, at, value)
}

func (p *parser) renameIndex(name string) {
	if !p.accept("rename", "to") {
		return
	}
	for i := range p.schema.Indexes {
		if p.schema.Indexes[i].Name == name {
			p.schema.Indexes[i].Name = p.name()
		}
	}
}

// parens takes a parenthesised group and returns what is inside it.
func (p *parser) parens() []Token {
	depth := 0
	for i, t := range p.toks {
		switch {
		case t.is("("):
			depth++
		case t.is(")"):
			depth--
			if depth == 0 {
				in := p.toks[1:i]
				p.toks = p.toks[i+1:]
				return in
			}
		}
		if depth == 0 {
			return nil
		}
	}
	return nil
}

// commaItems cuts at the commas that stand outside all parentheses.
func commaItems(toks []Token) [][]Token {
	var items [][]Token
	depth, from := 0, 0
	for i, t := range toks {
		switch {
		case t.is("("), t.is("["):
			depth++
		case t.is(")"), t.is("]"):
			depth--
		case t.is(",") && depth == 0:
			items = append(items, toks[from:i])
			from = i + 1
		}
	}
	if from < len(toks) {
		items = append(items, toks[from:])
	}
	return items
}
