package mock

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/handlers"
	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/id"
	"github.com/eggapi/eggapi/internal/ledger"
	"github.com/eggapi/eggapi/internal/task"
)

// The contract's defaults.
const ()

// claimLifetime is how long an Idempotency-Key stays taken.
const claimLifetime = 24 * time.Hour

// Generate accepts a task and begins to work on it.
func (m *Mock) Generate(ctx context.Context, r api.GenerateRequestObject) (api.GenerateResponseObject, error) { //nolint:contextcheck // the task outlives the request
	asked := handlers.ToTaskRequest(*r.Body)
	p := auth.PrincipalFrom(ctx)
	if p.Rights != nil && len(p.Rights.Models) > 0 && !slices.Contains(p.Rights.Models, asked.Model) {
		return nil, task.ErrModelForbidden
	}
	drafted, err := m.draft(p, asked)
	if err != nil {
		return nil, err
	}
	work, stop := context.WithCancel(m.life)
	drafted.stop = stop
	accepted, err := m.accept(drafted, r.Params.IdempotencyKey, asked)
	if err != nil {
		stop()
		return nil, err
	}
	result := api.Generate202JSONResponse{
		// What was true at the creation, so that a replay repeats the first answer.
		Body: api.TaskEnvelope{Data: api.Task{
			ID: accepted.row.ID, Status: task.StatusPending, Model: accepted.row.Model, Type: accepted.row.Type,
			Cost: "$0.00", CreatedAt: handlers.WholeSeconds(accepted.row.CreatedAt),
		}},
	}
	if accepted != drafted {
		stop()
		replayed := "true"
		result.Headers.IdempotentReplayed = &replayed
		return result, nil
	}
	m.work.Go(func() {
		defer stop()
		m.advance(work, drafted)
	})
	return result, nil
}

// draft works out the task a request becomes, by the rules of the real service.
func (m *Mock) draft(p auth.Principal, r task.Request) (*job, error) {
	if err := (task.Deps{Images: m.outside}).CheckURLs(r); err != nil {
		return nil, err
	}
	model, resolution, unitMicros, ok := quote(r.Model, r.Resolution)
	if !ok {
		return nil, task.ErrNotSold
	}
	if err := task.CheckLimits(model, r); err != nil {
		return nil, err
	}
	now, kind, limit := m.now(), task.TypeGenerate, m.o.Deadline
	if len(r.ImageURLs) > 0 {
		kind = task.TypeEdit
	}
	if limit == 0 {
		limit = task.Deadline(resolution)
	}
	row := db.Task{
		ID: id.New(id.Task, now), UserID: p.UserID, Environment: p.Environment, Model: r.Model, Type: kind,
		Status: task.StatusPending, Prompt: r.Prompt, NegativePrompt: r.NegativePrompt, AspectRatio: r.AspectRatio,
		Resolution: resolution, NumOutputs: r.NumOutputs, DurationSeconds: r.Duration, ImageURLs: r.ImageURLs,
		WebhookURL: r.WebhookURL, UnitPriceMicros: unitMicros, DeadlineAt: now.Add(limit), CreatedAt: now,
	}
	if p.KeyID != "" {
		row.APIKeyID = &p.KeyID
	}
	return &job{row: row}, nil
}

// accept claims the Idempotency-Key, holds the price and stores the task, or gives the task the key was used for.
func (m *Mock) accept(drafted *job, key *string, r task.Request) (*job, error) {
	fingerprint, err := json.Marshal(r)
	if err != nil {
		return nil, fault.Wrap(err, "fingerprint a request")
	}
	row := drafted.row
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	var claimed string
	if key != nil {
		claimed = strings.Join([]string{row.UserID, row.Environment, *key}, " ")
		if c := m.memory.claims.get(claimed); c != nil && row.CreatedAt.Before(c.expiresAt) {
			if c.fingerprint != string(fingerprint) {
				return nil, task.ErrMismatch
			}
			return c.job, nil
		}
	}
	if row.Environment == task.EnvironmentLive && !m.memory.hold(row.UserID, row.UnitPriceMicros*int64(row.NumOutputs)) {
		return nil, ledger.ErrInsufficient
	}
	if key != nil {
		m.memory.claims.put(claimed, &claim{fingerprint: string(fingerprint), job: drafted, expiresAt: row.CreatedAt.Add(claimLifetime)})
	}
	if forgotten := m.memory.jobs.put(row.ID, drafted); forgotten != nil {
		m.memory.drop(forgotten)
	}
	return drafted, nil
}

// drop ends the work on a task that was forgotten, and releases what it held.
func (m *memory) drop(j *job) {
	j.stop()
	if j.row.CompletedAt == nil && j.row.Environment == task.EnvironmentLive {
		m.charge(j.row)
	}
}
