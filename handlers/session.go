package handlers

import (
	"context"

	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/auth"
)

// session speaks Better Auth's wire format: bare bodies, and times with three decimals.
type session struct {
	sessions *auth.Sessions
}

// SignUpEmail makes a user.
func (s *session) SignUpEmail(ctx context.Context, r api.SignUpEmailRequestObject) (api.SignUpEmailResponseObject, error) {
	in, err := s.sessions.SignUp(ctx, auth.SignUp{
		Name: r.Body.Name, Email: r.Body.Email, Password: r.Body.Password, Image: r.Body.Image,
		Page: orEmpty(r.Body.CallbackURL), RememberMe: r.Body.RememberMe, Caller: auth.CallerFrom(ctx),
	})
	if err != nil {
		return nil, err
	}
	return api.SignUpEmail200JSONResponse{Token: in.Token, User: ToAuthUser(in.User)}, nil
}

// SignInEmail opens a session.
func (s *session) SignInEmail(ctx context.Context, r api.SignInEmailRequestObject) (api.SignInEmailResponseObject, error) {
	in, err := s.sessions.SignIn(ctx, auth.SignIn{
		Email: r.Body.Email, Password: r.Body.Password, RememberMe: r.Body.RememberMe, Caller: auth.CallerFrom(ctx),
	})
	if err != nil {
		return nil, err
	}
	return api.SignInEmail200JSONResponse{Redirect: false, Token: in.Token, User: ToAuthUser(in.User)}, nil
}

// SignOut ends the session.
func (s *session) SignOut(ctx context.Context, _ api.SignOutRequestObject) (api.SignOutResponseObject, error) {
	if err := s.sessions.SignOut(ctx, auth.CallerFrom(ctx)); err != nil {
		return nil, err
	}
	return api.SignOut200JSONResponse{Success: true}, nil
}

// GetSession gives the session and its user, or null.
func (s *session) GetSession(ctx context.Context, r api.GetSessionRequestObject) (api.GetSessionResponseObject, error) {
	caller := auth.CallerFrom(ctx)
	caller.DisableRefresh = r.Params.DisableRefresh != nil && *r.Params.DisableRefresh == "true"
	current, err := s.sessions.Get(ctx, caller)
	if err != nil {
		return nil, err
	}
	if current == nil {
		return api.GetSession200JSONResponse(nil), nil // written as the literal null
	}
	return api.GetSession200JSONResponse{"session": ToAuthSession(current.Session), "user": ToAuthUser(current.User)}, nil
}

// ListSessions lists the user's sessions.
func (s *session) ListSessions(ctx context.Context, _ api.ListSessionsRequestObject) (api.ListSessionsResponseObject, error) {
	rows, err := s.sessions.List(ctx, auth.CallerFrom(ctx))
	if err != nil {
		return nil, err
	}
	list := make(api.ListSessions200JSONResponse, 0, len(rows))
	for _, row := range rows {
		list = append(list, ToAuthSession(row))
	}
	return list, nil
}

// RevokeSession ends one session.
func (s *session) RevokeSession(ctx context.Context, r api.RevokeSessionRequestObject) (api.RevokeSessionResponseObject, error) {
	if err := s.sessions.Revoke(ctx, auth.CallerFrom(ctx), r.Body.Token); err != nil {
		return nil, err
	}
	return api.RevokeSession200JSONResponse{Status: true}, nil
}

// RevokeOtherSessions ends all sessions but this one.
func (s *session) RevokeOtherSessions(ctx context.Context, _ api.RevokeOtherSessionsRequestObject) (api.RevokeOtherSessionsResponseObject, error) {
	if err := s.sessions.RevokeOthers(ctx, auth.CallerFrom(ctx)); err != nil {
		return nil, err
	}
	return api.RevokeOtherSessions200JSONResponse{Status: true}, nil
}

// RevokeSessions ends all sessions.
func (s *session) RevokeSessions(ctx context.Context, _ api.RevokeSessionsRequestObject) (api.RevokeSessionsResponseObject, error) {
	if err := s.sessions.RevokeAll(ctx, auth.CallerFrom(ctx)); err != nil {
		return nil, err
	}
	return api.RevokeSessions200JSONResponse{Status: true}, nil
}

// ToAuthUser gives a user as Better Auth spells it.
func ToAuthUser(u db.User) api.AuthUser {
	return api.AuthUser{
		ID: u.ID, Name: u.Name, Email: u.Email, EmailVerified: u.EmailVerified, Image: u.Image,
		CreatedAt: auth.FormatTime(u.CreatedAt), UpdatedAt: auth.FormatTime(u.UpdatedAt),
	}
}

// ToAuthSession gives a session as Better Auth spells it.
func ToAuthSession(s db.Session) api.AuthSession {
	return api.AuthSession{
		ID: s.ID, UserID: s.UserID, Token: s.Token, ExpiresAt: auth.FormatTime(s.ExpiresAt),
		CreatedAt: auth.FormatTime(s.CreatedAt), UpdatedAt: auth.FormatTime(s.UpdatedAt),
		IPAddress: s.IPAddress, UserAgent: s.UserAgent,
	}
}
