package auth

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/audit"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/mail"
	"github.com/eggapi/eggapi/internal/pg"
)

const (
	emailTokenLifetime = time.Hour
	// The kinds of Better Auth's tokens about a change of address.
	requestConfirmation = "change-email-confirmation"
	requestVerification = "change-email-verification"
)

// EmailToken is what Better Auth's token about an address says: a JWT with HS256, signed with the secret as it is.
type EmailToken struct {
	jwt.RegisteredClaims
	Email       string `json:"email"` // the user's address when it was made
	UpdateTo    string `json:"updateTo,omitempty"`
	RequestType string `json:"requestType,omitempty"`
	UserID      string `json:"userId,omitempty"`
}

// SignEmailToken signs a token that is good for an hour.
func (s *Sessions) SignEmailToken(t EmailToken) (string, error) {
	now := s.clock()
	t.IssuedAt, t.ExpiresAt = jwt.NewNumericDate(now), jwt.NewNumericDate(now.Add(emailTokenLifetime))
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, t)
	delete(token.Header, "typ") // as Better Auth's
	signed, err := token.SignedString([]byte(s.secrets[0]))
	return signed, fault.Wrap(err, "sign a token")
}

// ReadEmailToken reads a token that one of the secrets signed. It fails with a Problem.
func (s *Sessions) ReadEmailToken(token string) (EmailToken, error) {
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithTimeFunc(s.clock))
	late := false
	for _, secret := range s.secrets {
		var t EmailToken
		_, err := parser.ParseWithClaims(token, &t, func(*jwt.Token) (any, error) { return []byte(secret), nil })
		if email, ok := normalEmail(t.Email); err == nil && ok && t.ExpiresAt != nil {
			t.Email = email
			return t, nil
		}
		late = late || errors.Is(err, jwt.ErrTokenExpired) && !errors.Is(err, jwt.ErrTokenSignatureInvalid)
	}
	if late {
		return EmailToken{}, problemTokenExpired
	}
	return EmailToken{}, problemTokenRefused
}

// MailLink makes the link of a mail that was enqueued here. The tokens are made now, so that no job holds one.
func (s *Sessions) MailLink(ctx context.Context, m mail.Message) (string, error) {
	if m.Template == mail.ResetPassword {
		return s.resetLink(ctx, m)
	}
	row, err := pg.Q.UserByID(ctx, s.pool, m.UserID)
	if pg.NoRows(err) {
		return "", mail.ErrGone
	}
	if err != nil {
		return "", fault.Wrap(err, "look for a user")
	}
	t := EmailToken{Email: row.User.Email, UserID: row.User.ID}
	switch m.Template {
	case mail.VerifyEmail:
		if row.User.EmailVerified {
			return "", mail.ErrGone
		}
	case mail.ConfirmEmailChange:
		t.UpdateTo, t.RequestType = m.Values[mailNewEmail], requestConfirmation
	case mail.VerifyNewEmail:
		t.UpdateTo, t.RequestType = m.To, requestVerification
	default:
		return "", nil
	}
	if row.User.Email != m.Values[mailOldEmail] { // changed since
		return "", mail.ErrGone
	}
	token, err := s.SignEmailToken(t)
	return s.publicURL + "/api/auth/verify-email?token=" + token + "&callbackURL=" + url.QueryEscape(m.Values[mailCallback]), err
}

func (s *Sessions) resetLink(ctx context.Context, m mail.Message) (string, error) {
	row, err := pg.Q.VerificationByIDAnyOwner(ctx, s.pool, m.Values[mailVerification])
	if pg.NoRows(err) || err == nil && row.ExpiresAt.Before(s.now()) {
		return "", mail.ErrGone
	}
	if err != nil {
		return "", fault.Wrap(err, "look for a password reset")
	}
	link := s.publicURL + "/api/auth/reset-password/" + strings.TrimPrefix(row.Identifier, resetPrefix)
	return link + "?callbackURL=" + url.QueryEscape(orRoot(m.Values[mailCallback])), nil
}

func orRoot(page string) string {
	if page == "" {
		return "/"
	}
	return page
}

// RequestVerification sends a link that proves an address. Without a session it tells nobody whether there is a user with
// the address, and takes the same time. It fails with a Problem for a malformed address, a page not to be trusted, and, with
// a session, for an address that is another's or verified.
func (s *Sessions) RequestVerification(ctx context.Context, c Caller, email, page string) error {
	email, ok := normalEmail(email)
	if !ok {
		return problemEmailSchema
	}
	if page != "" && !s.Trusts(page) {
		return problemCallback
	}
	current, err := s.Get(ctx, c)
	if err != nil {
		return err
	}
	user := db.User{}
	switch {
	case current == nil:
		row, _, err := s.byEmail(ctx, email)
		if err != nil {
			return err
		}
		if !row.User.EmailVerified {
			user = row.User
		}
	case current.User.Email != email:
		return problemMismatch
	case current.User.EmailVerified:
		return problemVerified
	default:
		user = current.User
	}
	err = pg.InTx(ctx, s.pool, func(tx pg.Tx) error { return s.askToVerify(ctx, tx, user, c, page) })
	return pg.Public(fault.Wrap(err, "ask for a verification"))
}

func (s *Sessions) askToVerify(ctx context.Context, tx pg.Tx, user db.User, c Caller, page string) error {
	err := s.mail.Enqueue(ctx, tx, verification(user, page))
	if err != nil || user.ID == "" {
		return err
	}
	return audit.Write(ctx, tx, s.now(), audit.Act{Actor: actor(user.ID, c), Action: "account.request_verification", Target: user.ID})
}

// verification is the mail that proves a user's address.
func verification(user db.User, page string) mail.Message {
	return mail.Message{
		Template: mail.VerifyEmail, UserID: user.ID, Values: map[string]string{mailCallback: orRoot(page), mailOldEmail: user.Email},
	}
}

// ChangeEmail sends a link to the address that the user wants or, when the present one is verified, first to that one. It
// does not tell whether somebody has the address. It fails with a Problem when there is no session, the address is malformed
// or the present one, or the page is not to be trusted.
func (s *Sessions) ChangeEmail(ctx context.Context, c Caller, newEmail, page string) error {
	newEmail, ok := normalEmail(newEmail)
	if !ok {
		return problemNewEmailSchema
	}
	if page != "" && !s.Trusts(page) {
		return problemCallback
	}
	current, err := s.required(ctx, c)
	if err != nil {
		return err
	}
	if newEmail == current.User.Email {
		return problemSameEmail
	}
	m := mail.Message{
		Template: mail.VerifyNewEmail, UserID: current.User.ID, To: newEmail,
		Values: map[string]string{mailCallback: orRoot(page), mailOldEmail: current.User.Email},
	}
	if current.User.EmailVerified {
		m.Template, m.To, m.Values[mailNewEmail] = mail.ConfirmEmailChange, "", newEmail
	}
	_, taken, err := s.byEmail(ctx, newEmail)
	if err != nil {
		return err
	}
	if taken {
		m.UserID = "" // the same is done, and nobody written to
	}
	err = pg.InTx(ctx, s.pool, func(tx pg.Tx) error {
		if err := s.mail.Enqueue(ctx, tx, m); err != nil {
			return err
		}
		return s.log(ctx, tx, current, c, audit.Act{
			Action: "account.request_email_change", Target: current.User.ID,
			Details: map[string]any{"before": current.User.Email, "after": newEmail},
		})
	})
	return pg.Public(fault.Wrap(err, "ask for a change of address"))
}
