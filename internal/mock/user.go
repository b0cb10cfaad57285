package mock

import (
	"context"
	"time"
	"unicode/utf16"

	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/handlers"
	"github.com/eggapi/eggapi/internal/auth"
)

const (
	freshAge            = 24 * time.Hour
	resetLifetime       = time.Hour
	requestConfirmation = "change-email-confirmation"
	requestVerification = "change-email-verification"
)

var (
	problemNewEmailSchema = &auth.Problem{Status: 400, Code: "VALIDATION_ERROR", Message: "[body.newEmail] Invalid email address"}
	problemPasswordShort  = &auth.Problem{Status: 400, Code: "PASSWORD_TOO_SHORT", Message: "Password too short"}
	problemPasswordWrong  = &auth.Problem{Status: 400, Code: "INVALID_PASSWORD", Message: "Invalid password"}
	problemNotFresh       = &auth.Problem{Status: 403, Code: "SESSION_NOT_FRESH", Message: "Session is not fresh"}
	problemSessionOld     = &auth.Problem{Status: 400, Code: "SESSION_EXPIRED", Message: "Session expired. Re-authenticate to perform this action."}
	problemCallback       = &auth.Problem{Status: 403, Code: "INVALID_CALLBACK_URL", Message: "Invalid callbackURL"}
	problemRedirect       = &auth.Problem{Status: 403, Code: "INVALID_REDIRECT_URL", Message: "Invalid redirectURL"}
	problemToken          = &auth.Problem{Status: 400, Code: "INVALID_TOKEN", Message: "Invalid token"}
	problemTokenRefused   = &auth.Problem{Status: 401, Code: "INVALID_TOKEN", Message: "Invalid token"}
	problemTokenUnknown   = &auth.Problem{Status: 404, Code: "INVALID_TOKEN", Message: "Invalid token"}
	problemUserUnknown    = &auth.Problem{Status: 401, Code: "USER_NOT_FOUND", Message: "User not found"}
	problemUserOther      = &auth.Problem{Status: 401, Code: "INVALID_USER", Message: "Invalid user"}
	problemMismatch       = &auth.Problem{Status: 400, Code: "EMAIL_MISMATCH", Message: "Email mismatch"}
	problemVerified       = &auth.Problem{Status: 400, Code: "EMAIL_ALREADY_VERIFIED", Message: "Email is already verified"}
	problemSameEmail      = &auth.Problem{Status: 400, Code: "EMAIL_IS_THE_SAME", Message: "Email is the same"}
	problemEmailFixed     = &auth.Problem{Status: 400, Code: "EMAIL_CAN_NOT_BE_UPDATED", Message: "Email can not be updated"}
	problemNothing        = &auth.Problem{Status: 400, Code: "NO_FIELDS_TO_UPDATE", Message: "No fields to update"}
	problemTasksOpen      = &auth.Problem{Status: 400, Code: "TASKS_UNDER_WAY", Message: "Tasks are under way. Try again when they have ended."}
)

// required gives the caller's session and user; the memory is locked.
func (m *Mock) required(ctx context.Context) (*db.Session, *user, error) {
	row, owner := m.memory.session(auth.CallerFrom(ctx).SessionCookie, m.secret)
	if row == nil || expired(row, m.now()) {
		return nil, nil, auth.ProblemUnauthorized
	}
	return row, owner, nil
}

func (m *Mock) fresh(row *db.Session) bool { return m.now().Sub(row.CreatedAt) < freshAge }

// ListSessions lists the user's sessions.
func (m *Mock) ListSessions(ctx context.Context, _ api.ListSessionsRequestObject) (api.ListSessionsResponseObject, error) {
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	row, owner, err := m.required(ctx)
	if err != nil {
		return nil, err
	}
	if !m.fresh(row) {
		return nil, problemNotFresh
	}
	list := api.ListSessions200JSONResponse{}
	for s := range m.memory.sessions.newest() {
		if s.UserID == owner.row.ID && !expired(s, m.now()) {
			list = append(api.ListSessions200JSONResponse{handlers.ToAuthSession(*s)}, list...)
		}
	}
	return list, nil
}

// endSessions ends the sessions of a user that are to be ended; the memory is locked.
func (m *Mock) endSessions(userID string, which func(*db.Session) bool) {
	var tokens []string
	for s := range m.memory.sessions.newest() {
		if s.UserID == userID && which(s) {
			tokens = append(tokens, s.Token)
		}
	}
	for _, token := range tokens {
		m.memory.sessions.remove(token)
	}
}

func all(*db.Session) bool { return true }

// RevokeSession ends one session.
func (m *Mock) RevokeSession(ctx context.Context, r api.RevokeSessionRequestObject) (api.RevokeSessionResponseObject, error) {
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	row, owner, err := m.required(ctx)
	if err != nil {
		return nil, err
	}
	m.endSessions(owner.row.ID, func(s *db.Session) bool { return s.Token == r.Body.Token })
	if row.Token == r.Body.Token {
		m.clearSessionCookies(ctx)
	}
	return api.RevokeSession200JSONResponse{Status: true}, nil
}

// RevokeOtherSessions ends all sessions but this one.
func (m *Mock) RevokeOtherSessions(ctx context.Context, _ api.RevokeOtherSessionsRequestObject) (api.RevokeOtherSessionsResponseObject, error) {
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	row, owner, err := m.required(ctx)
	if err != nil {
		return nil, err
	}
	m.endSessions(owner.row.ID, func(s *db.Session) bool { return s.Token != row.Token })
	return api.RevokeOtherSessions200JSONResponse{Status: true}, nil
}

// RevokeSessions ends all sessions.
func (m *Mock) RevokeSessions(ctx context.Context, _ api.RevokeSessionsRequestObject) (api.RevokeSessionsResponseObject, error) {
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	_, owner, err := m.required(ctx)
	if err != nil {
		return nil, err
	}
	m.endSessions(owner.row.ID, all)
	m.clearSessionCookies(ctx)
	return api.RevokeSessions200JSONResponse{Status: true}, nil
}

// ChangePassword sets another password.
func (m *Mock) ChangePassword(ctx context.Context, r api.ChangePasswordRequestObject) (api.ChangePasswordResponseObject, error) {
	if len(utf16.Encode([]rune(r.Body.NewPassword))) < 8 {
		return nil, problemPasswordShort
	}
	if max(len(utf16.Encode([]rune(r.Body.NewPassword))), len(utf16.Encode([]rune(r.Body.CurrentPassword)))) > maxPasswordUnits {
		return nil, problemPasswordLong
	}
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	row, owner, err := m.required(ctx)
	if err != nil {
		return nil, err
	}
	ok, err := auth.VerifyPassword(ctx, r.Body.CurrentPassword, owner.passwordHash)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, problemPasswordWrong
	}
	if owner.passwordHash, err = auth.HashPassword(ctx, r.Body.NewPassword); err != nil {
		return nil, err
	}
	if r.Body.RevokeOtherSessions == nil || *r.Body.RevokeOtherSessions {
		m.endSessions(owner.row.ID, func(s *db.Session) bool { return s.Token != row.Token })
	}
	remember := !auth.CallerFrom(ctx).DontRemember
	return api.ChangePassword200JSONResponse{Token: m.open(ctx, owner, &remember), User: handlers.ToAuthUser(owner.row)}, nil
}

// UpdateUser sets name and image.
func (m *Mock) UpdateUser(ctx context.Context, r api.UpdateUserRequestObject) (api.UpdateUserResponseObject, error) {
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	row, owner, err := m.required(ctx)
	if err != nil {
		return nil, err
	}
	if _, has := r.Body.AdditionalProperties["email"]; has {
		return nil, problemEmailFixed
	}
	if r.Body.Name == nil && !r.Body.Image.IsSpecified() {
		return nil, problemNothing
	}
	if r.Body.Name != nil {
		owner.row.Name = *r.Body.Name
	}
	if r.Body.Image.IsSpecified() {
		owner.row.Image = nil
		if image, err := r.Body.Image.Get(); err == nil {
			owner.row.Image = &image
		}
	}
	owner.row.UpdatedAt = m.sessionTime()
	m.setSessionCookies(ctx, row.Token, auth.CallerFrom(ctx).DontRemember)
	return api.UpdateUser200JSONResponse{Status: true}, nil
}

// DeleteUser removes the user.
func (m *Mock) DeleteUser(ctx context.Context, r api.DeleteUserRequestObject) (api.DeleteUserResponseObject, error) {
	if page := orEmpty(r.Body.CallbackURL); page != "" && !m.cookies.Trusts(page) {
		return nil, problemCallback
	}
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	row, owner, err := m.required(ctx)
	if err != nil {
		return nil, err
	}
	if password := orEmpty(r.Body.Password); password != "" {
		if len(utf16.Encode([]rune(password))) > maxPasswordUnits {
			return nil, problemPasswordLong
		}
		if ok, err := auth.VerifyPassword(ctx, password, owner.passwordHash); err != nil {
			return nil, err
		} else if !ok {
			return nil, problemPasswordWrong
		}
	}
	switch {
	case orEmpty(r.Body.Token) != "":
		return nil, problemTokenUnknown
	case orEmpty(r.Body.Password) == "" && !m.fresh(row):
		return nil, problemSessionOld
	case m.memory.jobs.first(func(j *job) bool { return j.row.UserID == owner.row.ID && j.row.CompletedAt == nil }) != nil:
		return nil, problemTasksOpen
	}
	m.endSessions(owner.row.ID, all)
	m.memory.users.remove(owner.row.ID)
	m.clearSessionCookies(ctx)
	return api.DeleteUser200JSONResponse{Success: true, Message: "User deleted"}, nil
}
