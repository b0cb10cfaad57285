// Package ddl reads SQL schema text well enough to know its tables, columns and constraints.
//
// Owns: cutting SQL into statements and tokens, and folding CREATE, ALTER and DROP into a Schema.
// Does not own: checking that the SQL is valid; sqlc and PostgreSQL do that.
// May touch: nothing; standard library only.
// Always true: text inside comments, strings and function bodies is never taken for a constraint.
package ddl

import (
	"strings"
	"unicode"
)

// A Token is one word, quoted name, literal or punctuation mark of a statement.
type Token struct {
	Text   string // words in lower case; quoted names without their quotes, case kept
	Quoted bool   // a "quoted" name
	String bool   // a 'string' or $$string$$
	Line   int    // counted from 1
}

// is reports whether the token is the bare word w (given in lower case).
func (t Token) is(w string) bool { return !t.Quoted && !t.String && t.Text == w }

// A Statement is the tokens up to a semicolon.
type Statement []Token

type lexer struct {
	src  []rune
	pos  int
	line int
	out  []Statement
	cur  Statement
}

// Statements cuts SQL text into statements. Comments are dropped.
func Statements(sql string) []Statement {
	l := &lexer{src: []rune(sql), line: 1}
	for l.pos < len(l.src) {
		l.next()
	}
	l.end()
	return l.out
}

func (l *lexer) next() {
	c := l.src[l.pos]
	switch {
	case unicode.IsSpace(c):
		l.advance(1)
	case l.at("--"):
		l.advance(l.until("\n", 2))
	case l.at("/*"):
		l.advance(l.until("*/", 2))
	case c == ';':
		l.end()
		l.advance(1)
	case c == '\'':
		l.quoted('\'')
	case c == '"':
		l.quoted('"')
	case c == '$' && l.dollarTag() != "":
		tag := l.dollarTag()
		l.take(l.until(tag, len(tag)), Token{String: true})
	case wordRune(c):
		n := 1
		for l.pos+n < len(l.src) && wordRune(l.src[l.pos+n]) {
			n++
		}
		l.take(n, Token{Text: strings.ToLower(string(l.src[l.pos : l.pos+n]))})
	default:
		l.take(1, Token{Text: string(c)})
	}
}

func wordRune(c rune) bool {
	return c == '_' || c == '$' || unicode.IsLetter(c) || unicode.IsDigit(c)
}

func (l *lexer) at(s string) bool {
	return strings.HasPrefix(string(l.src[l.pos:min(l.pos+len(s), len(l.src))]), s)
}

// until returns how many runes lead past the next end, looked for after the first skip runes.
func (l *lexer) until(end string, skip int) int {
	rest := string(l.src[min(l.pos+skip, len(l.src)):])
	i := strings.Index(rest, end)
	if i < 0 {
		return len(l.src) - l.pos
	}
	return skip + len([]rune(rest[:i])) + len([]rune(end))
}

// quoted takes a literal or name whose quote is doubled to escape it.
func (l *lexer) quoted(q rune) {
	var text []rune
	n := 1
	for ; l.pos+n < len(l.src); n++ {
		c := l.src[l.pos+n]
		if c == q && (l.pos+n+1 >= len(l.src) || l.src[l.pos+n+1] != q) {
			n++
			break
		}
		if c == q {
			n++
		}
		text = append(text, c)
	}
	l.take(n, Token{Text: string(text), Quoted: q == '"', String: q == '\''})
}

// dollarTag returns the $tag$ that opens here, or nothing.
func (l *lexer) dollarTag() string {
	for n := 1; l.pos+n < len(l.src); n++ {
		c := l.src[l.pos+n]
		if c == '$' {
			return string(l.src[l.pos : l.pos+n+1])
		}
		if !wordRune(c) || (n == 1 && unicode.IsDigit(c)) {
			return ""
		}
	}
	return ""
}

func (l *lexer) take(n int, t Token) {
	t.Line = l.line
	l.cur = append(l.cur, t)
	l.advance(n)
}

func (l *lexer) advance(n int) {
	for range n {
		if l.pos < len(l.src) {
			if l.src[l.pos] == '\n' {
				l.line++
			}
			l.pos++
		}
	}
}

func (l *lexer) end() {
	if len(l.cur) > 0 {
		l.out = append(l.out, l.cur)
	}
	l.cur = nil
}

// Up returns the part of a goose migration that is applied on the way up, with the lines
// before it blank so that line numbers stay true.
func Up(migration string) string {
	var b strings.Builder
	up := false
	for line := range strings.Lines(migration) {
		mark := strings.ToLower(strings.Join(strings.Fields(line), " "))
		switch {
		case strings.HasPrefix(mark, "-- +goose up"):
			up = true
		case strings.HasPrefix(mark, "-- +goose down"):
			return b.String()
		}
		if up {
			b.WriteString(line)
		} else {
			b.WriteString("\n")
		}
	}
	return b.String()
}
