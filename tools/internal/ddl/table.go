package ddl

import "slices"

// columnWords are the words that end a column's type.
var columnWords = []string{"constraint", "not", "null", "default", "primary", "unique", "check", "references", "generated", "collate", "storage", "compression"}

// tableItem reads one column or table constraint of CREATE TABLE.
func (p *parser) tableItem(t *Table, item []Token) {
	q := &parser{schema: p.schema, file: p.file, toks: item}
	if kind := q.peekConstraint(); kind != "" {
		q.tableConstraint(t)
		return
	}
	if q.accept("like") {
		return
	}
	q.columnDef(t)
}

// peekConstraint says which table constraint comes next, if any.
func (p *parser) peekConstraint() string {
	toks := p.toks
	if len(toks) > 2 && toks[0].is("constraint") {
		toks = toks[2:]
	}
	if len(toks) < 2 {
		return ""
	}
	switch {
	case toks[0].is("primary") && toks[1].is("key"):
		return PrimaryKey
	case toks[0].is("foreign") && toks[1].is("key"):
		return ForeignKey
	case toks[0].is("unique") && (toks[1].is("(") || toks[1].is("nulls") || toks[1].is("using")):
		return Unique
	case toks[0].is("check") && toks[1].is("("):
		return Check
	case toks[0].is("exclude") && (toks[1].is("using") || toks[1].is("(")):
		return Exclude
	}
	return ""
}

func (p *parser) tableConstraint(t *Table) {
	c := Constraint{Table: t.Name, Kind: p.peekConstraint(), File: p.file, Line: p.line()}
	if p.accept("constraint") {
		c.Name = p.name()
	}
	for len(p.toks) > 0 && !p.toks[0].is("(") {
		p.toks = p.toks[1:]
	}
	if in := p.parens(); len(in) > 0 && c.Kind != Check {
		c.Column = in[0].Text
	}
	t.Constraints = append(t.Constraints, c)
}

func (p *parser) columnDef(t *Table) {
	col := &Column{Name: p.name()}
	n := slices.IndexFunc(p.toks, func(t Token) bool { return !t.Quoted && !t.String && slices.Contains(columnWords, t.Text) })
	if n < 0 {
		n = len(p.toks)
	}
	col.Type = spaced(p.toks[:n])
	p.toks = p.toks[n:]
	t.Columns = append(t.Columns, col)

	name := ""
	for len(p.toks) > 0 {
		line := p.line()
		kind := ""
		switch {
		case p.accept("constraint"):
			name = p.name()
			continue
		case p.accept("not", "null"):
			col.NotNull, name = true, ""
			continue
		case p.accept("primary", "key"):
			col.NotNull, kind = true, PrimaryKey
		case p.accept("unique"):
			kind = Unique
		case p.accept("check"):
			kind = Check
		case p.accept("references"):
			kind = ForeignKey
		}
		if kind != "" {
			t.Constraints = append(t.Constraints, Constraint{Table: t.Name, Name: name, Kind: kind, Column: col.Name, File: p.file, Line: line})
			name = ""
			continue
		}
		if p.parens() == nil && len(p.toks) > 0 {
			p.toks = p.toks[1:]
		}
	}
}

func (p *parser) alterTable() {
	p.skip("if", "exists", "only")
	name := p.name()
	t := p.schema.Table(name)
	if t == nil {
		t = &Table{Name: name} // altered but not made here: its constraints are still read
		p.schema.Tables = append(p.schema.Tables, t)
	}
	for _, item := range commaItems(p.toks) {
		q := &parser{schema: p.schema, file: p.file, toks: item}
		q.alterAction(t)
	}
}

func (p *parser) alterAction(t *Table) {
	switch {
	case p.accept("add"):
		if p.peekConstraint() != "" {
			p.tableConstraint(t)
			return
		}
		p.skip("column", "if", "not", "exists")
		p.columnDef(t)
	case p.accept("drop", "constraint"):
		p.skip("if", "exists")
		name := p.name()
		t.Constraints = slices.DeleteFunc(t.Constraints, func(c Constraint) bool { return c.AutomaticName() == name })
	case p.accept("drop"):
		p.skip("column", "if", "exists")
		name := p.name()
		t.Columns = slices.DeleteFunc(t.Columns, func(c *Column) bool { return c.Name == name })
	case p.accept("rename", "constraint"):
		from := p.name()
		p.skip("to")
		for i := range t.Constraints {
			if t.Constraints[i].AutomaticName() == from {
				t.Constraints[i].Name = p.name()
				return
			}
		}
	case p.accept("rename", "to"):
		p.schema.renameTable(t.Name, p.name())
	case p.accept("rename"):
		p.skip("column")
		c := t.column(p.name())
		p.skip("to")
		c.Name = p.name()
	case p.accept("alter"):
		p.skip("column")
		p.alterColumn(t.column(p.name()))
	}
}

func (p *parser) alterColumn(c *Column) {
	switch {
	case p.accept("set", "not", "null"):
		c.NotNull = true
	case p.accept("drop", "not", "null"):
		c.NotNull = false
	case p.accept("type"), p.accept("set", "data", "type"):
		n := slices.IndexFunc(p.toks, func(t Token) bool { return t.is("using") || t.is("collate") })
		if n < 0 {
			n = len(p.toks)
		}
		c.Type = spaced(p.toks[:n])
	}
}
