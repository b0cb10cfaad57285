package task

import (
	"context"

	"github.com/eggapi/eggapi/internal/provider"
)

// End lets tests end a task as workers and the sweep do.
func (d Deps) End(ctx context.Context, taskID string) error {
	return d.end(ctx, taskID, provider.TimeoutFailure)
}
