// Package auth says who is calling.
//
// Owns: API keys and what is remembered of them, Better Auth's sessions, cookies and passwords, the principal.
// Does not own: HTTP, who may do what (the gate and the handlers), how often one may try (ratelimit).
// May touch: gen/db, pg, fault, audit, id, mail.
// Always true: a key is looked up only by the digest of all of it; no secret is stored, logged or repeated in an error.
package auth

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/eggapi/eggapi/internal/audit"
)

// Kind says by what a caller proved who they are.
type Kind string

// The kinds of a principal. The zero Kind is an anonymous caller.
const (
	KindKey     Kind = "key"
	KindSession Kind = "session"
)

// The environments of a key. A session always acts in EnvironmentLive.
const (
	EnvironmentLive = "live"
	EnvironmentTest = "test"
)

// Principal is who is calling. The zero Principal is an anonymous caller.
type Principal struct {
	Kind         Kind
	UserID       string
	KeyID        string // keys only
	Environment  string
	Role         string  // one role, or several joined by commas; "user" when none is stored
	SessionID    string  // sessions only
	Rights       *Rights // keys only
	Impersonated bool    // an administrator acts in the user's name
}

// Rights is what a key may do. It is shared by all who use the key, so it is never changed.
type Rights struct {
	Scopes            []string       // it may do only what these name
	Models            []string       // empty = all
	Networks          []netip.Prefix // that it may be used from; empty = all
	RequestsPerSecond *int32         // nil = what holds for every key
	RequestsPerDay    *int64         // nil = no limit
	TimeZone          string         // whose days are meant
	Metered           bool           // what it spends or runs has a cap
}

// From tells whether the key may be used from an address.
func (r *Rights) From(addr netip.Addr) bool {
	if len(r.Networks) == 0 {
		return true
	}
	addr = addr.Unmap()
	return slices.ContainsFunc(r.Networks, func(n netip.Prefix) bool { return n.Contains(addr) })
}

// HasRole tells whether role is one of the principal's. Better Auth stores several joined by commas.
func (p Principal) HasRole(role string) bool {
	for held := range strings.SplitSeq(p.Role, ",") {
		if strings.TrimSpace(held) == role {
			return role != ""
		}
	}
	return false
}

type principalKey struct{}

// WithPrincipal remembers who is calling.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, &p)
}

// PrincipalFrom gives who is calling, and the zero Principal for an anonymous caller.
func PrincipalFrom(ctx context.Context) Principal {
	p, _ := ctx.Value(principalKey{}).(*Principal)
	if p == nil {
		return Principal{}
	}
	return *p
}

// Caller is where a request comes from and what its browser remembers.
type Caller struct {
	IPAddress      string
	UserAgent      string
	SessionCookie  string // the raw value of the first cookie named Sessions.CookieName; "" when absent
	DontRemember   bool   // Sessions.DontRemembers says so of the cookie named Sessions.DontRememberName
	DisableRefresh bool   // the request asks that the session's end be left where it is
}

type callerKey struct{}

// WithCaller remembers where the request comes from.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, &c)
}

// CallerFrom gives where the request comes from, and the zero Caller when nobody said.
func CallerFrom(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(*Caller)
	if c == nil {
		return Caller{}
	}
	return *c
}

// call is a context that remembers both in one allocation, since every request makes one.
type call struct {
	context.Context
	principal Principal
	caller    Caller
}

// WithCall remembers who is calling and where the request comes from.
func WithCall(ctx context.Context, p Principal, c Caller) context.Context {
	return &call{Context: ctx, principal: p, caller: c}
}

// Value gives what is remembered.
func (c *call) Value(key any) any {
	switch key.(type) {
	case principalKey:
		return &c.principal
	case callerKey:
		return &c.caller
	}
	return c.Context.Value(key)
}

// ActorFrom gives the principal and the caller as the audit log wants them.
func ActorFrom(ctx context.Context) audit.Actor {
	return actor(PrincipalFrom(ctx).UserID, CallerFrom(ctx))
}

func actor(userID string, c Caller) audit.Actor {
	return audit.Actor{UserID: userID, IPAddress: c.IPAddress, UserAgent: storable(c.UserAgent)}
}

// storable makes a stranger's header fit for a text column: at most 512 bytes of UTF-8 without NUL.
func storable(s string) string {
	const maxBytes = 512
	if len(s) > maxBytes {
		cut := maxBytes
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\x00", "")
}

func roleOf(stored *string) string {
	if stored == nil || *stored == "" {
		return "user"
	}
	return *stored
}

// suspended follows Better Auth: a ban without an end holds for ever, one whose end has passed no longer.
func suspended(banned *bool, until *time.Time, now time.Time) bool {
	return banned != nil && *banned && (until == nil || !until.Before(now))
}
