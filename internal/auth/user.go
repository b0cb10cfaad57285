package auth

import (
	"context"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/audit"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/pg"
)

const deletePrefix = "delete-account-"

// UserChange is what a user may change of himself.
type UserChange struct {
	Name   *string // nil = as it is
	Image  *string // read when SetImage; nil = none
	Caller Caller

	SetImage bool
	HasEmail bool // an address was sent along, which is changed elsewhere
}

// UpdateUser sets name and image, and sends the session's cookie anew. It fails with a Problem when there is no session or
// nothing to change.
func (s *Sessions) UpdateUser(ctx context.Context, in UserChange) error {
	current, err := s.required(ctx, in.Caller)
	if err != nil {
		return err
	}
	if in.HasEmail {
		return problemEmailFixed
	}
	if in.Name == nil && !in.SetImage {
		return problemNothing
	}
	err = pg.InTx(ctx, s.pool, func(tx pg.Tx) error { return s.updateUser(ctx, tx, current, in) })
	if err != nil {
		return pg.Public(fault.Wrap(err, "change a user"))
	}
	s.setSessionCookies(ctx, current.Session.Token, in.Caller.DontRemember, in.Caller)
	return nil
}

func (s *Sessions) updateUser(ctx context.Context, tx pg.Tx, current *Current, in UserChange) error {
	if _, err := pg.Q.UserLock(ctx, tx, current.User.ID); err != nil {
		return err
	}
	before, err := pg.Q.UserByID(ctx, tx, current.User.ID)
	if err != nil {
		return err
	}
	next := db.UserUpdateParams{ID: current.User.ID, Name: before.User.Name, Image: before.User.Image, UpdatedAt: s.now()}
	if in.Name != nil {
		next.Name = *in.Name
	}
	if in.SetImage {
		next.Image = in.Image
	}
	if _, err := pg.Q.UserUpdate(ctx, tx, next); err != nil {
		return err
	}
	return s.log(ctx, tx, current, in.Caller, audit.Act{
		Action: "account.update", Target: current.User.ID,
		Details: map[string]any{
			"before": map[string]any{"name": before.User.Name, "image": before.User.Image},
			"after":  map[string]any{"name": next.Name, "image": next.Image},
		},
	})
}

// Deletion is a user's wish to be no more.
type Deletion struct {
	Password string // "" = the session has to be fresh
	Token    string // of a mail that a Better Auth server sent; "" = none
	Page     string // accepted and of no effect but to be judged, as in Better Auth
	Caller   Caller
}

// DeleteUser removes the caller's user with all sessions, revokes the API keys and clears the cookies. The books stay as
// they are. It fails with a Problem when there is no session, the password is wrong, the session is not fresh (that of an
// administrator who impersonates never is) or a task is under way, and with RateLimited as SignIn does.
func (s *Sessions) DeleteUser(ctx context.Context, in Deletion) error {
	if in.Page != "" && !s.Trusts(in.Page) {
		return problemCallback
	}
	current, err := s.required(ctx, in.Caller)
	if err != nil {
		return err
	}
	if in.Password != "" {
		if err := s.prove(ctx, current, in.Password); err != nil {
			return err
		}
	} else if in.Token == "" && (!s.fresh(current.Session) || current.Session.ImpersonatedBy != nil) {
		return problemSessionOld
	}
	err = pg.InTx(ctx, s.pool, func(tx pg.Tx) error { return s.deleteUser(ctx, tx, current, in) })
	if err != nil {
		return pg.Public(fault.Wrap(err, "delete a user"))
	}
	s.clearSessionCookies(ctx)
	return nil
}

func (s *Sessions) deleteUser(ctx context.Context, tx pg.Tx, current *Current, in Deletion) error {
	userID := current.User.ID
	if in.Token != "" {
		if err := s.useDeletion(ctx, tx, userID, in.Token); err != nil {
			return err
		}
	}
	// User, keys, account: in the order of those who make and change keys.
	if _, err := pg.Q.UserLock(ctx, tx, userID); err != nil {
		return err
	}
	revoked, err := pg.Q.APIKeyRevokeOfUser(ctx, tx, userID)
	if err != nil {
		return err
	}
	// Locks the account, so that no task can be paid for meanwhile.
	open, err := pg.Q.TaskAnyOpen(ctx, tx, userID)
	if err != nil {
		return err
	}
	if open {
		return problemTasksOpen
	}
	if _, err := pg.Q.UserDelete(ctx, tx, userID); err != nil {
		return err
	}
	return s.log(ctx, tx, current, in.Caller, audit.Act{
		Action: "account.delete", Target: userID, Details: map[string]any{"revoked_keys": revoked},
	})
}

// useDeletion uses up the token of a mail that asked whether to delete the user.
func (s *Sessions) useDeletion(ctx context.Context, tx pg.Tx, userID, token string) error {
	row, err := pg.Q.VerificationByIdentifierAnyOwner(ctx, tx, deletePrefix+token)
	if pg.NoRows(err) || err == nil && row.Value != userID {
		return problemTokenUnknown
	}
	if err != nil {
		return err
	}
	used, err := pg.Q.VerificationConsumeAnyOwner(ctx, tx, db.VerificationConsumeAnyOwnerParams{Identifier: row.Identifier, Now: s.now()})
	if err == nil && used == 0 {
		return problemTokenUnknown
	}
	return err
}
