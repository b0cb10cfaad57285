package task

import (
	"context"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/provider"
)

// End lets tests end a task as workers and the sweep do.
func (t *Tasks) End(ctx context.Context, taskID string) error {
	return t.end(ctx, taskID, provider.TimeoutFailure)
}

// Deliver lets tests add an image to a task as a worker does that has more to wait for.
func (t *Tasks) Deliver(ctx context.Context, taskID, attemptID string, image int32) error {
	_, err := t.outcomes.Do(ctx, outcome{
		taskID: taskID,
		made: &made{attemptID: attemptID, outputs: []db.Output{
			{Image: image, Path: "images/x/0.png", MIME: "image/png", SizeBytes: 1, Width: 1, Height: 1},
		}},
		judge: func([]db.Attempt, []db.Output) (provider.Failure, bool) { return provider.Failure{}, false },
	})
	return err
}
