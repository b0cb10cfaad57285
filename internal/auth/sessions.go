package auth

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/mail"
	"github.com/eggapi/eggapi/internal/pg"
)

// Better Auth's defaults.
const (
	sessionLifetime      = 7 * 24 * time.Hour
	sessionUpdateAge     = 24 * time.Hour // a session this old is given its whole lifetime again
	shortSessionLifetime = 24 * time.Hour // of a session the browser is to forget
	defaultCookiePrefix  = "better-auth"
	securePrefix         = "__Secure-"
	dontRememberToken    = "true"
	tokenChars           = 32
	minSecretBytes       = 32
	// Better Auth signs with it when nothing is configured, so everybody knows it.
	publicDefaultSecret = "better-auth-secret-12345678901234567890" //nolint:gosec // It is refused, not used.
)

var errSessionInvalid = fault.New(fault.Unauthorized, "Your session is invalid or has expired; sign in again")

// SessionConfig says what Sessions work with.
type SessionConfig struct {
	Pool         *pgxpool.Pool
	Clock        func() time.Time
	Logger       *slog.Logger
	Secrets      []string     // the first signs, any of them verifies; each at least 32 bytes
	Secure       bool         // cookies are for https only, and their names begin with __Secure-
	CookiePrefix string       // "" = better-auth
	PublicURL    string       // what links in mails begin with, without a slash at the end
	Origins      []string     // besides PublicURL, of pages that a browser may be sent on to
	Mail         *mail.Outbox // nil = mails are dropped
	Times        SessionTimes
}

// SessionTimes say how long sessions live. Zero times are Better Auth's.
type SessionTimes struct {
	Lifetime  time.Duration // without use; 0 = 7 days. Better Auth's expiresIn
	UpdateAge time.Duration // how old a use is noted; 0 = a day. Better Auth's updateAge
	Most      time.Duration // since signing in, used or not; 0 = no bound, as in Better Auth
}

func (t SessionTimes) orDefaults() SessionTimes {
	if t.Lifetime == 0 {
		t.Lifetime = sessionLifetime
	}
	if t.UpdateAge == 0 {
		t.UpdateAge = sessionUpdateAge
	}
	return t
}

// end says when a session made at created and used at now ends.
func (t SessionTimes) end(created, now time.Time) time.Time {
	end := now.Add(t.Lifetime)
	if last := created.Add(t.Most); t.Most > 0 && last.Before(end) {
		return last
	}
	return end
}

// Sessions are Better Auth's: the same tables, cookies and password hashes as its version 1.7.
type Sessions struct {
	pool    *pgxpool.Pool
	clock   func() time.Time
	logger  *slog.Logger
	secrets []string
	secure  bool
	prefix  string

	times     SessionTimes
	publicURL string
	origins   []string
	mail      *mail.Outbox
}

// NewSessions fails when there is no secret, or one that is short or publicly known.
func NewSessions(c SessionConfig) (*Sessions, error) {
	if len(c.Secrets) == 0 {
		return nil, errors.New("sessions need a secret to sign their cookies with")
	}
	for _, secret := range c.Secrets {
		if len(secret) < minSecretBytes {
			return nil, errors.New("a session secret must have at least 32 bytes")
		}
		if secret == publicDefaultSecret {
			return nil, errors.New("a session secret must not be the default of Better Auth, which is public")
		}
	}
	if c.CookiePrefix == "" {
		c.CookiePrefix = defaultCookiePrefix
	}
	if c.Mail == nil {
		c.Mail = &mail.Outbox{}
	}
	return &Sessions{
		times:     c.Times.orDefaults(),
		publicURL: c.PublicURL, origins: append([]string{c.PublicURL}, c.Origins...), mail: c.Mail,
		pool: c.Pool, clock: c.Clock, logger: c.Logger, secrets: slices.Clone(c.Secrets),
		secure: c.Secure, prefix: c.CookiePrefix,
	}, nil
}

// CookieName names the one cookie that carries a session.
func (s *Sessions) CookieName() string { return s.name("session_token") }

// DontRememberName names the cookie that marks a session the browser is to forget when it closes.
func (s *Sessions) DontRememberName() string { return s.name("dont_remember") }

func (s *Sessions) name(suffix string) string {
	name := s.prefix + "." + suffix
	if s.secure {
		return securePrefix + name
	}
	return name
}

// DontRemembers tells whether the raw value of the cookie DontRememberName is one that was set here.
func (s *Sessions) DontRemembers(cookieValue string) bool {
	_, ok := VerifyCookie(cookieValue, s.secrets...)
	return ok
}

// Authenticate tells whose session a cookie carries. It writes nothing and extends nothing. It fails
// with Unauthorized for a cookie that carries no live session, Forbidden when the user is suspended, and
// ServiceUnavailable when the database cannot be asked within 2 s.
func (s *Sessions) Authenticate(ctx context.Context, cookieValue string) (Principal, error) {
	token, ok := VerifyCookie(cookieValue, s.secrets...)
	if !ok {
		return Principal{}, errSessionInvalid
	}
	row, found, err := s.find(ctx, token)
	now := s.clock()
	switch {
	case err != nil:
		return Principal{}, err
	case !found || s.expired(row.Session, now):
		return Principal{}, errSessionInvalid
	case suspended(row.User.Banned, row.User.BanExpires, now):
		return Principal{}, errUserSuspended
	}
	return Principal{
		Kind: KindSession, UserID: row.User.ID, Environment: EnvironmentLive, Role: roleOf(row.User.Role),
		SessionID: row.Session.ID, Impersonated: row.Session.ImpersonatedBy != nil,
	}, nil
}

func (s *Sessions) find(ctx context.Context, token string) (row db.SessionByTokenAnyOwnerRow, found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	row, err = pg.Q.SessionByTokenAnyOwner(ctx, s.pool, token)
	if pg.NoRows(err) {
		return row, false, nil
	}
	return row, err == nil, pg.Public(fault.Wrap(err, "look up a session"))
}

// now is what a session's row can hold: Better Auth counts milliseconds.
func (s *Sessions) now() time.Time { return s.clock().UTC().Truncate(time.Millisecond) }

// expired tells whether a session has ended, also one that another server on this database gave longer.
func (s *Sessions) expired(row db.Session, now time.Time) bool {
	return row.ExpiresAt.Before(now) || s.times.Most > 0 && !now.Before(row.CreatedAt.Add(s.times.Most))
}
