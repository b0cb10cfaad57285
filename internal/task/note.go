package task

import (
	"context"
	"strconv"
	"strings"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/pg"
	"github.com/eggapi/eggapi/internal/pg/coalesce"
)

// note is a call to a provider that is about to be made.
type note struct {
	id, taskID, owner string
	call              call
}

// noteSet writes the rows of calls before they are made. The answer tells whether the call may be made: the task must still
// be its worker's.
func (t *Tasks) noteSet(ctx context.Context, set []note) ([]coalesce.Reply[bool], error) {
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
	var noted []string
	err := pg.InPipe(ctx, t.Pool, func(p *pg.Pipe) error {
		inserted := pg.Q.AttemptInsertSetAnyOwner(ctx, p, []db.AttemptInsertSetAnyOwnerParams{rows})
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

// arrayText spells numbers as PostgreSQL spells an array, since an array of arrays cannot have rows of different lengths.
func arrayText(numbers []int32) string {
	texts := make([]string, len(numbers))
	for i, n := range numbers {
		texts[i] = strconv.Itoa(int(n))
	}
	return "{" + strings.Join(texts, ",") + "}"
}
