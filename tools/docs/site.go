package main

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"fmt"
	"html/template"
	"os"
	"path"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	siteFolder = "docs/site"
	assets     = "assets/"
)

// Page is one page of the site.
type Page struct {
	Name     string `yaml:"name"`   // its address below /docs; index is /docs itself
	Nav      string `yaml:"nav"`    // its name in the navigation
	About    string `yaml:"about"`  // one sentence, for search results and llms.txt
	Source   string `yaml:"source"` // the Markdown; docs/site/<name>.md when empty
	Optional bool   `yaml:"optional"`

	Title    string    `yaml:"-"`
	Headings []Heading `yaml:"-"`
	markdown string    // includes expanded, links to pages spelled page:<name>
	html     string    // the rendered Markdown
}

// HasPlaces tells whether there is more on the page than its title to go to.
func (p *Page) HasPlaces() bool { return len(p.Headings) > 1 }

// Section is a group of pages in the navigation.
type Section struct {
	Section string  `yaml:"section"`
	Pages   []*Page `yaml:"pages"`
}

// Site is all that is shipped.
type Site struct {
	Sections []Section
	Files    map[string][]byte // by their path below gen/docs
	sources  map[string]string // which page shows a file of the checkout
	absent   map[string]bool   // sources of optional pages that are not there
	faults   []Fault           // found while the pages were made
}

//go:embed look
var look embed.FS

// Build makes the site from a checkout, without the files of the reference's library.
func Build(root string) (*Site, error) {
	s := &Site{Files: map[string][]byte{}, sources: map[string]string{}, absent: map[string]bool{}}
	if err := s.readPages(root); err != nil {
		return nil, err
	}
	contract, err := readContract(root)
	if err != nil {
		return nil, err
	}
	for _, p := range s.pages() {
		if err := s.read(root, p, contract); err != nil {
			return nil, err
		}
	}
	a, err := s.addAssets(root)
	if err != nil {
		return nil, err
	}
	for i, p := range s.pages() {
		if err := s.render(p, i, a); err != nil {
			return nil, fmt.Errorf("render %s: %w", p.Source, err)
		}
	}
	s.addTexts()
	return s, nil
}

// readPages reads the list of pages. One that is optional is left out while its source is missing.
func (s *Site) readPages(root string) error {
	list := path.Join(siteFolder, "pages.yaml")
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(list)))
	if err != nil {
		return fmt.Errorf("read the list of pages: %w", err)
	}
	var sections []Section
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&sections); err != nil {
		return fmt.Errorf("read %s: %w", list, err)
	}
	for _, section := range sections {
		kept := Section{Section: section.Section}
		for _, p := range section.Pages {
			if p.Source == "" {
				p.Source = path.Join(siteFolder, p.Name+".md")
			}
			text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(p.Source)))
			if p.Optional && os.IsNotExist(err) {
				s.absent[p.Source] = true
				continue
			}
			if err != nil {
				return fmt.Errorf("read a page: %w", err)
			}
			kept.Pages = append(kept.Pages, p)
			s.sources[p.Source] = p.Name
			s.claimIncluded(p, string(text))
		}
		s.Sections = append(s.Sections, kept)
	}
	return nil
}

// claimIncluded makes links to a file that p shows as a whole lead to p.
func (s *Site) claimIncluded(p *Page, text string) {
	_ = eachLine(text, func(line string, code bool) error {
		if m := includeLine.FindStringSubmatch(line); !code && m != nil && m[2] == "" {
			s.sources[path.Join(path.Dir(p.Source), m[1])] = p.Name
		}
		return nil
	})
}

func (s *Site) pages() []*Page {
	var all []*Page
	for _, section := range s.Sections {
		all = append(all, section.Pages...)
	}
	return all
}

// read expands a page's Markdown and renders it.
func (s *Site) read(root string, p *Page, c contract) error {
	text, err := s.expand(root, p.Source)
	if err != nil {
		return err
	}
	p.markdown = c.fill(text)
	first, _, _ := strings.Cut(p.markdown, "\n")
	title, ok := strings.CutPrefix(first, "# ")
	if !ok {
		return fmt.Errorf("%s does not open with its title", p.Source)
	}
	p.Title = strings.TrimSpace(title)
	return nil
}

// assetNames are the addresses of what the pages load.
type assetNames struct {
	Site, Script, Icon                       string
	Reference, ReferenceScript               string
	Library, LibraryStyle, LibraryConditions string
}

func (s *Site) addAssets(root string) (assetNames, error) {
	icon, err := os.ReadFile(filepath.Join(root, "web", "src", "egg.svg"))
	if err != nil {
		return assetNames{}, fmt.Errorf("read the icon: %w", err)
	}
	version, err := libraryVersion(root)
	if err != nil {
		return assetNames{}, err
	}
	return assetNames{
		Site: s.asset("site.css", lookOf("frame.css", "text.css")), Script: s.asset("site.js", lookOf("site.js")), Icon: s.asset("egg.svg", icon),
		Reference: s.asset("reference.css", lookOf("reference.css")), ReferenceScript: s.asset("reference.js", lookOf("reference.js")),
		Library: address(libraryFile(version, ".js")), LibraryStyle: address(libraryFile(version, ".css")),
		LibraryConditions: address(libraryFile(version, ".LICENSE.txt")),
	}, nil
}

// lookOf joins embedded files.
func lookOf(names ...string) []byte {
	var all [][]byte
	for _, name := range names {
		body, err := look.ReadFile("look/" + name)
		if err != nil {
			panic(err) // it was there when this was built
		}
		all = append(all, body)
	}
	return bytes.Join(all, []byte("\n"))
}

// asset adds a file under a name that changes with its content, and gives its address.
func (s *Site) asset(name string, body []byte) string {
	sum := sha256.Sum256(body)
	ext := path.Ext(name)
	file := fmt.Sprintf("%s%s.%x%s", assets, strings.TrimSuffix(name, ext), sum[:5], ext)
	s.Files[file] = body
	return address(file)
}

func address(file string) string { return "/docs/" + file }

// pageAddress gives a page's address with an ending: none for the page, .md for its Markdown.
func pageAddress(name, ending string) string {
	if name == "index" && ending == "" {
		return "/docs"
	}
	return "/docs/" + name + ending
}

// frame is what the template needs of a page.
type frame struct {
	*Page
	Assets   assetNames
	Sections []Section
	Body     template.HTML
	Markdown string
	Previous *Page
	Next     *Page
}

var frameTemplate = template.Must(template.New("page.html").Funcs(template.FuncMap{
	"address": func(p *Page) string { return pageAddress(p.Name, "") },
}).ParseFS(look, "look/page.html"))

func (s *Site) render(p *Page, i int, a assetNames) error {
	if err := p.renderMarkdown(); err != nil {
		return err
	}
	body := template.HTML(p.html) //nolint:gosec // our own Markdown, which Check looks through
	f := frame{Page: p, Assets: a, Sections: s.Sections, Body: body, Markdown: pageAddress(p.Name, ".md")}
	all := s.pages()
	if i > 0 {
		f.Previous = all[i-1]
	}
	if i+1 < len(all) {
		f.Next = all[i+1]
	}
	var b bytes.Buffer
	if err := frameTemplate.Execute(&b, f); err != nil {
		return err
	}
	s.Files[p.Name+".html"] = b.Bytes()
	return nil
}
