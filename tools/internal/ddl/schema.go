package ddl

import (
	"slices"
	"strings"
)

// A Schema is what a run of statements leaves behind.
type Schema struct {
	Tables  []*Table
	Indexes []Constraint // unique indexes that belong to no constraint; plain ones only when unnamed
	Enums   []*Enum
}

// A Table is a table with its columns and constraints in the order they were written.
type Table struct {
	Name        string
	Columns     []*Column
	Constraints []Constraint
}

// A Column is a column; Type is its type as written, on one line.
type Column struct {
	Name    string
	Type    string
	NotNull bool
}

// The kinds of constraint.
const (
	PrimaryKey = "primary key"
	Unique     = "unique"
	Check      = "check"
	ForeignKey = "foreign key"
	Exclude    = "exclude"
	Index      = "index"
)

// A Constraint is a rule of a table. Name is empty when the author gave none.
type Constraint struct {
	Table  string
	Name   string
	Kind   string
	Column string // the column it was written on, or the first one it names
	File   string
	Line   int
}

// An Enum is an enumerated type.
type Enum struct {
	Name   string
	Values []string
}

// Table returns the named table, or nil.
func (s *Schema) Table(name string) *Table {
	i := slices.IndexFunc(s.Tables, func(t *Table) bool { return t.Name == name })
	if i < 0 {
		return nil
	}
	return s.Tables[i]
}

// Constraints returns every constraint and unique index, table by table.
func (s *Schema) Constraints() []Constraint {
	var all []Constraint
	rest := slices.Clone(s.Indexes)
	for _, t := range s.Tables {
		all = append(all, t.Constraints...)
		rest = slices.DeleteFunc(rest, func(c Constraint) bool {
			if c.Table == t.Name {
				all = append(all, c)
			}
			return c.Table == t.Name
		})
	}
	return append(all, rest...)
}

// AutomaticName is the name PostgreSQL gives to a constraint whose author gave none.
func (c Constraint) AutomaticName() string {
	suffix := map[string]string{Unique: "key", Check: "check", ForeignKey: "fkey", Exclude: "excl"}[c.Kind]
	switch {
	case c.Name != "":
		return c.Name
	case c.Kind == PrimaryKey:
		return c.Table + "_pkey"
	case c.Column == "":
		return c.Table + "_" + suffix
	}
	return c.Table + "_" + c.Column + "_" + suffix
}

// Apply folds the SQL of one file into the schema. Statements it does not know are passed over.
func (s *Schema) Apply(file, sql string) {
	for _, st := range Statements(sql) {
		p := &parser{schema: s, file: file, toks: st}
		p.statement()
	}
}

func (s *Schema) dropTable(name string) {
	s.Tables = slices.DeleteFunc(s.Tables, func(t *Table) bool { return t.Name == name })
	s.Indexes = slices.DeleteFunc(s.Indexes, func(c Constraint) bool { return c.Table == name })
}

func (s *Schema) dropIndex(name string) {
	s.Indexes = slices.DeleteFunc(s.Indexes, func(c Constraint) bool { return c.Name == name })
}

func (s *Schema) renameTable(from, to string) {
	t := s.Table(from)
	if t == nil {
		return
	}
	t.Name = to
	for i := range t.Constraints {
		t.Constraints[i].Table = to
	}
	for i := range s.Indexes {
		if s.Indexes[i].Table == from {
			s.Indexes[i].Table = to
		}
	}
}

func (t *Table) column(name string) *Column {
	for _, c := range t.Columns {
		if c.Name == name {
			return c
		}
	}
	return &Column{}
}

// spaced joins the tokens of a type the way a person would write it.
func spaced(toks []Token) string {
	var b strings.Builder
	for i, t := range toks {
		if i > 0 && !strings.ContainsAny(t.Text, "()[],.") && !strings.HasSuffix(b.String(), "(") && !strings.HasSuffix(b.String(), ".") {
			b.WriteByte(' ')
		}
		b.WriteString(t.Text)
	}
	return b.String()
}
