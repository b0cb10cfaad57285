package handlers

import (
	"context"

	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/internal/auth"
)

// user speaks Better Auth's wire format, as session does.
type user struct {
	sessions *auth.Sessions
}

// ChangePassword sets another password.
func (u *user) ChangePassword(ctx context.Context, r api.ChangePasswordRequestObject) (api.ChangePasswordResponseObject, error) {
	in, err := u.sessions.ChangePassword(ctx, auth.PasswordChange{
		Current: r.Body.CurrentPassword, New: r.Body.NewPassword, Caller: auth.CallerFrom(ctx),
		KeepOthers: r.Body.RevokeOtherSessions != nil && !*r.Body.RevokeOtherSessions,
	})
	if err != nil {
		return nil, err
	}
	return api.ChangePassword200JSONResponse{Token: in.Token, User: ToAuthUser(in.User)}, nil
}

// ChangeEmail begins to change the address.
func (u *user) ChangeEmail(ctx context.Context, r api.ChangeEmailRequestObject) (api.ChangeEmailResponseObject, error) {
	if err := u.sessions.ChangeEmail(ctx, auth.CallerFrom(ctx), r.Body.NewEmail, orEmpty(r.Body.CallbackURL)); err != nil {
		return nil, err
	}
	return api.ChangeEmail200JSONResponse{Status: true}, nil
}

// UpdateUser sets name and image.
func (u *user) UpdateUser(ctx context.Context, r api.UpdateUserRequestObject) (api.UpdateUserResponseObject, error) {
	in := auth.UserChange{Name: r.Body.Name, SetImage: r.Body.Image.IsSpecified(), Caller: auth.CallerFrom(ctx)}
	if image, err := r.Body.Image.Get(); err == nil {
		in.Image = &image
	}
	_, in.HasEmail = r.Body.AdditionalProperties["email"]
	if err := u.sessions.UpdateUser(ctx, in); err != nil {
		return nil, err
	}
	return api.UpdateUser200JSONResponse{Status: true}, nil
}

// DeleteUser removes the user.
func (u *user) DeleteUser(ctx context.Context, r api.DeleteUserRequestObject) (api.DeleteUserResponseObject, error) {
	err := u.sessions.DeleteUser(ctx, auth.Deletion{
		Password: orEmpty(r.Body.Password), Token: orEmpty(r.Body.Token), Page: orEmpty(r.Body.CallbackURL), Caller: auth.CallerFrom(ctx),
	})
	if err != nil {
		return nil, err
	}
	return api.DeleteUser200JSONResponse{Success: true, Message: "User deleted"}, nil
}

// RequestPasswordReset sends a link for a new password.
func (u *user) RequestPasswordReset(ctx context.Context, r api.RequestPasswordResetRequestObject) (api.RequestPasswordResetResponseObject, error) {
	if err := u.sessions.RequestReset(ctx, auth.CallerFrom(ctx), r.Body.Email, orEmpty(r.Body.RedirectTo)); err != nil {
		return nil, err
	}
	return api.RequestPasswordReset200JSONResponse{
		Status: true, Message: "If this email exists in our system, check your email for the reset link",
	}, nil
}

// ResetPasswordCallback leads from the link to the page that asks for the new password.
func (u *user) ResetPasswordCallback(ctx context.Context, r api.ResetPasswordCallbackRequestObject) (api.ResetPasswordCallbackResponseObject, error) {
	page, err := u.sessions.OpenReset(ctx, r.Token, r.Params.CallbackURL)
	if err != nil {
		return nil, err
	}
	return api.ResetPasswordCallback302Response{Headers: api.ResetPasswordCallback302ResponseHeaders{Location: page}}, nil
}

// ResetPassword sets a new password.
func (u *user) ResetPassword(ctx context.Context, r api.ResetPasswordRequestObject) (api.ResetPasswordResponseObject, error) {
	token := orEmpty(r.Body.Token)
	if token == "" {
		token = orEmpty(r.Params.Token)
	}
	if err := u.sessions.ResetPassword(ctx, auth.CallerFrom(ctx), token, r.Body.NewPassword); err != nil {
		return nil, err
	}
	return api.ResetPassword200JSONResponse{Status: true}, nil
}

// SendVerificationEmail sends a link that proves an address.
func (u *user) SendVerificationEmail(ctx context.Context, r api.SendVerificationEmailRequestObject) (api.SendVerificationEmailResponseObject, error) {
	if err := u.sessions.RequestVerification(ctx, auth.CallerFrom(ctx), r.Body.Email, orEmpty(r.Body.CallbackURL)); err != nil {
		return nil, err
	}
	return api.SendVerificationEmail200JSONResponse{Status: true}, nil
}

// VerifyEmail does what the link of a mail about an address is for.
func (u *user) VerifyEmail(ctx context.Context, r api.VerifyEmailRequestObject) (api.VerifyEmailResponseObject, error) {
	v, err := u.sessions.VerifyEmail(ctx, auth.CallerFrom(ctx), r.Params.Token, orEmpty(r.Params.CallbackURL))
	switch {
	case err != nil:
		return nil, err
	case v.Page != "":
		return api.VerifyEmail302Response{Headers: api.VerifyEmail302ResponseHeaders{Location: v.Page}}, nil
	case v.Waiting:
		return api.VerifyEmail200JSONResponse{"status": true}, nil
	case v.Changed != nil:
		return api.VerifyEmail200JSONResponse{"status": true, "user": ToAuthUser(*v.Changed)}, nil
	}
	return api.VerifyEmail200JSONResponse{"status": true, "user": nil}, nil
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
