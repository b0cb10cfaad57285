package task

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/coalesce"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/id"
	"github.com/eggapi/eggapi/internal/pg"
)

// note is a call to a provider that is about to be made.
type note struct {
	id, taskID, owner string
	call              call
}

// noteSet writes the rows of calls before they are made. The answer tells whether the call may be made: the task must still
// be its worker's.
func (t *Tasks) noteSet(ctx context.Context, set []note) ([]coalesce.Reply[bool], error) {
	var noted []string
	err := pg.InPipe(ctx, t.Pool, func(p *pg.Pipe) error {
		inserted := noteCalls(ctx, p, set)
		if err := p.Send(ctx); err != nil {
			return err
		}
		var err error
		noted, err = pg.Rows(inserted.Query)
		return err
	})
	if err != nil {
		return nil, fault.Wrap(err, "note calls")
	}
	may := make(map[string]bool, len(noted))
	for _, attemptID := range noted {
		may[attemptID] = true
	}
	replies := make([]coalesce.Reply[bool], len(set))
	for i, n := range set {
		replies[i].Answer = may[n.id]
	}
	return replies, nil
}

func noteCalls(ctx context.Context, p *pg.Pipe, set []note) *db.AttemptInsertSetAnyOwnerBatchResults {
	var rows db.AttemptInsertSetAnyOwnerParams
	for _, n := range set {
		rows.IDs = append(rows.IDs, n.id)
		rows.TaskIDs = append(rows.TaskIDs, n.taskID)
		rows.RouteIDs = append(rows.RouteIDs, n.call.route.ID)
		rows.Providers = append(rows.Providers, n.call.route.Provider)
		rows.UpstreamModels = append(rows.UpstreamModels, n.call.route.UpstreamModel)
		rows.Images = append(rows.Images, arrayText(n.call.images))
		rows.LeaseOwners = append(rows.LeaseOwners, n.owner)
	}
	return pg.Q.AttemptInsertSetAnyOwner(ctx, p, []db.AttemptInsertSetAnyOwnerParams{rows})
}

// note gives the id under which a call was noted, now or along with the lease.
func (w *work) note(ctx context.Context, c call) (attemptID string, err error) {
	for _, n := range w.noted {
		if slices.Equal(n.call.images, c.images) && n.call.try == c.try {
			return n.id, nil
		}
	}
	n := note{id: id.New(id.Attempt, w.Clock()), taskID: w.taskID, owner: w.owner, call: c}
	noted, err := w.calls.Do(ctx, n)
	if err == nil && !noted {
		err = errLeaseLost
	}
	return n.id, err
}

// arrayText spells numbers as PostgreSQL spells an array, since an array of arrays cannot have rows of different lengths.
func arrayText(numbers []int32) string {
	texts := make([]string, len(numbers))
	for i, n := range numbers {
		texts[i] = strconv.Itoa(int(n))
	}
	return "{" + strings.Join(texts, ",") + "}"
}
