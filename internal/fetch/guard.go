package fetch

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"syscall"

	"code.dny.dev/ssrf"
)

// controlFunc is the type of net.Dialer's Control hook. It runs after name resolution and before each connect.
type controlFunc = func(network, address string, conn syscall.RawConn) error

var errBlocked = errors.New("address is not allowed")

// neverAllowed stays closed whatever a policy allows: cloud metadata and host agents.
// The ssrf package does not know 168.63.129.16, which is a public address used by Azure hosts.
var neverAllowed = []netip.Prefix{
	netip.MustParsePrefix("169.254.0.0/16"),     // link-local: metadata of most clouds
	netip.MustParsePrefix("fe80::/10"),          // link-local
	netip.MustParsePrefix("168.63.129.16/32"),   // Azure host agent
	netip.MustParsePrefix("100.100.100.200/32"), // Alibaba metadata
	netip.MustParsePrefix("192.0.0.192/32"),     // Oracle metadata
	netip.MustParsePrefix("fd00:ec2::254/128"),  // AWS metadata
	netip.MustParsePrefix("fd20:ce::254/128"),   // Google metadata
}

// guard decides which addresses may be connected to.
type guard struct {
	allow  []netip.Prefix
	deny   []netip.Prefix
	ports  []uint16
	public *ssrf.Guardian
}

func newGuard(p Policy, ports []uint16) (*guard, error) {
	for _, n := range slices.Concat(p.AllowNetworks, p.DenyNetworks) {
		if !n.IsValid() || n.Addr().Is4In6() {
			return nil, errors.New("fetch policy: a network is not a plain IPv4 or IPv6 prefix")
		}
	}
	if ports == nil {
		ports = []uint16{443, 8443}
	}
	return &guard{
		allow:  slices.Clone(p.AllowNetworks),
		deny:   slices.Concat(neverAllowed, p.DenyNetworks),
		ports:  ports,
		public: ssrf.New(ssrf.WithPorts(ports...)),
	}, nil
}

// control is the last word before a connect: address is a resolved IP and port, so a name
// that changes its answer between check and use gains nothing.
func (g *guard) control(network, address string, conn syscall.RawConn) error {
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: unreadable", errBlocked)
	}
	if g.denies(target.Addr()) {
		return fmt.Errorf("%w: on the deny list", errBlocked)
	}
	if g.allows(target.Addr()) && (network == "tcp4" || network == "tcp6") {
		return nil
	}
	if err := g.public.Safe(network, address, conn); err != nil {
		return fmt.Errorf("%w: %w", errBlocked, err)
	}
	return nil
}

// allows tells whether the policy opens a non-public address.
func (g *guard) allows(addr netip.Addr) bool {
	return !g.denies(addr) && contains(g.allow, addr)
}

func (g *guard) denies(addr netip.Addr) bool { return contains(g.deny, addr) }

// isPublic tells whether a literal address is open to everyone.
func (g *guard) isPublic(addr netip.Addr) bool {
	return !g.denies(addr) && g.public.SafeAddr(addr) == nil
}

func contains(prefixes []netip.Prefix, addr netip.Addr) bool {
	// A prefix never contains a zoned address, and an IPv4 prefix never a mapped one.
	plain := addr.WithZone("").Unmap()
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(plain) })
}
