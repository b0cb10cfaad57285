package auth

import (
	"context"
	"errors"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/audit"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/mail"
	"github.com/eggapi/eggapi/internal/pg"
)

// Verified is what came of opening a link about an address.
type Verified struct {
	Page    string   // where to go on to; "" = nowhere
	Changed *db.User // the user whose address was changed
	Waiting bool     // a mail to the new address is on its way
}

// VerifyEmail does what the token of a mail is good for: it verifies an address, changes it, or agrees to the change. With a
// page what goes wrong is told in the page's query, else it fails with a Problem; for a page not to be trusted always.
func (s *Sessions) VerifyEmail(ctx context.Context, c Caller, token, page string) (Verified, error) {
	if page != "" && !s.Trusts(page) {
		return Verified{}, problemCallback
	}
	v, err := s.useEmailToken(ctx, c, token, page)
	var problem *Problem
	if errors.As(err, &problem) && page != "" {
		return Verified{Page: WithQuery(page, "error", problem.Code)}, nil
	}
	v.Page = page
	return v, pg.Public(fault.Wrap(err, "use a token about an address"))
}

func (s *Sessions) useEmailToken(ctx context.Context, c Caller, token, page string) (Verified, error) {
	t, err := s.ReadEmailToken(token)
	if err != nil {
		return Verified{}, err
	}
	if t.UpdateTo == "" {
		return Verified{}, s.verifyAddress(ctx, c, t)
	}
	row, err := pg.Q.UserByID(ctx, s.pool, t.UserID)
	if pg.NoRows(err) && t.UserID != "" {
		return Verified{}, problemUserUnknown
	}
	if pg.NoRows(err) || err == nil && row.User.Email != t.Email {
		return Verified{}, problemTokenRefused
	}
	if err != nil {
		return Verified{}, err
	}
	signedIn, err := s.whose(ctx, c)
	if err != nil {
		return Verified{}, err
	}
	if signedIn != "" && signedIn != row.User.ID {
		return Verified{}, problemUserOther
	}
	if t.RequestType == requestConfirmation {
		return Verified{Waiting: true}, s.agreeToChange(ctx, t, page)
	}
	user, err := s.changeAddress(ctx, c, t)
	return Verified{Changed: user}, err
}

// whose gives the user whom the caller's cookie stands for, "" for nobody, and leaves session and cookie as they are.
func (s *Sessions) whose(ctx context.Context, c Caller) (userID string, err error) {
	p, err := s.Authenticate(ctx, c.SessionCookie)
	switch fault.CodeOf(err) { //nolint:exhaustive // the others are failures
	case fault.Unauthorized, fault.Forbidden:
		return "", nil
	}
	return p.UserID, err
}

func (s *Sessions) verifyAddress(ctx context.Context, c Caller, t EmailToken) error {
	row, found, err := s.byEmail(ctx, t.Email)
	switch {
	case err != nil:
		return err
	case !found:
		return problemUserUnknown
	case t.UserID != "" && t.UserID != row.User.ID:
		return problemTokenRefused
	case row.User.EmailVerified:
		return nil
	}
	return pg.InTx(ctx, s.pool, func(tx pg.Tx) error {
		now := s.now()
		_, err := pg.Q.UserSetVerified(ctx, tx, db.UserSetVerifiedParams{ID: row.User.ID, Email: t.Email, UpdatedAt: now})
		if pg.NoRows(err) {
			return problemTokenRefused
		}
		if err != nil {
			return err
		}
		return audit.Write(ctx, tx, now, audit.Act{
			Actor: actor(row.User.ID, c), Action: "account.verify_email", Target: row.User.ID,
			Details: map[string]any{"before": false, "after": true},
		})
	})
}

// agreeToChange has the owner of the new address asked, after that of the present one agreed.
func (s *Sessions) agreeToChange(ctx context.Context, t EmailToken, page string) error {
	return pg.InTx(ctx, s.pool, func(tx pg.Tx) error {
		return s.mail.Enqueue(ctx, tx, mail.Message{
			Template: mail.VerifyNewEmail, UserID: t.UserID, To: t.UpdateTo,
			Values: map[string]string{mailCallback: orRoot(page), mailOldEmail: t.Email},
		})
	})
}

// changeAddress gives the user another address. Whether it is verified stays as it was, as in Better Auth: the link went to it.
func (s *Sessions) changeAddress(ctx context.Context, c Caller, t EmailToken) (user *db.User, err error) {
	newEmail, ok := normalEmail(t.UpdateTo)
	if !ok {
		return nil, problemTokenRefused
	}
	err = pg.InTx(ctx, s.pool, func(tx pg.Tx) error {
		now := s.now()
		row, err := pg.Q.UserSetEmail(ctx, tx, db.UserSetEmailParams{ID: t.UserID, Email: newEmail, OldEmail: t.Email, UpdatedAt: now})
		if pg.NoRows(err) || pg.Violates(err, "user_email_key") { // changed, or taken, since the mail was sent
			return problemTokenRefused
		}
		if err != nil {
			return err
		}
		user = &row
		return audit.Write(ctx, tx, now, audit.Act{
			Actor: actor(t.UserID, c), Action: "account.change_email", Target: t.UserID,
			Details: map[string]any{"before": t.Email, "after": newEmail},
		})
	})
	return user, err
}
