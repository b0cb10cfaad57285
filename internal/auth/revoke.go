package auth

import (
	"context"
	"time"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/audit"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/pg"
)

// freshAge is how long after it was opened a session may do what only its user should; being extended does not renew it.
const freshAge = 24 * time.Hour

// required gives the caller's session as Get does, and fails with a Problem when there is none.
func (s *Sessions) required(ctx context.Context, c Caller) (*Current, error) {
	current, err := s.Get(ctx, c)
	if err != nil {
		return nil, err
	}
	if current == nil {
		return nil, ProblemUnauthorized
	}
	return current, nil
}

func (s *Sessions) fresh(session db.Session) bool {
	return s.now().Sub(session.CreatedAt) < freshAge
}

// List gives the live sessions of the caller's user, at most 1000. It fails with a Problem when the caller has none, or
// one that is not fresh.
func (s *Sessions) List(ctx context.Context, c Caller) ([]db.Session, error) {
	current, err := s.required(ctx, c)
	if err != nil {
		return nil, err
	}
	if !s.fresh(current.Session) {
		return nil, problemNotFresh
	}
	rows, err := pg.Q.SessionListLive(ctx, s.pool, db.SessionListLiveParams{UserID: current.User.ID, Now: s.now()})
	return rows, pg.Public(fault.Wrap(err, "list sessions"))
}

// Revoke ends the session with this token if it is one of the caller's user, and does nothing for any other.
func (s *Sessions) Revoke(ctx context.Context, c Caller, token string) error {
	current, err := s.required(ctx, c)
	if err != nil {
		return err
	}
	err = pg.InTx(ctx, s.pool, func(tx pg.Tx) error {
		sessionID, err := pg.Q.SessionDelete(ctx, tx, db.SessionDeleteParams{Token: token, UserID: current.User.ID})
		if pg.NoRows(err) {
			return nil
		}
		if err != nil {
			return err
		}
		return s.log(ctx, tx, current, c, audit.Act{Action: "session.revoke", Target: sessionID})
	})
	if err != nil {
		return pg.Public(fault.Wrap(err, "end a session"))
	}
	if token == current.Session.Token {
		s.clearSessionCookies(ctx)
	}
	return nil
}

// RevokeOthers ends all sessions of the caller's user but the caller's.
func (s *Sessions) RevokeOthers(ctx context.Context, c Caller) error {
	current, err := s.required(ctx, c)
	if err != nil {
		return err
	}
	return s.revokeBut(ctx, c, current, current.Session.ID, "session.revoke_others")
}

// RevokeAll ends all sessions of the caller's user and clears the cookies.
func (s *Sessions) RevokeAll(ctx context.Context, c Caller) error {
	current, err := s.required(ctx, c)
	if err != nil {
		return err
	}
	if err := s.revokeBut(ctx, c, current, "", "session.revoke_all"); err != nil {
		return err
	}
	s.clearSessionCookies(ctx)
	return nil
}

func (s *Sessions) revokeBut(ctx context.Context, c Caller, current *Current, keptID, action string) error {
	err := pg.InTx(ctx, s.pool, func(tx pg.Tx) error {
		ended, err := pg.Q.SessionDeleteOthers(ctx, tx, db.SessionDeleteOthersParams{UserID: current.User.ID, KeptID: keptID})
		if err != nil {
			return err
		}
		return s.log(ctx, tx, current, c, audit.Act{Action: action, Target: current.User.ID, Details: map[string]any{"ended": ended}})
	})
	return pg.Public(fault.Wrap(err, "end sessions"))
}

// log writes an act of a user who is signed in.
func (s *Sessions) log(ctx context.Context, tx pg.Tx, current *Current, c Caller, a audit.Act) error {
	a.Actor = actor(current.User.ID, c)
	if current.Session.ImpersonatedBy != nil {
		if a.Details == nil {
			a.Details = map[string]any{}
		}
		a.Details["impersonated_by"] = *current.Session.ImpersonatedBy
	}
	return audit.Write(ctx, tx, s.now(), a)
}
