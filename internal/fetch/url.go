package fetch

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	maxURLBytes  = 2048
	maxHostBytes = 253
	maxLabel     = 63
)

// The closed set of reasons.
var (
	errURLTooLong  = &RejectedError{Reason: "must be at most 2048 bytes"}
	errURLShape    = &RejectedError{Reason: "must be an absolute URL with a host"}
	errURLScheme   = &RejectedError{Reason: "must use https"}
	errURLUserinfo = &RejectedError{Reason: "must not hold a user name or password"}
	errURLPort     = &RejectedError{Reason: "must use port 443 or 8443"}
	errURLHost     = &RejectedError{Reason: "must name the host by letters, digits and hyphens, or by a plain IP address"}
	errURLPrivate  = &RejectedError{Reason: "must name a host on the public internet"}
)

// CheckURL tells whether the shape of a URL is acceptable; it asks no name server and makes no connection.
// It wants https, port 443 or 8443, a host of at most 253 and a URL of at most 2,048 bytes, no user name,
// no IPv6 zone, and no address literal outside the public internet, however it is spelled. Hosts inside
// AllowNetworks, written as an IP address or as localhost, may also use http and any port.
// The error is a *RejectedError and matches ErrURLNotAllowed.
func (c *Client) CheckURL(raw string) error {
	_, err := c.guard.checkURL(raw)
	return err
}

func (g *guard) checkURL(raw string) (*url.URL, error) {
	if len(raw) > maxURLBytes {
		return nil, errURLTooLong
	}
	if !utf8.ValidString(raw) {
		return nil, errURLShape
	}
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" || u.Host == "" {
		return nil, errURLShape
	}
	if u.User != nil {
		return nil, errURLUserinfo
	}
	host := strings.ToLower(u.Hostname())
	trusted := g.trusts(host)
	if u.Scheme != "https" && !(trusted && u.Scheme == "http") {
		return nil, errURLScheme
	}
	if !g.portAllowed(u.Port(), trusted) {
		return nil, errURLPort
	}
	if trusted {
		return u, nil
	}
	return u, g.checkHost(host)
}

// trusts tells whether the policy opens the host as it is written.
func (g *guard) trusts(host string) bool {
	if host == "localhost" {
		return g.allows(netip.AddrFrom4([4]byte{127, 0, 0, 1})) || g.allows(netip.IPv6Loopback())
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Zone() == "" && !addr.Is4In6() && g.allows(addr)
}

func (g *guard) portAllowed(port string, trusted bool) bool {
	if port == "" {
		return true
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || port[0] == '0' {
		return false
	}
	return trusted || slices.Contains(g.ports, uint16(n))
}

func (g *guard) checkHost(host string) error {
	if strings.Contains(host, "%") {
		return errURLHost
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		if !g.isPublic(addr) {
			return errURLPrivate
		}
		return nil
	}
	return checkName(host)
}

// checkName accepts ASCII names only: other alphabets are written in their xn-- form, which leaves
// no room for characters that a resolver would fold into digits and dots.
func checkName(host string) error {
	if len(host) > maxHostBytes {
		return errURLHost
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if label == "" || len(label) > maxLabel || strings.Trim(label, labelBytes) != "" {
			return errURLHost
		}
	}
	last := labels[len(labels)-1]
	if isNumber(last) {
		return errURLHost
	}
	if len(labels) == 1 || slices.Contains(privateSuffixes, last) {
		return errURLPrivate
	}
	return nil
}

const labelBytes = "abcdefghijklmnopqrstuvwxyz0123456789-_"

// privateSuffixes are reserved for names that never lead to the public internet.
var privateSuffixes = []string{"localhost", "local", "internal"}

// isNumber follows the URL standard (WHATWG, "ends in a number"): such a last label makes a host an
// IPv4 address in some spelling, and all but the plain one, which netip reads, are refused.
func isNumber(label string) bool {
	if strings.Trim(label, "0123456789") == "" {
		return true
	}
	rest, found := strings.CutPrefix(label, "0x")
	return found && strings.Trim(rest, "0123456789abcdef") == ""
}
