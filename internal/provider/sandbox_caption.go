package provider

import (
	"fmt"
	"image"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

const (
	captionLines = 4   // lines of prompt; a longer one ends in an ellipsis
	captionRunes = 600 // more never fits
)

var captionFont = sync.OnceValues(func() (*opentype.Font, error) {
	return opentype.Parse(goregular.TTF)
})

// caption writes label and prompt on a panel along the bottom, and gives the panel's upper edge.
func (c *canvas) caption(label, prompt string) (int, error) {
	parsed, err := captionFont()
	if err != nil {
		return 0, fmt.Errorf("read caption font: %w", err)
	}
	size := float64(min(c.w, c.h)) / 26
	face, err := opentype.NewFace(parsed, &opentype.FaceOptions{Size: size, DPI: 72, Hinting: font.HintingNone})
	if err != nil {
		return 0, fmt.Errorf("size caption font: %w", err)
	}
	defer func() { _ = face.Close() }()
	margin, pitch := int(size), int(size*1.35)
	lines := wrap(face, prompt, c.w-2*margin)
	top := c.h - margin - pitch*(len(lines)+1)
	for y := top; y < c.h; y++ {
		fill(c.row(y), inkFirst)
	}
	base := top + margin/2 + int(size)
	for _, line := range append(lines, label) {
		c.text(face, image.Pt(margin, base), line)
		base += pitch
	}
	return top, nil
}

// text writes one line with its baseline starting at dot. Coverage picks a shade of ink.
func (c *canvas) text(face font.Face, dot image.Point, line string) {
	pen := fixed.P(dot.X, dot.Y)
	for _, r := range line {
		where, mask, from, advance, ok := face.Glyph(pen, r)
		if alpha, isAlpha := mask.(*image.Alpha); ok && isAlpha {
			c.stamp(where, alpha, from)
		}
		pen.X += advance
	}
}

// stamp writes one glyph, clipped to the picture.
func (c *canvas) stamp(where image.Rectangle, mask *image.Alpha, from image.Point) {
	inside := where.Intersect(c.img.Rect)
	for y := inside.Min.Y; y < inside.Max.Y; y++ {
		row := c.row(y)
		start := mask.PixOffset(from.X+inside.Min.X-where.Min.X, from.Y+y-where.Min.Y)
		for x, coverage := range mask.Pix[start : start+inside.Dx()] {
			// Neighbouring glyphs may overlap: the stronger ink stays.
			row[inside.Min.X+x] = max(row[inside.Min.X+x], inkFirst+coverage>>4)
		}
	}
}

// wrap breaks text at spaces into lines at most width pixels wide; a longer word breaks inside.
func wrap(face font.Face, text string, width int) []string {
	limit := fixed.I(width)
	var lines []string
	for _, word := range strings.Fields(printable(text)) {
		last := len(lines) - 1
		if last >= 0 && font.MeasureString(face, lines[last]+" "+word) <= limit {
			lines[last] += " " + word
			continue
		}
		for word != "" && len(lines) <= captionLines {
			n := fitting(face, word, limit)
			lines = append(lines, word[:n])
			word = word[n:]
		}
		if len(lines) > captionLines {
			break
		}
	}
	if len(lines) > captionLines {
		lines = lines[:captionLines]
		lines[captionLines-1] = shorten(face, lines[captionLines-1], limit)
	}
	return lines
}

// shorten makes room for an ellipsis at the end of a full line.
func shorten(face font.Face, line string, limit fixed.Int26_6) string {
	runes := []rune(line)
	for len(runes) > 0 && font.MeasureString(face, string(runes)+"…") > limit {
		runes = runes[:len(runes)-1]
	}
	return string(runes) + "…"
}

// fitting gives how many bytes of word fit into limit, at least one rune's.
func fitting(face font.Face, word string, limit fixed.Int26_6) int {
	var width fixed.Int26_6
	for i, r := range word {
		advance, _ := face.GlyphAdvance(r)
		if width += advance; width > limit && i > 0 {
			return i
		}
	}
	return len(word)
}

// printable replaces what cannot be drawn by spaces, and cuts what cannot fit.
func printable(text string) string {
	runes := 0
	var b strings.Builder
	for _, r := range text {
		if runes++; runes > captionRunes {
			break
		}
		if !unicode.IsPrint(r) {
			r = ' '
		}
		b.WriteRune(r)
	}
	return b.String()
}
