package auth

import (
	"context"
	"slices"
)

// Cookie is a cookie for the browser. It is always HttpOnly, SameSite=Lax and Path=/.
type Cookie struct {
	Name          string
	Value         string // already encoded
	MaxAgeSeconds *int   // nil = until the browser closes, 0 = remove it
	Secure        bool
}

// Cookies collects what the answer to one request sets. It is used by one goroutine at a time.
type Cookies struct{ list []Cookie }

type cookiesKey struct{}

// WithCookies gives a context in which sessions can set cookies, and where they end up.
func WithCookies(ctx context.Context) (context.Context, *Cookies) {
	c := &Cookies{}
	return context.WithValue(ctx, cookiesKey{}, c), c
}

// List gives the cookies in the order they were set.
func (c *Cookies) List() []Cookie { return c.list }

// setCookies does nothing when nobody collects, as outside a request. The last cookie of a name is the one that counts.
func setCookies(ctx context.Context, cookies ...Cookie) {
	c, ok := ctx.Value(cookiesKey{}).(*Cookies)
	if !ok {
		return
	}
	for _, cookie := range cookies {
		c.list = slices.DeleteFunc(c.list, func(before Cookie) bool { return before.Name == cookie.Name })
		c.list = append(c.list, cookie)
	}
}

// setSessionCookies puts a session into the browser, for seconds or, when forget, until it closes.
func (s *Sessions) setSessionCookies(ctx context.Context, token string, forget bool, c Caller) {
	session := Cookie{Name: s.CookieName(), Value: SignCookie(token, s.secrets[0]), Secure: s.secure}
	if forget {
		mark := Cookie{Name: s.DontRememberName(), Value: SignCookie(dontRememberToken, s.secrets[0]), Secure: s.secure}
		setCookies(ctx, session, mark)
		return
	}
	seconds := int(s.times.Lifetime.Seconds())
	session.MaxAgeSeconds = &seconds
	setCookies(ctx, session)
	if c.DontRemember {
		setCookies(ctx, s.cleared(s.DontRememberName()))
	}
}

// clearSessionCookies removes all that Better Auth may have set.
func (s *Sessions) clearSessionCookies(ctx context.Context) { setCookies(ctx, s.clears()...) }

func (s *Sessions) clears() []Cookie {
	return []Cookie{s.cleared(s.CookieName()), s.cleared(s.name("session_data")), s.cleared(s.DontRememberName())}
}

// Clearing gives the cookies that take a session which is no more out of the browser; none for a cookie that was never ours.
func (s *Sessions) Clearing(cookieValue string) []Cookie {
	if _, ok := VerifyCookie(cookieValue, s.secrets...); !ok {
		return nil
	}
	return s.clears()
}

func (s *Sessions) cleared(name string) Cookie {
	now := 0
	return Cookie{Name: name, MaxAgeSeconds: &now, Secure: s.secure}
}
