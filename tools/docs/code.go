package main

import (
	"bytes"
	"fmt"
	"html"
	"regexp"
	"strings"

	"github.com/alecthomas/chroma/v2"
	chromahtml "github.com/alecthomas/chroma/v2/formatters/html"
	"github.com/alecthomas/chroma/v2/lexers"
	"github.com/alecthomas/chroma/v2/styles"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/util"
)

// languages are the names that readers know the languages of samples by.
var languages = map[string]string{"bash": "curl", "python": "Python", "ts": "TypeScript", "go": "Go"}

var (
	runMark   = regexp.MustCompile(`\b(?:run|serve)=(\S+)`)
	titleMark = regexp.MustCompile(`\btitle="([^"]*)"`)
	fenceLine = regexp.MustCompile("(?m)^(```\\w+) [^\n]*$")
)

var formatter = chromahtml.New(chromahtml.WithClasses(true), chromahtml.PreventSurroundingPre(true))

// block is a fenced block: its language, the group of samples it belongs to, what stands above it.
type block struct {
	language, group, title string
}

func readBlock(source []byte, n ast.Node) block {
	fenced, ok := n.(*ast.FencedCodeBlock)
	if !ok || fenced.Info == nil {
		return block{}
	}
	info := string(fenced.Info.Segment.Value(source))
	language, _, _ := strings.Cut(info, " ")
	b := block{language: language}
	if m := runMark.FindStringSubmatch(info); m != nil {
		b.group, b.title = m[1], languages[language]
	}
	if m := titleMark.FindStringSubmatch(info); m != nil {
		b.title = m[1]
	}
	return b
}

// renderCode writes a block with its name above it. Neighbours that show the same in several languages are one group.
func renderCode(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	b := readBlock(source, n)
	before, after := readBlock(source, n.PreviousSibling()), readBlock(source, n.NextSibling())
	if b.group != "" && b.group != before.group && b.group == after.group {
		fmt.Fprint(w, `<div class="samples">`)
	}
	var code bytes.Buffer
	for i := range n.Lines().Len() {
		line := n.Lines().At(i)
		code.Write(line.Value(source))
	}
	marked, err := highlight(b.language, code.String())
	if err != nil {
		return ast.WalkStop, err
	}
	class := "code"
	if b.group == "" {
		class = "code answer"
	}
	fmt.Fprintf(w, `<div class="%s">`, class)
	if b.title != "" {
		fmt.Fprintf(w, `<div class="caption">%s</div>`, html.EscapeString(b.title))
	}
	fmt.Fprintf(w, `<pre tabindex="0"><code class="language-%s">%s</code></pre></div>`, html.EscapeString(b.language), marked)
	if b.group != "" && b.group == before.group && b.group != after.group {
		fmt.Fprint(w, "</div>")
	}
	fmt.Fprintln(w)
	return ast.WalkSkipChildren, nil
}

func highlight(language, code string) (string, error) {
	lexer := lexers.Get(language)
	if lexer == nil {
		lexer = lexers.Fallback
	}
	tokens, err := chroma.Coalesce(lexer).Tokenise(nil, code)
	if err != nil {
		return "", fmt.Errorf("highlight %s: %w", language, err)
	}
	var b bytes.Buffer
	if err := formatter.Format(&b, styles.Fallback, tokens); err != nil {
		return "", fmt.Errorf("highlight %s: %w", language, err)
	}
	return b.String(), nil
}
