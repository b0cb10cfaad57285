package main

import (
	"bytes"
	"fmt"
	"html"
	"slices"
	"strings"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	goldmarkhtml "github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// The reference stands where its mark is, outside of the text, whose look is not for it.
const (
	referenceMark = "<!-- reference -->"
	referenceBox  = `</article>
<div id="explorer" role="region" aria-label="Interactive reference"><p>Loading the contract…</p></div>
<noscript><p>The interactive reference needs JavaScript. All operations are listed below.</p></noscript>
<article>`
)

// Heading is a place on a page that can be linked to.
type Heading struct {
	ID, Text string
	Level    int
	Code     bool // it is the name of something, such as an error code
}

// renderMarkdown makes the page's HTML and the list of its headings.
func (p *Page) renderMarkdown() error {
	source := []byte(finishLinks(p.markdown, ""))
	md := goldmark.New(
		goldmark.WithExtensions(extension.Table),
		goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(p, 1)), goldmarkhtml.WithUnsafe()),
	)
	doc := md.Parser().Parse(text.NewReader(source), parser.WithContext(parser.NewContext()))
	var b bytes.Buffer
	if err := md.Renderer().Render(&b, source, doc); err != nil {
		return err
	}
	p.html = strings.NewReplacer(
		"<table>", `<div class="wide" tabindex="0" role="group" aria-label="Table"><table>`, "</table>", "</table></div>",
		referenceMark, referenceBox,
	).Replace(b.String())
	return nil
}

// RegisterFuncs makes headings and code ours; the rest is goldmark's.
func (p *Page) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindHeading, p.renderHeading)
	r.Register(ast.KindFencedCodeBlock, renderCode)
}

func (p *Page) renderHeading(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	n, ok := node.(*ast.Heading)
	if !ok {
		return ast.WalkStop, fmt.Errorf("a heading is a %T", node)
	}
	if entering {
		h := heading(source, n)
		if !h.Code {
			h.ID = p.unused(h.ID)
		}
		p.Headings = append(p.Headings, h)
		fmt.Fprintf(w, "<h%d id=%q>", n.Level, h.ID)
		return ast.WalkContinue, nil
	}
	if h := p.Headings[len(p.Headings)-1]; n.Level > 1 {
		fmt.Fprintf(w, ` <a class="anchor" href="#%s" aria-label="Link to %s">#</a>`, h.ID, html.EscapeString(h.Text))
	}
	fmt.Fprintf(w, "</h%d>\n", n.Level)
	return ast.WalkContinue, nil
}

// unused gives id, or id-1 and so on when it is taken, as code hosts do.
func (p *Page) unused(id string) string {
	taken := func(id string) bool {
		return slices.ContainsFunc(p.Headings, func(h Heading) bool { return h.ID == id })
	}
	free := id
	for n := 1; taken(free); n++ {
		free = fmt.Sprintf("%s-%d", id, n)
	}
	return free
}

// heading names a heading. One that is nothing but code keeps its letters, so that the place of an error code
// is the code itself.
func heading(source []byte, n *ast.Heading) Heading {
	h := Heading{Text: plain(source, n), Level: n.Level}
	if only, ok := n.FirstChild().(*ast.CodeSpan); ok && only.NextSibling() == nil {
		h.Code = true
		h.ID = h.Text
		return h
	}
	h.ID = slug(h.Text)
	return h
}

func plain(source []byte, n ast.Node) string {
	var b strings.Builder
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		if t, ok := c.(*ast.Text); ok {
			b.Write(t.Segment.Value(source))
			continue
		}
		b.WriteString(plain(source, c))
	}
	return b.String()
}

// slug spells a heading as an anchor, the way code hosts do.
func slug(heading string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(heading) {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '_', r == '-':
			b.WriteRune(r)
		case r == ' ':
			b.WriteByte('-')
		}
	}
	return b.String()
}
