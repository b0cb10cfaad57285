package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// pageScheme spells a link to a page until it is known whether it becomes HTML or Markdown.
const pageScheme = "page:"

var (
	includeLine = regexp.MustCompile(`^\[[^\]]*\]\(([^)#]+)(#[^)]*)?\)<!-- include -->$`)
	link        = regexp.MustCompile(`(!?)\[([^\[\]]*)\]\(([^)\s]+)\)`)
	headingLine = regexp.MustCompile(`^(#{1,6}) +(.+)$`)
)

// expand reads a file of the checkout, puts in what it includes, and spells its links to other pages.
//
// A line [words](file.md#section)<!-- include --> stands for what is under that heading up to the next one, or for the
// whole file but its title.
func (s *Site) expand(root, source string) (string, error) {
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(source)))
	if err != nil {
		return "", fmt.Errorf("read a page: %w", err)
	}
	var out, words []string // words are the lines since the last block or include
	flush := func() {
		if len(words) > 0 {
			out = append(out, s.spellLinks(source, strings.Join(words, "\n")))
			words = nil
		}
	}
	err = eachLine(string(text), func(line string, code bool) error {
		m := includeLine.FindStringSubmatch(line)
		switch {
		case code:
			flush()
			out = append(out, line)
			return nil
		case m == nil:
			words = append(words, line)
			return nil
		}
		flush()
		section, err := s.include(root, path.Join(path.Dir(source), m[1]), strings.TrimPrefix(m[2], "#"))
		out = append(out, section)
		return err
	})
	flush()
	return strings.TrimSpace(strings.Join(out, "\n")) + "\n", err
}

func (s *Site) include(root, source, anchor string) (string, error) {
	text, err := s.expand(root, source)
	if err != nil {
		return "", fmt.Errorf("include: %w", err)
	}
	section, ok := cutSection(text, anchor)
	if !ok {
		return "", fmt.Errorf("include %s: it has no section %q", source, anchor)
	}
	return section, nil
}

// eachLine calls f with every line, and whether it belongs to a fenced block.
func eachLine(text string, f func(line string, code bool) error) error {
	code := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		fence := strings.HasPrefix(line, "```")
		if err := f(line, code || fence); err != nil {
			return err
		}
		if fence {
			code = !code
		}
	}
	return nil
}

// cutSection gives what stands between a heading and the next one; all below the title when anchor is empty.
func cutSection(text, anchor string) (string, bool) {
	var out []string
	level := 0
	_ = eachLine(text, func(line string, code bool) error {
		m := headingLine.FindStringSubmatch(line)
		switch {
		case code || m == nil:
			if level > 0 {
				out = append(out, line)
			}
		case level > 0 && anchor != "":
			level = -1
		case level > 0:
			out = append(out, line)
		case level == 0 && (anchor == "" && m[1] == "#" || anchor != "" && slug(m[2]) == anchor):
			level = len(m[1])
		}
		return nil
	})
	return strings.TrimSpace(strings.Join(out, "\n")), level != 0
}

// spellLinks turns relative links into page: links. What leads to a file that is not shipped becomes plain text; on
// a page of its own that is a fault.
func (s *Site) spellLinks(source, text string) string {
	return link.ReplaceAllStringFunc(text, func(found string) string {
		m := link.FindStringSubmatch(found)
		words, target := m[2], m[3]
		if strings.Contains(target, ":") || strings.HasPrefix(target, "/") || strings.HasPrefix(target, "#") {
			return found
		}
		file, fragment, _ := strings.Cut(target, "#")
		if fragment != "" {
			fragment = "#" + fragment
		}
		name, shipped := s.sources[path.Join(path.Dir(source), file)]
		if shipped {
			return m[1] + "[" + words + "](" + pageScheme + name + fragment + ")"
		}
		if strings.HasPrefix(source, siteFolder+"/") && !s.absent[path.Join(path.Dir(source), file)] {
			s.faults = append(s.faults, Fault{source, "links to " + target + ", which is not shipped"})
		}
		return words
	})
}

// finishLinks spells page: links as addresses with the given ending.
func finishLinks(markdown, ending string) string {
	return link.ReplaceAllStringFunc(markdown, func(found string) string {
		m := link.FindStringSubmatch(found)
		target, ok := strings.CutPrefix(m[3], pageScheme)
		if !ok {
			return found
		}
		name, fragment, cut := strings.Cut(target, "#")
		target = pageAddress(name, ending)
		if cut {
			target += "#" + fragment
		}
		return m[1] + "[" + m[2] + "](" + target + ")"
	})
}
