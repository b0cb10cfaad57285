package mock

import (
	"context"
	"time"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/id"
	"github.com/eggapi/eggapi/internal/provider"
	"github.com/eggapi/eggapi/internal/task"
)

const (
	route        = "sandbox"
	shortestPoll = 50 * time.Millisecond
)

// drawingUnits bounds the pictures drawn at once. A unit is a picture of 1k, of which 2k has four and 4k sixteen.
const drawingUnits = 64

var units = map[string]int64{"1k": 1, "2k": 4, "4k": 16}

// advance takes a task from pending to its end. Of one that was forgotten, or when the mock stops, nothing is told.
func (m *Mock) advance(ctx context.Context, j *job) {
	limited, cancel := context.WithTimeout(ctx, j.row.DeadlineAt.Sub(m.now()))
	defer cancel()
	started := m.now()
	m.memory.mu.Lock()
	j.row.Status, j.row.StartedAt = task.StatusProcessing, &started
	row := j.row
	m.memory.mu.Unlock()
	pictures, failure := m.draw(limited, row)
	if limited.Err() != nil && len(pictures) == 0 {
		failure = provider.TimeoutFailure
	}
	if m.settle(ctx, j, pictures, failure) {
		m.announce(ctx, j)
	}
}

// draw makes the pictures of a task, with the further tries that the router's policy allows on one route.
func (m *Mock) draw(ctx context.Context, row db.Task) ([]provider.Image, provider.Failure) {
	if !pause(ctx, m.o.Latency) {
		return nil, provider.TimeoutFailure
	}
	inputs, err := m.inputs(ctx, row.ImageURLs)
	if err != nil {
		return nil, provider.InputImageFailure
	}
	routes := []provider.Route{{ID: route, Provider: route, UpstreamModel: route, Caps: provider.SandboxCaps()}}
	need := provider.Need{Inputs: len(inputs), AspectRatio: row.AspectRatio, Resolution: row.Resolution}
	var tries []provider.Try
	for {
		choice, ok := provider.Next(routes, need, tries)
		if !ok {
			return nil, provider.PublicFailure(lastClass(tries))
		}
		if !pause(ctx, choice.Delay) {
			return nil, provider.TimeoutFailure
		}
		result, err := m.call(ctx, row, provider.Request{
			AttemptID: id.New(id.Attempt, m.now()), UpstreamModel: route, Prompt: row.Prompt, NegativePrompt: orEmpty(row.NegativePrompt),
			AspectRatio: row.AspectRatio, Resolution: row.Resolution, Count: int(row.NumOutputs), Try: len(tries), Inputs: inputs,
		})
		if err == nil {
			return result.Images, provider.Failure{}
		}
		class, rest := provider.ClassOf(err)
		tries = append(tries, provider.Try{RouteID: route, Class: class, RetryAfter: rest})
	}
}

// call submits to the sandbox and asks after a slow job until it is done.
func (m *Mock) call(ctx context.Context, row db.Task, r provider.Request) (*provider.Result, error) {
	var submission provider.Submission
	err := m.whileDrawing(ctx, row, func() (err error) {
		submission, err = m.sandbox.Submit(ctx, r)
		return err
	})
	if err != nil || submission.Done != nil {
		return submission.Done, err
	}
	for {
		var status provider.Status
		err := m.whileDrawing(ctx, row, func() (err error) {
			status, err = m.sandbox.Poll(ctx, *submission.Ref)
			return err
		})
		if err != nil || status.State == provider.Done {
			return status.Result, err
		}
		if !pause(ctx, max(status.NextPoll, shortestPoll)) {
			return nil, ctx.Err()
		}
	}
}

// whileDrawing waits for room to draw.
func (m *Mock) whileDrawing(ctx context.Context, row db.Task, draw func() error) error {
	weight := units[row.Resolution]
	if err := m.drawing.Acquire(ctx, weight); err != nil {
		return err
	}
	defer m.drawing.Release(weight)
	return draw()
}

// inputs gets the images to work from.
func (m *Mock) inputs(ctx context.Context, urls []string) ([]provider.Input, error) {
	inputs := make([]provider.Input, len(urls))
	for i, u := range urls {
		image, err := m.outside.Image(ctx, u)
		if err != nil {
			m.o.Logger.InfoContext(ctx, "an input image was not to be had", "error", err)
			return nil, err
		}
		inputs[i] = provider.Input{Data: image.Data, MIME: image.MIME, Width: image.Width, Height: image.Height}
	}
	return inputs, nil
}

// settle ends a task: with k of n pictures delivered it completes and k are charged for; with none it fails and costs
// nothing. It is false for a task that was forgotten.
func (m *Mock) settle(ctx context.Context, j *job, pictures []provider.Image, f provider.Failure) bool {
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	if ctx.Err() != nil {
		return false
	}
	now := m.now()
	paths := m.files.put(j.row.ID, pictures, now)
	row := &j.row
	row.CompletedAt, j.paths = &now, paths
	if len(paths) == 0 {
		row.Status, row.Error, row.FailureCode, row.FailureRetryable = task.StatusFailed, &f.Message, &f.Code, &f.Retryable
	} else {
		row.Status = task.StatusCompleted
		if row.Environment == task.EnvironmentLive {
			row.CostMicros = row.UnitPriceMicros * int64(len(paths))
		}
		j.usage = &db.UsageRecord{
			ID: id.New(id.Usage, now), UserID: row.UserID, Environment: row.Environment, TaskID: row.ID, APIKeyID: row.APIKeyID,
			Model: row.Model, Type: row.Type, Units: int32(len(paths)), CostMicros: row.CostMicros, CreatedAt: now, //nolint:gosec // at most four
		}
	}
	if row.Environment == task.EnvironmentLive {
		m.memory.charge(*row)
	}
	return true
}

func lastClass(tries []provider.Try) provider.Class {
	if len(tries) == 0 {
		return provider.Fallback
	}
	return tries[len(tries)-1].Class
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
