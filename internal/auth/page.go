package auth

import (
	"net/url"
	"slices"
	"strings"
)

// Trusts tells whether a browser may be sent to page: a path of this site, or a URL of a trusted origin. The rules are
// those of Better Auth's isSafeRelativeURL.
func (s *Sessions) Trusts(page string) bool {
	if strings.ContainsFunc(page, func(r rune) bool { return r < 0x20 || r >= 0x7f && r <= 0x9f }) {
		return false
	}
	u, err := url.Parse(page)
	if err != nil {
		return false
	}
	if !strings.HasPrefix(page, "/") {
		return u.User == nil && slices.Contains(s.origins, u.Scheme+"://"+u.Host)
	}
	path := strings.ToLower(u.EscapedPath())
	hidden := strings.Contains(path, "%2f") || strings.Contains(path, "%5c")
	return !strings.HasPrefix(page, "//") && !strings.Contains(page, `\`) && !hidden && u.Host == ""
}

// Onto gives the URL of a trusted page with one more name in its query.
func (s *Sessions) Onto(page, name, value string) string {
	if strings.HasPrefix(page, "/") {
		page = s.publicURL + page
	}
	return WithQuery(page, name, value)
}

// WithQuery adds a name to the query of a page, before its fragment.
func WithQuery(page, name, value string) string {
	page, fragment, marked := strings.Cut(page, "#")
	separator := "?"
	if strings.Contains(page, "?") {
		separator = "&"
	}
	page += separator + url.QueryEscape(name) + "=" + url.QueryEscape(value)
	if marked {
		page += "#" + fragment
	}
	return page
}
