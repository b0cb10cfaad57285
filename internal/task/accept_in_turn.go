package task

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/coalesce"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/ledger"
	"github.com/eggapi/eggapi/internal/meter"
	"github.com/eggapi/eggapi/internal/pg"
)

// acceptInTurn does what acceptSet does inside one transaction: the keys are claimed, the accounts and meters locked, then each
// submission is accepted or refused in the order of their coming, against what those before it left.
func (t *Tasks) acceptInTurn(ctx context.Context, set []*submission) ([]coalesce.Reply[bool], error) {
	replies := make([]coalesce.Reply[bool], len(set))
	accepted := 0
	err := pg.InPipe(ctx, t.Pool, func(p *pg.Pipe) error {
		claims := claimKeys(ctx, p, set, replies)
		books := ledger.LockAccounts(ctx, p, payers(set))
		meters := meter.Lock(ctx, p, uses(set))
		if err := p.Send(ctx); err != nil {
			return err
		}
		claimed, err := claims.read()
		if err != nil {
			return err
		}
		if err := errors.Join(books.Read(), meters.Read()); err != nil {
			return err
		}
		var tasks db.TaskInsertSetParams
		var forget db.IdempotencyForgetSetParams
		for i, s := range set {
			switch {
			case replies[i].Alone:
			case s.keyed() && !claimed[s.task.ID]:
				replies[i].Answer = true
			default:
				replies[i].Err = pay(books, meters, s)
				if replies[i].Err == nil {
					addTask(&tasks, s.task)
				} else if s.keyed() {
					addForget(&forget, s.claim())
				}
			}
		}
		accepted = len(tasks.IDs)
		meters.Write(ctx, p)
		if accepted > 0 {
			pg.Q.TaskInsertSet(ctx, p, []db.TaskInsertSetParams{withJobs(tasks)})
		}
		if len(forget.Keys) > 0 {
			pg.Q.IdempotencyForgetSet(ctx, p, []db.IdempotencyForgetSetParams{forget})
		}
		books.Write(ctx, p)
		return nil
	})
	if err != nil {
		return nil, fault.Wrap(err, "accept tasks")
	}
	if accepted > 0 {
		t.bell.ring(ctx, Queue)
	}
	return replies, nil
}

// pay takes what a submission needs from the meter of its key and from the account, or neither.
func pay(books *ledger.Set, meters *meter.Set, s *submission) error {
	keyID := orEmpty(s.caller.APIKeyID)
	if err := meters.Fits(keyID, s.chargeMicros()); err != nil {
		return err
	}
	if s.live() {
		if err := books.Hold(s.task.ID, s.caller.UserID, s.priceMicros()); err != nil {
			return err
		}
	}
	meters.Take(keyID, s.chargeMicros())
	return nil
}

// uses are the keys whose meters a set may take from.
func uses(set []*submission) []meter.Use {
	var list []meter.Use
	for _, s := range set {
		if s.caller.APIKeyID != nil {
			list = append(list, meter.Use{KeyID: *s.caller.APIKeyID, At: s.task.CreatedAt})
		}
	}
	return list
}

// payers are the users whose accounts a set may hold on.
func payers(set []*submission) []string {
	var users []string
	for _, s := range set {
		if s.live() {
			users = append(users, s.caller.UserID)
		}
	}
	return users
}

// claims are the keys that a set asks for.
type claims struct {
	rows *db.IdempotencyClaimSetBatchResults
}

// claimKeys notes the claims of a set, in one order whoever asks, so that no two transactions wait for each other. Of two
// submissions with one key the later is put off: whether it is a replay depends on what becomes of the first.
func claimKeys(ctx context.Context, p *pg.Pipe, set []*submission, replies []coalesce.Reply[bool]) claims {
	asked := map[claim]*submission{}
	var keyed []*submission
	for i, s := range set {
		if !s.keyed() {
			continue
		}
		if asked[s.claim()] != nil {
			replies[i].Alone = true
			continue
		}
		asked[s.claim()] = s
		keyed = append(keyed, s)
	}
	if len(keyed) == 0 {
		return claims{}
	}
	slices.SortFunc(keyed, func(a, b *submission) int { return compareClaims(a.claim(), b.claim()) })
	var rows db.IdempotencyClaimSetParams
	for _, s := range keyed {
		c := s.claim()
		rows.UserIDs = append(rows.UserIDs, c.userID)
		rows.Environments = append(rows.Environments, c.environment)
		rows.Keys = append(rows.Keys, c.key)
		rows.Fingerprints = append(rows.Fingerprints, s.fingerprint)
		rows.TaskIDs = append(rows.TaskIDs, s.task.ID)
	}
	return claims{pg.Q.IdempotencyClaimSet(ctx, p, []db.IdempotencyClaimSetParams{rows})}
}

// read gives the tasks whose claims were taken.
func (c claims) read() (map[string]bool, error) {
	if c.rows == nil {
		return nil, nil
	}
	taskIDs, err := pg.Rows(c.rows.Query)
	if err != nil {
		return nil, fault.Wrap(err, "claim idempotency keys")
	}
	taken := make(map[string]bool, len(taskIDs))
	for _, taskID := range taskIDs {
		taken[taskID] = true
	}
	return taken, nil
}

func compareClaims(a, b claim) int {
	return cmp.Or(cmp.Compare(a.userID, b.userID), cmp.Compare(a.environment, b.environment), cmp.Compare(a.key, b.key))
}

func addForget(f *db.IdempotencyForgetSetParams, c claim) {
	f.UserIDs = append(f.UserIDs, c.userID)
	f.Environments = append(f.Environments, c.environment)
	f.Keys = append(f.Keys, c.key)
}
