package auth

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/audit"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/mail"
	"github.com/eggapi/eggapi/internal/pg"
)

const (
	resetLifetime   = time.Hour
	resetPrefix     = "reset-password:"
	resetTokenChars = 24
	// What a mail's values are called.
	mailVerification = "verification_id"
	mailCallback     = "callback"
	mailNewEmail     = "new_email"
	mailOldEmail     = "old_email"
)

// PasswordChange is a user's wish for another password.
type PasswordChange struct {
	Current    string
	New        string // 8 to 128 UTF-16 code units
	KeepOthers bool   // the user's other sessions live on
	Caller     Caller
}

// ChangePassword sets another password and lets the caller's session go on under a new token. It fails with a Problem when
// there is no session, a password has the wrong length, or the present one is wrong, and with RateLimited as SignIn does.
func (s *Sessions) ChangePassword(ctx context.Context, in PasswordChange) (SignedIn, error) {
	current, err := s.required(ctx, in.Caller)
	if err != nil {
		return SignedIn{}, err
	}
	if err := checkPassword(in.New); err != nil {
		return SignedIn{}, err
	}
	if err := s.prove(ctx, current, in.Current); err != nil {
		return SignedIn{}, err
	}
	hash, err := HashPassword(ctx, in.New)
	if err != nil {
		return SignedIn{}, err
	}
	o := opening{
		user: current.User, forget: in.Caller.DontRemember, caller: in.Caller, now: s.now(),
		action: "account.change_password", target: current.User.ID,
	}
	err = pg.InTx(ctx, s.pool, func(tx pg.Tx) error {
		_, err := pg.Q.CredentialSet(ctx, tx, db.CredentialSetParams{Password: &hash, UpdatedAt: o.now, UserID: o.user.ID})
		if err != nil {
			return err
		}
		if !in.KeepOthers {
			keep := db.SessionDeleteOthersParams{UserID: o.user.ID, KeptID: current.Session.ID}
			if o.ended, err = pg.Q.SessionDeleteOthers(ctx, tx, keep); err != nil {
				return err
			}
		}
		return s.open(ctx, tx, &o)
	})
	return s.welcome(ctx, o, err)
}

// prove fails unless password is the user's. A wrong one counts like one at sign-in.
func (s *Sessions) prove(ctx context.Context, current *Current, password string) error {
	if utf16Units(password) > maxPasswordUnits {
		return problemPasswordLong
	}
	row, err := pg.Q.UserByID(ctx, s.pool, current.User.ID)
	if err != nil {
		return pg.Public(fault.Wrap(err, "look for a password"))
	}
	if row.Password == nil {
		return problemNoCredential
	}
	g, err := s.guess(ctx, row.User.Email)
	if err != nil {
		return err
	}
	ok, err := g.verify(ctx, password, row.Password)
	if err != nil {
		return err
	}
	if !ok {
		s.logger.InfoContext(ctx, "password refused", "user_id", current.User.ID)
		return problemPasswordWrong
	}
	return nil
}

// RequestReset sends a link for a new password to the address, when there is a user with it. What it does, and how long
// that takes, is the same when there is none. It fails with a Problem for a malformed address and a page not to be trusted.
func (s *Sessions) RequestReset(ctx context.Context, c Caller, email, redirectTo string) error {
	email, ok := normalEmail(email)
	if !ok {
		return problemEmailSchema
	}
	if redirectTo != "" && !s.Trusts(redirectTo) {
		return problemRedirect
	}
	row, _, err := s.byEmail(ctx, email)
	if err != nil {
		return err
	}
	now, verificationID := s.now(), random(tokenChars)
	err = pg.InTx(ctx, s.pool, func(tx pg.Tx) error {
		// For a stranger's address too, with nobody's id in it: nobody can use it, and it takes the same time.
		err := pg.Q.VerificationInsert(ctx, tx, db.VerificationInsertParams{
			ID: verificationID, Identifier: resetPrefix + random(resetTokenChars), Value: row.User.ID,
			ExpiresAt: now.Add(resetLifetime), CreatedAt: now,
		})
		if err != nil {
			return err
		}
		err = s.mail.Enqueue(ctx, tx, mail.Message{
			Template: mail.ResetPassword, UserID: row.User.ID, Values: map[string]string{mailVerification: verificationID, mailCallback: redirectTo},
		})
		if err != nil || row.User.ID == "" {
			return err
		}
		return audit.Write(ctx, tx, now, audit.Act{
			Actor: actor(row.User.ID, c), Action: "account.request_password_reset", Target: row.User.ID,
		})
	})
	return pg.Public(fault.Wrap(err, "ask for a password reset"))
}

// OpenReset gives the page to go on to from the link of a reset: with the token in its query, or with an error when it is
// not good any more. It fails with a Problem for a page not to be trusted.
func (s *Sessions) OpenReset(ctx context.Context, token, page string) (string, error) {
	if !s.Trusts(page) {
		return "", problemCallback
	}
	row, found, err := s.reset(ctx, token)
	if err != nil {
		return "", err
	}
	if !found || row.ExpiresAt.Before(s.now()) {
		return s.Onto(page, "error", problemToken.Code), nil
	}
	return s.Onto(page, "token", token), nil
}

// ResetPassword sets the password of whom the token was sent to, once, and ends all sessions. Wrong passwords of before are
// forgotten. It fails with a Problem for a password of the wrong length and a token that is not good, and with RateLimited
// when too many passwords wait to be hashed.
func (s *Sessions) ResetPassword(ctx context.Context, c Caller, token, password string) error {
	if token == "" {
		return problemToken
	}
	if err := checkPassword(password); err != nil {
		return err
	}
	row, found, err := s.reset(ctx, token)
	if err != nil {
		return err
	}
	if !found || row.ExpiresAt.Before(s.now()) || row.Value == "" {
		return problemToken
	}
	user, err := pg.Q.UserByID(ctx, s.pool, row.Value)
	if pg.NoRows(err) {
		return problemToken
	}
	if err != nil {
		return pg.Public(fault.Wrap(err, "look for a user"))
	}
	hash, err := HashPassword(ctx, password)
	if err != nil {
		return err
	}
	err = pg.InTx(ctx, s.pool, func(tx pg.Tx) error {
		return s.setPassword(ctx, tx, c, passwordSetting{user.User, row.Identifier, hash})
	})
	return pg.Public(fault.Wrap(err, "reset a password"))
}

type passwordSetting struct {
	user       db.User
	identifier string // of the verification that is used up
	hash       string
}

func (s *Sessions) setPassword(ctx context.Context, tx pg.Tx, c Caller, p passwordSetting) error {
	now := s.now()
	used, err := pg.Q.VerificationConsumeAnyOwner(ctx, tx, db.VerificationConsumeAnyOwnerParams{Identifier: p.identifier, Now: now})
	if err != nil {
		return err
	}
	if used == 0 {
		return problemToken
	}
	ended, err := pg.Q.SessionDeleteOthers(ctx, tx, db.SessionDeleteOthersParams{UserID: p.user.ID})
	if err != nil {
		return err
	}
	set, err := pg.Q.CredentialSet(ctx, tx, db.CredentialSetParams{Password: &p.hash, UpdatedAt: now, UserID: p.user.ID})
	if err != nil {
		return err
	}
	if set == 0 { // one who came by another way
		err = pg.Q.CredentialInsert(ctx, tx, db.CredentialInsertParams{ID: random(tokenChars), UserID: p.user.ID, Password: &p.hash, CreatedAt: now})
		if err != nil {
			return err
		}
	}
	account := sha256.Sum256([]byte(p.user.Email))
	if err := (guess{s: s, account: account[:]}).forgive(ctx, tx); err != nil {
		return err
	}
	return audit.Write(ctx, tx, now, audit.Act{
		Actor: actor(p.user.ID, c), Action: "account.reset_password", Target: p.user.ID, Details: map[string]any{"ended": ended},
	})
}

func (s *Sessions) reset(ctx context.Context, token string) (row db.Verification, found bool, err error) {
	row, err = pg.Q.VerificationByIdentifierAnyOwner(ctx, s.pool, resetPrefix+token)
	if pg.NoRows(err) {
		return row, false, nil
	}
	return row, err == nil, pg.Public(fault.Wrap(err, "look for a password reset"))
}
