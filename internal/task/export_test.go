package task

import (
	"context"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/provider"
)

// How many sets of one kind run at a time.
const (
	WriteSlots = writeSlots
	ReadSlots  = readSlots
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

// Lease lets tests ask for a task as a worker does.
func (t *Tasks) Lease(ctx context.Context, taskID, owner string) (held bool, err error) {
	l, err := t.leases.Do(ctx, leaseRequest{taskID, owner})
	return l.held, err
}

// NoteCall lets tests note a call as a worker does before he makes it.
func (t *Tasks) NoteCall(ctx context.Context, attemptID, taskID, owner string) (noted bool, err error) {
	c := call{route: provider.Route{ID: "r", Provider: "p", UpstreamModel: "m"}, images: []int32{0}}
	return t.calls.Do(ctx, note{id: attemptID, taskID: taskID, owner: owner, call: c})
}

// Waiting tells tests how many requests wait for the next set, of whatever kind.
func (t *Tasks) Waiting() int {
	return t.accepts.Waiting() + t.leases.Waiting() + t.calls.Waiting() + t.outcomes.Waiting() + t.reads.Waiting()
}
