package main

import (
	"fmt"
	"strings"
)

const pitch = "AI image generation through one REST API: POST a prompt, get a task, poll it or receive a signed webhook, " +
	"and pay for what was delivered."

// fullText is the file with all pages; what is a place on one of them is none in it.
const fullText = "llms-full.txt"

// addTexts adds what machines read: each page as Markdown, all of them in one file, and their list.
func (s *Site) addTexts() {
	var list, full strings.Builder
	fmt.Fprintf(&list, "# EggAPI\n\n> %s\n\nAddresses are relative to the server that gave you this file.\n", pitch)
	fmt.Fprintf(&full, "# EggAPI: all documentation\n\n> %s\n", pitch)
	for _, section := range s.Sections {
		if len(section.Pages) == 0 {
			continue
		}
		fmt.Fprintf(&list, "\n## %s\n\n", section.Section)
		for _, p := range section.Pages {
			text := p.twin()
			s.Files[p.Name+".md"] = []byte(text)
			fmt.Fprintf(&list, "- [%s](%s): %s\n", p.Title, pageAddress(p.Name, ".md"), p.About)
			fmt.Fprintf(&full, "\n---\n\nSource: %s\n\n%s", pageAddress(p.Name, ".md"), text)
		}
	}
	list.WriteString("\n## Optional\n\n" +
		"- [OpenAPI document](/openapi.yaml): the contract itself, which server, clients and tests are made from; also [as JSON](/openapi.json)\n" +
		"- [All pages in one file](/docs/llms-full.txt): every page above, one after the other\n")
	s.Files["llms.txt"] = []byte(list.String())
	s.Files[fullText] = []byte(full.String())
}

// twin is the page as Markdown that stands alone: no marks for tests, links to other twins.
func (p *Page) twin() string {
	text := strings.ReplaceAll(p.markdown, referenceMark+"\n\n", "")
	return fenceLine.ReplaceAllString(finishLinks(text, ".md"), "$1")
}
