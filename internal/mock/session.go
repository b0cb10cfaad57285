package mock

import (
	"context"
	"crypto/rand"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/handlers"
	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/id"
)

// Better Auth's defaults, and the texts of its refusals; both are the real service's, held to it by a test.
const (
	sessionLifetime      = 7 * 24 * time.Hour
	shortSessionLifetime = 24 * time.Hour // of a session the browser is to forget
	maxPasswordUnits     = 128            // of UTF-16
	maxUserAgentBytes    = 512
)

var (
	problemCredentials  = &auth.Problem{Status: 401, Code: "INVALID_EMAIL_OR_PASSWORD", Message: "Invalid email or password"}
	problemUserExists   = &auth.Problem{Status: 422, Code: "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL", Message: "User already exists. Use another email."}
	problemEmail        = &auth.Problem{Status: 400, Code: "INVALID_EMAIL", Message: "Invalid email"}
	problemEmailSchema  = &auth.Problem{Status: 400, Code: "VALIDATION_ERROR", Message: "[body.email] Invalid email address"}
	problemPasswordLong = &auth.Problem{Status: 400, Code: "PASSWORD_TOO_LONG", Message: "Password too long"}
)

// emailPattern is zod's: no dot at an end of the local part or beside another, no ' before the @.
var emailPattern = regexp.MustCompile(`^([\w'+-]+\.)*[\w'+-]*[\w+-]@([A-Za-z0-9][A-Za-z0-9-]*\.)+[A-Za-z]{2,}$`)

// SignUpEmail makes a user with $100 to spend.
func (m *Mock) SignUpEmail(ctx context.Context, r api.SignUpEmailRequestObject) (api.SignUpEmailResponseObject, error) {
	if !emailPattern.MatchString(r.Body.Email) {
		return nil, problemEmailSchema
	}
	if page := orEmpty(r.Body.CallbackURL); page != "" && !m.cookies.Trusts(page) {
		return nil, problemCallback
	}
	hash, err := auth.HashPassword(ctx, r.Body.Password)
	if err != nil {
		return nil, err
	}
	now, email := m.sessionTime(), strings.ToLower(r.Body.Email)
	u := &user{passwordHash: hash, balanceMicros: welcomeMicros, row: db.User{
		ID: id.New(id.User, now), Name: r.Body.Name, Email: email, Image: r.Body.Image, CreatedAt: now, UpdatedAt: now,
	}}
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	if m.memory.userByEmail(email) != nil {
		return nil, problemUserExists
	}
	m.memory.users.put(u.row.ID, u)
	reference := "mock"
	m.memory.post(u.row.ID, db.LedgerEntry{Kind: "top_up", AmountMicros: welcomeMicros, Reference: &reference, CreatedAt: m.now()})
	m.mailAbout(ctx, u, auth.EmailToken{}, orEmpty(r.Body.CallbackURL))
	token := m.open(ctx, u, r.Body.RememberMe)
	return api.SignUpEmail200JSONResponse{Token: token, User: handlers.ToAuthUser(u.row)}, nil
}

// SignInEmail opens a session.
func (m *Mock) SignInEmail(ctx context.Context, r api.SignInEmailRequestObject) (api.SignInEmailResponseObject, error) {
	if !emailPattern.MatchString(r.Body.Email) {
		return nil, problemEmail
	}
	if len(utf16.Encode([]rune(r.Body.Password))) > maxPasswordUnits {
		return nil, problemPasswordLong
	}
	m.memory.mu.Lock()
	u := m.memory.userByEmail(strings.ToLower(r.Body.Email))
	m.memory.mu.Unlock()
	if u == nil {
		return nil, problemCredentials
	}
	ok, err := auth.VerifyPassword(ctx, r.Body.Password, u.passwordHash)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, problemCredentials
	}
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	token := m.open(ctx, u, r.Body.RememberMe)
	return api.SignInEmail200JSONResponse{Redirect: false, Token: token, User: handlers.ToAuthUser(u.row)}, nil
}

func (m *memory) userByEmail(email string) *user {
	return m.users.first(func(u *user) bool { return u.row.Email == email })
}

// open adds a session in place of the one the browser had, and sets its cookies.
func (m *Mock) open(ctx context.Context, u *user, remember *bool) (token string) {
	caller, now, lifetime := auth.CallerFrom(ctx), m.sessionTime(), sessionLifetime
	if before, _ := m.memory.session(caller.SessionCookie, m.secret); before != nil {
		m.memory.sessions.remove(before.Token)
	}
	forget := remember != nil && !*remember
	if forget {
		lifetime = shortSessionLifetime
	}
	token = (rand.Text() + rand.Text())[:32]
	userAgent := strings.ToValidUTF8(caller.UserAgent[:min(len(caller.UserAgent), maxUserAgentBytes)], "")
	m.memory.sessions.put(token, &db.Session{
		ID: rand.Text(), Token: token, UserID: u.row.ID, CreatedAt: now, UpdatedAt: now, ExpiresAt: now.Add(lifetime),
		IPAddress: &caller.IPAddress, UserAgent: &userAgent,
	})
	m.setSessionCookies(ctx, token, forget)
	return token
}

// SignOut ends the session.
func (m *Mock) SignOut(ctx context.Context, _ api.SignOutRequestObject) (api.SignOutResponseObject, error) {
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	if row, _ := m.memory.session(auth.CallerFrom(ctx).SessionCookie, m.secret); row != nil {
		m.memory.sessions.remove(row.Token)
	}
	m.clearSessionCookies(ctx)
	return api.SignOut200JSONResponse{Success: true}, nil
}

// GetSession gives the session and its user, or null. It moves no session's end.
func (m *Mock) GetSession(ctx context.Context, _ api.GetSessionRequestObject) (api.GetSessionResponseObject, error) {
	cookie := auth.CallerFrom(ctx).SessionCookie
	if _, signed := auth.VerifyCookie(cookie, m.secret); !signed {
		return api.GetSession200JSONResponse(nil), nil // written as the literal null
	}
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	row, owner := m.memory.session(cookie, m.secret)
	if row == nil || expired(row, m.now()) {
		m.clearSessionCookies(ctx)
		return api.GetSession200JSONResponse(nil), nil
	}
	return api.GetSession200JSONResponse{"session": handlers.ToAuthSession(*row), "user": handlers.ToAuthUser(owner.row)}, nil
}

// sessionTime is now as Better Auth counts it, in milliseconds.
func (m *Mock) sessionTime() time.Time { return m.now().Truncate(time.Millisecond) }

// setSessionCookies puts a session into the browser, for its lifetime or, when forget, until it closes.
func (m *Mock) setSessionCookies(ctx context.Context, token string, forget bool) {
	value := auth.SignCookie(token, m.secret)
	if forget {
		m.setCookie(ctx, m.cookies.CookieName(), value, 0)
		m.setCookie(ctx, m.cookies.DontRememberName(), auth.SignCookie("true", m.secret), 0)
		return
	}
	m.setCookie(ctx, m.cookies.CookieName(), value, int(sessionLifetime.Seconds()))
	if auth.CallerFrom(ctx).DontRemember {
		m.setCookie(ctx, m.cookies.DontRememberName(), "", removed)
	}
}

// clearSessionCookies removes all that Better Auth may have set.
func (m *Mock) clearSessionCookies(ctx context.Context) {
	name := m.cookies.CookieName()
	for _, name := range []string{name, strings.Replace(name, "session_token", "session_data", 1), m.cookies.DontRememberName()} {
		m.setCookie(ctx, name, "", removed)
	}
}

// removed is net/http's way to write Max-Age=0.
const removed = -1

// setCookie sets a cookie for some seconds; 0 = until the browser closes.
func (m *Mock) setCookie(ctx context.Context, name, value string, seconds int) {
	c := http.Cookie{ //nolint:gosec // Secure follows the public URL; the others are set
		Name: name, Value: value, MaxAge: seconds, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: strings.HasPrefix(m.o.PublicURL, "https://"),
	}
	answerHeader(ctx).Add("Set-Cookie", c.String())
}
