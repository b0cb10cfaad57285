package auth

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/audit"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/id"
	"github.com/eggapi/eggapi/internal/pg"
)

// SignUp is a stranger's wish to become a user.
type SignUp struct {
	Name       string
	Email      string
	Password   string // 8 to 128 UTF-16 code units
	Image      *string
	Page       string // to go on to from the mail that verifies the address; "" = the first page
	RememberMe *bool  // nil = true
	NoMail     bool   // the address is not asked whether it is the user's
	Caller     Caller
}

// SignIn is a user's wish to be let in.
type SignIn struct {
	Email      string
	Password   string
	RememberMe *bool // nil = true
	Caller     Caller
}

// SignedIn is a new session.
type SignedIn struct {
	Token string
	User  db.User
}

// SignUp adds a user who signs in by password, opens a session and sets its cookie. It fails with a
// Problem for an address that is malformed or taken and for a password of the wrong length, and with
// RateLimited when too many passwords wait to be hashed.
func (s *Sessions) SignUp(ctx context.Context, in SignUp) (SignedIn, error) {
	email, ok := normalEmail(in.Email)
	if !ok {
		return SignedIn{}, problemEmailSchema
	}
	if in.Page != "" && !s.Trusts(in.Page) {
		return SignedIn{}, problemCallback
	}
	if err := checkPassword(in.Password); err != nil {
		return SignedIn{}, err
	}
	_, taken, err := s.byEmail(ctx, email)
	if err != nil {
		return SignedIn{}, err
	}
	if taken {
		return SignedIn{}, problemUserExists
	}
	// Before the transaction: nothing may be locked for as long as a hash takes.
	hash, err := HashPassword(ctx, in.Password)
	if err != nil {
		return SignedIn{}, err
	}
	in.Email = email
	o := opening{forget: forgets(in.RememberMe), caller: in.Caller, now: s.now(), action: "session.sign_up"}
	err = pg.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		if o.user, err = insertUser(ctx, tx, o.now, in, hash); err != nil {
			return err
		}
		if !in.NoMail {
			if err := s.mail.Enqueue(ctx, tx, verification(o.user, in.Page)); err != nil {
				return err
			}
		}
		return s.open(ctx, tx, &o)
	})
	return s.welcome(ctx, o, err)
}

func insertUser(ctx context.Context, tx pgx.Tx, now time.Time, in SignUp, hash string) (db.User, error) {
	user, err := pg.Q.UserInsert(ctx, tx, db.UserInsertParams{
		ID: id.New(id.User, now), Name: in.Name, Email: in.Email, Image: in.Image, CreatedAt: now,
	})
	if pg.Violates(err, "user_email_key") {
		return db.User{}, problemUserExists
	}
	if err != nil {
		return db.User{}, err
	}
	return user, pg.Q.CredentialInsert(ctx, tx, db.CredentialInsertParams{
		ID: random(tokenChars), UserID: user.ID, Password: &hash, CreatedAt: now,
	})
}

// SignIn opens a session and sets its cookie. It fails with a Problem for a malformed address, a
// password over 128 UTF-16 code units, a wrong address or password (which of the two cannot be told,
// not by the time it takes either) or a banned user, and with RateLimited as SignUp does and when the
// account has to wait after wrong passwords, even for the right one.
func (s *Sessions) SignIn(ctx context.Context, in SignIn) (SignedIn, error) {
	email, ok := normalEmail(in.Email)
	if !ok {
		return SignedIn{}, problemEmail
	}
	if utf16Units(in.Password) > maxPasswordUnits {
		return SignedIn{}, problemPasswordLong
	}
	user, err := s.verified(ctx, email, in.Password)
	if err != nil {
		return SignedIn{}, err
	}
	o := opening{user: user, forget: forgets(in.RememberMe), caller: in.Caller, now: s.now(), action: "session.sign_in"}
	if suspended(user.Banned, user.BanExpires, o.now) {
		return SignedIn{}, ProblemBanned
	}
	err = pg.InTx(ctx, s.pool, func(tx pgx.Tx) error { return s.open(ctx, tx, &o) })
	return s.welcome(ctx, o, err)
}

// verified gives the user with this address and password.
func (s *Sessions) verified(ctx context.Context, email, password string) (db.User, error) {
	g, err := s.guess(ctx, email)
	if err != nil {
		return db.User{}, err
	}
	row, _, err := s.byEmail(ctx, email)
	if err != nil {
		g.uncount(ctx)
		return db.User{}, err
	}
	ok, err := g.verify(ctx, password, row.Password)
	if err != nil {
		return db.User{}, err
	}
	if !ok {
		s.logger.InfoContext(ctx, "sign-in refused", "user_id", row.User.ID, "has_password", row.Password != nil)
		return db.User{}, problemCredentials
	}
	return row.User, nil
}

// byEmail gives the user with an address and the hash of the password; the zero row for an address that nobody has.
func (s *Sessions) byEmail(ctx context.Context, email string) (row db.UserByEmailRow, found bool, err error) {
	row, err = pg.Q.UserByEmail(ctx, s.pool, email)
	if pg.NoRows(err) {
		return db.UserByEmailRow{}, false, nil
	}
	return row, err == nil, pg.Public(fault.Wrap(err, "look for a user"))
}

// opening is a session on its way into the database.
type opening struct {
	user   db.User
	forget bool
	caller Caller
	now    time.Time
	action string
	target string // of the action; "" = the session
	ended  int64  // other sessions, for the log
	token  string
}

// open adds a session under a new token and ends the one the browser had, which nobody could reach any more.
func (s *Sessions) open(ctx context.Context, tx pgx.Tx, o *opening) error {
	replaced, err := s.end(ctx, tx, o.caller.SessionCookie)
	if err != nil {
		return err
	}
	times := s.times
	if o.forget {
		times.Lifetime = min(times.Lifetime, shortSessionLifetime)
	}
	userAgent := storable(o.caller.UserAgent)
	row, err := pg.Q.SessionInsert(ctx, tx, db.SessionInsertParams{
		ID: random(tokenChars), Token: random(tokenChars), UserID: o.user.ID, CreatedAt: o.now,
		ExpiresAt: times.end(o.now, o.now), IPAddress: &o.caller.IPAddress, UserAgent: &userAgent,
	})
	if err != nil {
		return err
	}
	o.token = row.Token
	details := map[string]any{"remembered": !o.forget}
	if replaced.ID != "" {
		details["replaced"] = replaced.ID
	}
	if o.target == "" {
		o.target = row.ID
	} else {
		details["session"], details["ended"] = row.ID, o.ended
	}
	return audit.Write(ctx, tx, o.now, audit.Act{
		Actor: actor(o.user.ID, o.caller), Action: o.action, Target: o.target, Details: details,
	})
}

// end ends the session a cookie carries, and gives the zero row when it carries none.
func (s *Sessions) end(ctx context.Context, tx pgx.Tx, cookie string) (db.SessionDeleteAnyOwnerRow, error) {
	token, ok := VerifyCookie(cookie, s.secrets...)
	if !ok {
		return db.SessionDeleteAnyOwnerRow{}, nil
	}
	row, err := pg.Q.SessionDeleteAnyOwner(ctx, tx, token)
	if pg.NoRows(err) {
		return db.SessionDeleteAnyOwnerRow{}, nil
	}
	return row, err
}

// welcome hands the committed session to the browser.
func (s *Sessions) welcome(ctx context.Context, o opening, err error) (SignedIn, error) {
	if err != nil {
		return SignedIn{}, pg.Public(fault.Wrap(err, "open a session"))
	}
	s.setSessionCookies(ctx, o.token, o.forget, o.caller)
	return SignedIn{Token: o.token, User: o.user}, nil
}

// SignOut ends the caller's session, if there is one, and clears its cookies in any case.
func (s *Sessions) SignOut(ctx context.Context, c Caller) error {
	err := pg.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		ended, err := s.end(ctx, tx, c.SessionCookie)
		if err != nil || ended.ID == "" {
			return err
		}
		return audit.Write(ctx, tx, s.now(), audit.Act{
			Actor: actor(ended.UserID, c), Action: "session.sign_out", Target: ended.ID,
		})
	})
	if err != nil {
		return pg.Public(fault.Wrap(err, "sign out"))
	}
	s.clearSessionCookies(ctx)
	return nil
}

func forgets(remember *bool) bool { return remember != nil && !*remember }
