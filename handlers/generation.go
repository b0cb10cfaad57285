package handlers

import (
	"context"

	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/task"
)

// The contract's defaults; a test holds them against it.
const (
	defaultAspectRatio = "16:9"
	defaultNumOutputs  = 1
)

type generation struct {
	tasks *task.Tasks
}

// Generate accepts a task.
func (g *generation) Generate(ctx context.Context, r api.GenerateRequestObject) (api.GenerateResponseObject, error) {
	p := auth.PrincipalFrom(ctx)
	caller := task.Caller{
		UserID: p.UserID, Environment: p.Environment, APIKeyID: orNil(p.KeyID, p.KeyID != ""), IdempotencyKey: r.Params.IdempotencyKey,
	}
	if p.Rights != nil {
		caller.Models, caller.Metered = p.Rights.Models, p.Rights.Metered
	}
	accepted, err := g.tasks.Submit(ctx, caller, ToTaskRequest(*r.Body))
	if err != nil {
		return nil, err
	}
	t := accepted.Task
	return api.Generate202JSONResponse{
		Headers: api.Generate202ResponseHeaders{IdempotentReplayed: orNil("true", accepted.Replayed)},
		// What was true at the creation, so that a replay repeats the first answer.
		Body: api.TaskEnvelope{Data: api.Task{
			ID: t.ID, Status: task.StatusPending, Model: t.Model, Type: t.Type,
			Cost: "$0.00", CreatedAt: WholeSeconds(t.CreatedAt),
		}},
	}, nil
}

// ToTaskRequest gives a validated body as a task's request, with the contract's defaults.
func ToTaskRequest(b api.GenerateRequest) task.Request {
	r := task.Request{
		Model: b.Model, Prompt: b.Prompt, NegativePrompt: b.NegativePrompt, AspectRatio: defaultAspectRatio,
		NumOutputs: defaultNumOutputs, Duration: b.Duration, Resolution: text(b.Resolution), ImageURLs: b.ImageUrls,
		WebhookURL: b.WebhookURL,
	}
	if b.AspectRatio != nil {
		r.AspectRatio = string(*b.AspectRatio)
	}
	if b.NumOutputs != nil {
		r.NumOutputs = *b.NumOutputs
	}
	return r
}
