package main

import (
	"fmt"
	"html"
	"regexp"
	"slices"
	"strings"
)

// Fault is something wrong with the site.
type Fault struct {
	Place string // a file below gen/docs, or a source
	Text  string
}

// String gives the fault as place: text.
func (f Fault) String() string { return f.Place + ": " + f.Text }

// What the server itself serves beside the documentation.
var served = []string{"/", "/openapi.yaml", "/openapi.json", "/llms.txt"}

var (
	idAttribute   = regexp.MustCompile(`\sid="([^"]+)"`)
	hrefAttribute = regexp.MustCompile(`<a\s[^>]*?href="([^"]*)"`)
	loadAttribute = regexp.MustCompile(`<(?:[b-z]\w*|a\w+)\s[^>]*?(?:src|href|action|data|poster|srcset)="([^"]*)"`)
	styleAsks     = regexp.MustCompile(`(?:url\(\s*|@import\s+)["']?([^"')\s]+)`)
	textLink      = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	forbidden     = map[string]*regexp.Regexp{
		"a style in the page":          regexp.MustCompile(`<style|<[^>]+\sstyle="`),
		"a script in the page":         regexp.MustCompile(`<script(?:\s+(?:defer|type="module"))*\s*>`),
		"an event handler in the page": regexp.MustCompile(`<[^>]+\son[a-z]+="`),
	}
)

// Check finds links that lead nowhere, places that are there twice, and anything that asks another server or breaks
// the policy the pages are served under.
func Check(s *Site) []Fault {
	faults := slices.Clone(s.faults)
	anchors := map[string][]string{}
	for name, body := range s.Files {
		if page, ok := strings.CutSuffix(name, ".html"); ok {
			ids := firstGroups(idAttribute, body)
			anchors[page] = ids
			slices.Sort(ids)
			for i := range ids {
				if i > 0 && ids[i] == ids[i-1] {
					faults = append(faults, Fault{name, "has two places called " + ids[i]})
				}
			}
		}
	}
	for name, body := range s.Files {
		switch {
		case strings.HasSuffix(name, ".html"):
			faults = append(faults, s.checkPage(name, body, anchors)...)
		case strings.HasSuffix(name, ".css"):
			faults = append(faults, checkOrigins(name, firstGroups(styleAsks, body))...)
		case strings.HasSuffix(name, ".md"), strings.HasSuffix(name, ".txt"):
			for _, target := range firstGroups(textLink, body) {
				faults = append(faults, s.checkLink(name, target, anchors)...)
			}
		}
	}
	slices.SortFunc(faults, func(a, b Fault) int { return strings.Compare(a.String(), b.String()) })
	return faults
}

func (s *Site) checkPage(name string, body []byte, anchors map[string][]string) []Fault {
	faults := checkOrigins(name, firstGroups(loadAttribute, body))
	for _, target := range firstGroups(loadAttribute, body) {
		if file, ok := strings.CutPrefix(target, "/docs/assets/"); ok && s.Files[assets+file] == nil && !strings.HasPrefix(file, "swagger-ui-") {
			faults = append(faults, Fault{name, "loads " + target + ", which is not there"})
		}
	}
	for _, target := range firstGroups(hrefAttribute, body) {
		faults = append(faults, s.checkLink(name, target, anchors)...)
	}
	for what, pattern := range forbidden {
		if found := pattern.Find(body); found != nil {
			faults = append(faults, Fault{name, fmt.Sprintf("has %s: %s", what, found)})
		}
	}
	return faults
}

// checkOrigins: what a page loads comes from its own server.
func checkOrigins(name string, targets []string) []Fault {
	var faults []Fault
	for _, target := range targets {
		own := strings.HasPrefix(target, "/") && !strings.HasPrefix(target, "//")
		if !own && !strings.HasPrefix(target, "data:") && !strings.HasPrefix(target, "#") {
			faults = append(faults, Fault{name, "asks " + target})
		}
	}
	return faults
}

// checkLink: a link leads to a page and a place that are there. Links to other servers are for people to follow.
func (s *Site) checkLink(name, target string, anchors map[string][]string) []Fault {
	if strings.HasPrefix(target, "https://") || name == fullText && strings.HasPrefix(target, "#") {
		return nil
	}
	file, fragment, _ := strings.Cut(target, "#")
	page, _, _ := strings.Cut(name, ".")
	if file != "" {
		page = strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(file, "/docs"), "/"), ".md")
		if page == "" {
			page = "index"
		}
	}
	ids, there := anchors[page]
	file = strings.TrimPrefix(file, "/docs/")
	switch {
	case fragment == "" && (slices.Contains(served, file) || s.Files[file] != nil || strings.HasPrefix(file, assets)):
		return nil
	case !there || file != "" && !strings.HasPrefix(target, "/docs"):
		return []Fault{{name, "links to " + target + ", which is not there"}}
	case fragment != "" && !slices.Contains(ids, fragment):
		return []Fault{{name, "links to " + target + ", which is no place on that page"}}
	}
	return nil
}

func firstGroups(pattern *regexp.Regexp, body []byte) []string {
	var all []string
	for _, m := range pattern.FindAllSubmatch(body, -1) {
		all = append(all, html.UnescapeString(string(m[1])))
	}
	return all
}
