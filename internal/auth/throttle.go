package auth

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/pg"
)

// failuresKept is how long guesses are remembered: after a day without one the count begins anew.
const failuresKept = 24 * time.Hour

var errThrottled = fault.New(fault.RateLimited, "Too many wrong passwords; try again later")

// guess is one try of an account's password.
type guess struct {
	s       *Sessions
	account []byte
}

// guess counts a try before the password is looked at, so that tries that come together are counted, too. It fails with
// RateLimited when the account has to wait: after five wrong passwords in a row a second, then twice as long each time, up
// to 15 minutes. Addresses that nobody has are counted like all others, and the database counts for all processes.
func (s *Sessions) guess(ctx context.Context, email string) (guess, error) {
	sum := sha256.Sum256([]byte(email))
	g := guess{s: s, account: sum[:]}
	now := s.clock()
	_, err := pg.Q.SignInAttempt(ctx, s.pool, db.SignInAttemptParams{Account: g.account, Now: now})
	if err == nil {
		return g, nil
	}
	if !pg.NoRows(err) {
		return g, pg.Public(fault.Wrap(err, "count a try of a password"))
	}
	until, err := pg.Q.SignInWait(ctx, s.pool, g.account)
	if err != nil && !pg.NoRows(err) {
		return g, pg.Public(fault.Wrap(err, "ask how long an account has to wait"))
	}
	return g, errThrottled.After(max(until.Sub(now), time.Second))
}

// verify tells whether the password is the one that was hashed; nil stands for an account without a password, and takes as
// long. A try that the hashing had no time for is not counted.
func (g guess) verify(ctx context.Context, password string, hash *string) (ok bool, err error) {
	if hash == nil {
		err = wasteTime(ctx, password)
	} else {
		ok, err = VerifyPassword(ctx, password, *hash)
	}
	if err != nil {
		g.uncount(ctx)
		return false, err
	}
	if ok {
		return true, g.forgive(ctx, g.s.pool)
	}
	err = pg.Q.SignInFailureForgetAnyOwner(ctx, g.s.pool, g.s.clock().Add(-failuresKept))
	return false, pg.Public(fault.Wrap(err, "forget old tries of passwords"))
}

func (g guess) uncount(ctx context.Context) {
	// The caller may be gone, and it is the hashing that failed: this failure would only hide that one.
	ctx = context.WithoutCancel(ctx)
	if err := pg.Q.SignInUncount(ctx, g.s.pool, db.SignInUncountParams{Account: g.account, Now: g.s.clock()}); err != nil {
		g.s.logger.WarnContext(ctx, "a try of a password stays counted", "error", err)
	}
}

// forgive forgets the wrong passwords of an account whose owner has shown up.
func (g guess) forgive(ctx context.Context, d db.DBTX) error {
	return pg.Public(fault.Wrap(pg.Q.SignInForgive(ctx, d, g.account), "forget wrong passwords"))
}
