package auth

import "context"

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

// setCookies does nothing when nobody collects, as outside a request.
func setCookies(ctx context.Context, cookies ...Cookie) {
	if c, ok := ctx.Value(cookiesKey{}).(*Cookies); ok {
		c.list = append(c.list, cookies...)
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
	seconds := int(sessionLifetime.Seconds())
	session.MaxAgeSeconds = &seconds
	setCookies(ctx, session)
	if c.DontRemember {
		setCookies(ctx, s.cleared(s.DontRememberName()))
	}
}

// clearSessionCookies removes all that Better Auth may have set.
func (s *Sessions) clearSessionCookies(ctx context.Context) {
	setCookies(ctx, s.cleared(s.CookieName()), s.cleared(s.name("session_data")), s.cleared(s.DontRememberName()))
}

func (s *Sessions) cleared(name string) Cookie {
	now := 0
	return Cookie{Name: name, MaxAgeSeconds: &now, Secure: s.secure}
}
