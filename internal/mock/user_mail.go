package mock

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"strings"

	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/handlers"
	"github.com/eggapi/eggapi/internal/auth"
)

// RequestPasswordReset logs a link for a new password.
func (m *Mock) RequestPasswordReset(ctx context.Context, r api.RequestPasswordResetRequestObject) (api.RequestPasswordResetResponseObject, error) {
	page := orEmpty(r.Body.RedirectTo)
	if !emailPattern.MatchString(r.Body.Email) {
		return nil, problemEmailSchema
	}
	if page != "" && !m.cookies.Trusts(page) {
		return nil, problemRedirect
	}
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	if u := m.memory.userByEmail(strings.ToLower(r.Body.Email)); u != nil {
		token := rand.Text()[:24]
		m.memory.resets.put(token, &reset{userID: u.row.ID, expiresAt: m.now().Add(resetLifetime)})
		m.mail(ctx, u.row.Email, "/api/auth/reset-password/"+token+"?callbackURL="+url.QueryEscape(orRoot(page)))
	}
	return api.RequestPasswordReset200JSONResponse{
		Status: true, Message: "If this email exists in our system, check your email for the reset link",
	}, nil
}

// mail writes the link of a mail to the log, where the user of a mock finds it.
func (m *Mock) mail(ctx context.Context, to, link string) {
	m.o.Logger.InfoContext(ctx, "a mail", "to", to, "link", m.o.PublicURL+link)
}

// mailAbout mails a link about an address of a user.
func (m *Mock) mailAbout(ctx context.Context, u *user, t auth.EmailToken, page string) {
	t.Email, t.UserID = u.row.Email, u.row.ID
	token, err := m.cookies.SignEmailToken(t)
	if err != nil {
		m.o.Logger.ErrorContext(ctx, "a mail could not be written", "error", err)
		return
	}
	to := t.Email
	if t.RequestType == requestVerification {
		to = t.UpdateTo
	}
	m.mail(ctx, to, "/api/auth/verify-email?token="+token+"&callbackURL="+url.QueryEscape(orRoot(page)))
}

// ResetPasswordCallback leads from the link to the page.
func (m *Mock) ResetPasswordCallback(_ context.Context, r api.ResetPasswordCallbackRequestObject) (api.ResetPasswordCallbackResponseObject, error) {
	if !m.cookies.Trusts(r.Params.CallbackURL) {
		return nil, problemCallback
	}
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	location := m.cookies.Onto(r.Params.CallbackURL, "error", problemToken.Code)
	if found := m.memory.resets.get(r.Token); found != nil && !found.expiresAt.Before(m.now()) {
		location = m.cookies.Onto(r.Params.CallbackURL, "token", r.Token)
	}
	return api.ResetPasswordCallback302Response{Headers: api.ResetPasswordCallback302ResponseHeaders{Location: location}}, nil
}

// ResetPassword sets a new password.
func (m *Mock) ResetPassword(ctx context.Context, r api.ResetPasswordRequestObject) (api.ResetPasswordResponseObject, error) {
	token := orEmpty(r.Body.Token)
	if token == "" {
		token = orEmpty(r.Params.Token)
	}
	if token == "" {
		return nil, problemToken
	}
	hash, err := auth.HashPassword(ctx, r.Body.NewPassword)
	if err != nil {
		return nil, err
	}
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	found := m.memory.resets.get(token)
	if found == nil || found.expiresAt.Before(m.now()) || m.memory.users.get(found.userID) == nil {
		return nil, problemToken
	}
	m.memory.resets.remove(token)
	m.memory.users.get(found.userID).passwordHash = hash
	m.endSessions(found.userID, all)
	return api.ResetPassword200JSONResponse{Status: true}, nil
}

// ChangeEmail logs a link that changes the address, or that agrees to it.
func (m *Mock) ChangeEmail(ctx context.Context, r api.ChangeEmailRequestObject) (api.ChangeEmailResponseObject, error) {
	page := orEmpty(r.Body.CallbackURL)
	if !emailPattern.MatchString(r.Body.NewEmail) {
		return nil, problemNewEmailSchema
	}
	if page != "" && !m.cookies.Trusts(page) {
		return nil, problemCallback
	}
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	_, owner, err := m.required(ctx)
	if err != nil {
		return nil, err
	}
	t := auth.EmailToken{UpdateTo: strings.ToLower(r.Body.NewEmail), RequestType: requestVerification}
	if t.UpdateTo == owner.row.Email {
		return nil, problemSameEmail
	}
	if owner.row.EmailVerified {
		t.RequestType = requestConfirmation
	}
	if m.memory.userByEmail(t.UpdateTo) == nil {
		m.mailAbout(ctx, owner, t, page)
	}
	return api.ChangeEmail200JSONResponse{Status: true}, nil
}

// SendVerificationEmail logs a link that proves an address.
func (m *Mock) SendVerificationEmail(ctx context.Context, r api.SendVerificationEmailRequestObject) (api.SendVerificationEmailResponseObject, error) {
	page, email := orEmpty(r.Body.CallbackURL), strings.ToLower(r.Body.Email)
	if !emailPattern.MatchString(r.Body.Email) {
		return nil, problemEmailSchema
	}
	if page != "" && !m.cookies.Trusts(page) {
		return nil, problemCallback
	}
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	_, owner, err := m.required(ctx)
	switch {
	case err != nil:
		owner = m.memory.userByEmail(email)
	case owner.row.Email != email:
		return nil, problemMismatch
	case owner.row.EmailVerified:
		return nil, problemVerified
	}
	if owner != nil && !owner.row.EmailVerified {
		m.mailAbout(ctx, owner, auth.EmailToken{}, page)
	}
	return api.SendVerificationEmail200JSONResponse{Status: true}, nil
}

// VerifyEmail does what the link of a mail about an address is for.
func (m *Mock) VerifyEmail(ctx context.Context, r api.VerifyEmailRequestObject) (api.VerifyEmailResponseObject, error) {
	page := orEmpty(r.Params.CallbackURL)
	if page != "" && !m.cookies.Trusts(page) {
		return nil, problemCallback
	}
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	body, err := m.useEmailToken(ctx, r.Params.Token, page)
	var problem *auth.Problem
	switch {
	case page != "" && errors.As(err, &problem):
		page = auth.WithQuery(page, "error", problem.Code)
	case err != nil:
		return nil, err
	case page == "":
		return api.VerifyEmail200JSONResponse(body), nil
	}
	return api.VerifyEmail302Response{Headers: api.VerifyEmail302ResponseHeaders{Location: page}}, nil
}

func (m *Mock) useEmailToken(ctx context.Context, token, page string) (map[string]any, error) {
	t, err := m.cookies.ReadEmailToken(token)
	if err != nil {
		return nil, err
	}
	if t.UpdateTo == "" {
		return map[string]any{"status": true, "user": nil}, m.verifyAddress(t)
	}
	u := m.memory.users.get(t.UserID)
	switch {
	case u == nil && t.UserID != "":
		return nil, problemUserUnknown
	case u == nil || u.row.Email != t.Email:
		return nil, problemTokenRefused
	}
	if _, owner, err := m.required(ctx); err == nil && owner.row.ID != u.row.ID {
		return nil, problemUserOther
	}
	if t.RequestType == requestConfirmation {
		m.mailAbout(ctx, u, auth.EmailToken{UpdateTo: t.UpdateTo, RequestType: requestVerification}, page)
		return map[string]any{"status": true}, nil
	}
	if m.memory.userByEmail(t.UpdateTo) != nil {
		return nil, problemTokenRefused
	}
	u.row.Email, u.row.UpdatedAt = t.UpdateTo, m.sessionTime()
	return map[string]any{"status": true, "user": handlers.ToAuthUser(u.row)}, nil
}

func (m *Mock) verifyAddress(t auth.EmailToken) error {
	u := m.memory.userByEmail(t.Email)
	switch {
	case u == nil:
		return problemUserUnknown
	case t.UserID != "" && t.UserID != u.row.ID:
		return problemTokenRefused
	case !u.row.EmailVerified:
		u.row.EmailVerified, u.row.UpdatedAt = true, m.sessionTime()
	}
	return nil
}

func orRoot(page string) string {
	if page == "" {
		return "/"
	}
	return page
}
