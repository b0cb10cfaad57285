package auth

import (
	"context"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/pg"
)

// Current is a live session and its user.
type Current struct {
	Session db.Session
	User    db.User
}

// Get gives the caller's session, or nil when there is none or its user is suspended.
//
// As in Better Auth, a session whose end is 6 days off or nearer, or what the times say in their place, is given 7 days
// again and its cookie is sent anew, unless the browser is to forget it or the caller disables it. A session in which an
// administrator impersonates its user is never extended. The cookies of a session that ended are
// cleared; a cookie that no secret of ours signed is left alone.
func (s *Sessions) Get(ctx context.Context, c Caller) (*Current, error) {
	token, ok := VerifyCookie(c.SessionCookie, s.secrets...)
	if !ok {
		return nil, nil
	}
	row, found, err := s.find(ctx, token)
	if err != nil {
		return nil, err
	}
	now := s.now()
	if !found {
		s.clearSessionCookies(ctx)
		return nil, nil
	}
	if s.expired(row.Session, now) {
		return nil, s.discard(ctx, token)
	}
	if suspended(row.User.Banned, row.User.BanExpires, now) {
		return nil, nil
	}
	current := &Current{Session: row.Session, User: row.User}
	due := row.Session.ExpiresAt.Add(s.times.UpdateAge - s.times.Lifetime)
	end := s.times.end(row.Session.CreatedAt, now)
	// An administrator who impersonates has an hour, whatever became of the cookie that says so.
	impersonated := row.Session.ImpersonatedBy != nil
	if c.DontRemember || c.DisableRefresh || impersonated || now.Before(due) || !end.After(row.Session.ExpiresAt) {
		return current, nil
	}
	current.Session, err = pg.Q.SessionExtendAnyOwner(ctx, s.pool, db.SessionExtendAnyOwnerParams{
		Token: token, ExpiresAt: end, UpdatedAt: now,
	})
	if pg.NoRows(err) {
		// Ended by another request meanwhile.
		s.clearSessionCookies(ctx)
		return nil, nil
	}
	if err != nil {
		return nil, pg.Public(fault.Wrap(err, "extend a session"))
	}
	s.setSessionCookies(ctx, token, false, c)
	return current, nil
}

// discard removes a session that has expired.
func (s *Sessions) discard(ctx context.Context, token string) error {
	_, err := pg.Q.SessionDeleteAnyOwner(ctx, s.pool, token)
	if err != nil && !pg.NoRows(err) {
		return pg.Public(fault.Wrap(err, "remove an expired session"))
	}
	s.clearSessionCookies(ctx)
	return nil
}
