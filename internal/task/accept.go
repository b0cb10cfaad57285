package task

import (
	"context"
	"slices"
	"strings"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/coalesce"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/ledger"
	"github.com/eggapi/eggapi/internal/pg"
)

// submission is one request on its way into a commit.
type submission struct {
	caller      Caller
	fingerprint []byte // with an Idempotency-Key
	task        db.Task
}

func (s *submission) keyed() bool { return s.caller.IdempotencyKey != nil }

func (s *submission) metered() bool { return s.caller.Metered }

func (s *submission) live() bool { return s.caller.Environment == EnvironmentLive }

func (s *submission) priceMicros() int64 { return s.task.UnitPriceMicros * int64(s.task.NumOutputs) }

// chargeMicros is the most a submission may cost: nothing in the test environment.
func (s *submission) chargeMicros() int64 {
	if !s.live() {
		return 0
	}
	return s.priceMicros()
}

// claim names what an Idempotency-Key belongs to.
type claim struct{ userID, environment, key string }

func (s *submission) claim() claim {
	return claim{s.caller.UserID, s.caller.Environment, *s.caller.IdempotencyKey}
}

// acceptSet decides the fate of each submission: of most sets in one statement, else in turn. A refused one leaves nothing
// behind. The answer tells of a submission whose key was claimed before, so that nothing was stored for it.
func (t *Tasks) acceptSet(ctx context.Context, set []*submission) ([]coalesce.Reply[bool], error) {
	if slices.ContainsFunc(set, (*submission).keyed) {
		return t.acceptInTurn(ctx, set)
	}
	accepted, usedUp, err := t.acceptAtOnce(ctx, set)
	if err != nil {
		return nil, fault.Wrap(err, "accept tasks")
	}
	if len(accepted) > 0 {
		t.bell.ring(ctx, Queue)
	}
	orders := map[string]int{}
	for _, s := range set {
		orders[s.caller.UserID]++
	}
	replies := make([]coalesce.Reply[bool], len(set))
	var crowded []int // on accounts or keys that have not enough for all, yet may have for some
	for i, s := range set {
		switch {
		case accepted[s.task.ID]:
		case usedUp[s.task.ID]: // in turn it is told which limit that is
			crowded = append(crowded, i)
		case orders[s.caller.UserID] == 1:
			replies[i].Err = ledger.ErrInsufficient
		default:
			crowded = append(crowded, i)
		}
	}
	t.acceptCrowded(ctx, set, crowded, replies)
	return replies, nil
}

// acceptAtOnce stores what is paid for, and tells which tasks these are, and those whose key has a limit that is used up.
func (t *Tasks) acceptAtOnce(ctx context.Context, set []*submission) (accepted, usedUp map[string]bool, err error) {
	metered := slices.ContainsFunc(set, (*submission).metered)
	if len(set) == 1 && set[0].live() && !metered {
		if stored, err := t.acceptOne(ctx, set[0]); stored || err != nil {
			return map[string]bool{set[0].task.ID: stored}, nil, err
		}
	}
	var rows db.TaskInsertSetParams
	for _, s := range set {
		addTask(&rows, s.task)
	}
	rows = withJobs(rows)
	if !metered {
		accepted, decided, err := t.acceptUnmetered(ctx, rows)
		if decided || err != nil {
			return accepted, nil, err
		}
	}
	rulings, err := pg.Q.TaskAcceptMeteredSet(ctx, t.Pool, db.TaskAcceptMeteredSetParams(rows))
	accepted, usedUp = make(map[string]bool, len(rulings)), map[string]bool{}
	for _, r := range rulings {
		if r.UsedUp {
			usedUp[r.ID] = true
		} else {
			accepted[r.ID] = true
		}
	}
	return accepted, usedUp, err
}

// acceptUnmetered is acceptAtOnce for tasks whose keys have no caps. When one has, whatever was thought of it, nothing is decided.
func (t *Tasks) acceptUnmetered(ctx context.Context, rows db.TaskInsertSetParams) (accepted map[string]bool, decided bool, err error) {
	// An error of the commit is told with the rows, since the statement is a transaction of its own.
	rulings, err := pg.Q.TaskAcceptSet(ctx, t.Pool, db.TaskAcceptSetParams(rows))
	accepted = make(map[string]bool, len(rulings))
	for _, r := range rulings {
		if r.Metered {
			return nil, false, err
		}
		accepted[r.ID] = true
	}
	return accepted, true, err
}

// acceptOne is acceptUnmetered for one live task. What is not stored is not decided.
func (t *Tasks) acceptOne(ctx context.Context, s *submission) (stored bool, err error) {
	one := s.task
	one.ImageURLs = append([]string{}, one.ImageURLs...) // none is an empty list, not null
	_, err = pg.Q.TaskAcceptOne(ctx, t.Pool, db.TaskAcceptOneParams{
		ID: one.ID, UserID: one.UserID, APIKeyID: one.APIKeyID, Model: one.Model, Type: one.Type, Prompt: one.Prompt,
		NegativePrompt: one.NegativePrompt, AspectRatio: one.AspectRatio, Resolution: one.Resolution, NumOutputs: one.NumOutputs,
		DurationSeconds: one.DurationSeconds, ImageURLs: one.ImageURLs, WebhookURL: one.WebhookURL,
		PriceID: one.PriceID, UnitPriceMicros: one.UnitPriceMicros, DeadlineAt: one.DeadlineAt, CreatedAt: one.CreatedAt,
		AmountMicros: s.priceMicros(), JobKind: AdvanceArgs{}.Kind(), JobQueue: Queue, JobMaxAttempts: jobAttempts,
	})
	if pg.NoRows(err) {
		return false, nil
	}
	return err == nil, err
}

// acceptCrowded decides some of a set in turn. What becomes of them changes nothing for the others, who were answered.
func (t *Tasks) acceptCrowded(ctx context.Context, set []*submission, crowded []int, replies []coalesce.Reply[bool]) {
	if len(crowded) == 0 {
		return
	}
	rest := make([]*submission, len(crowded))
	for n, i := range crowded {
		rest[n] = set[i]
	}
	told, err := t.acceptInTurn(ctx, rest)
	for n, i := range crowded {
		switch {
		case err == nil:
			replies[i] = told[n]
		case pg.RolledBack(err):
			replies[i].Alone = true
		default:
			replies[i].Err = err
		}
	}
}

// withJobs adds what is the same for every task's job.
func withJobs(rows db.TaskInsertSetParams) db.TaskInsertSetParams {
	rows.JobKind, rows.JobQueue, rows.JobMaxAttempts = AdvanceArgs{}.Kind(), Queue, jobAttempts
	return rows
}

func addTask(rows *db.TaskInsertSetParams, t db.Task) {
	rows.IDs = append(rows.IDs, t.ID)
	rows.UserIDs = append(rows.UserIDs, t.UserID)
	rows.Environments = append(rows.Environments, t.Environment)
	rows.APIKeyIDs = append(rows.APIKeyIDs, orEmpty(t.APIKeyID))
	rows.Models = append(rows.Models, t.Model)
	rows.Types = append(rows.Types, t.Type)
	rows.Prompts = append(rows.Prompts, t.Prompt)
	rows.NegativePrompts = append(rows.NegativePrompts, orEmpty(t.NegativePrompt))
	rows.HasNegativePrompts = append(rows.HasNegativePrompts, t.NegativePrompt != nil)
	rows.AspectRatios = append(rows.AspectRatios, t.AspectRatio)
	rows.Resolutions = append(rows.Resolutions, t.Resolution)
	rows.NumsOutputs = append(rows.NumsOutputs, t.NumOutputs)
	rows.DurationsSeconds = append(rows.DurationsSeconds, orZero(t.DurationSeconds))
	// No URL that CheckURLs lets through holds a line break.
	rows.ImageURLs = append(rows.ImageURLs, strings.Join(t.ImageURLs, "\n"))
	rows.WebhookURLs = append(rows.WebhookURLs, orEmpty(t.WebhookURL))
	rows.PriceIDs = append(rows.PriceIDs, t.PriceID)
	rows.UnitPricesMicros = append(rows.UnitPricesMicros, t.UnitPriceMicros)
	rows.DeadlinesAt = append(rows.DeadlinesAt, t.DeadlineAt)
	rows.CreatedAts = append(rows.CreatedAts, t.CreatedAt)
}

func orZero(n *int32) int32 {
	if n == nil {
		return 0
	}
	return *n
}
