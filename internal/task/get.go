package task

import (
	"context"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/coalesce"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/pg"
)

// Get gives one task of a user with the paths of its files, and nil when he has none of this id. Those who ask while others
// are being answered share one statement.
func (t *Tasks) Get(ctx context.Context, p db.TaskGetParams) (*db.TaskGetRow, error) {
	return t.reads.Do(ctx, p)
}

func (t *Tasks) getSet(ctx context.Context, set []db.TaskGetParams) ([]coalesce.Reply[*db.TaskGetRow], error) {
	replies := make([]coalesce.Reply[*db.TaskGetRow], len(set))
	if len(set) == 1 {
		row, err := pg.Q.TaskGet(ctx, t.Pool, set[0])
		if err == nil {
			replies[0].Answer = &row
		}
		if pg.NoRows(err) {
			err = nil
		}
		return replies, fault.Wrap(err, "get a task")
	}
	var asked db.TaskGetSetParams
	for _, p := range set {
		asked.IDs = append(asked.IDs, p.ID)
		asked.UserIDs = append(asked.UserIDs, p.UserID)
		asked.Environments = append(asked.Environments, p.Environment)
	}
	rows, err := pg.Q.TaskGetSet(ctx, t.Pool, asked)
	if err != nil {
		return nil, fault.Wrap(err, "get tasks")
	}
	// Several may have asked for one task, but only its owner is given it.
	found := make(map[db.TaskGetParams]*db.TaskGetRow, len(rows))
	for i := range rows {
		row := db.TaskGetRow(rows[i])
		found[db.TaskGetParams{ID: row.Task.ID, UserID: row.Task.UserID, Environment: row.Task.Environment}] = &row
	}
	for i, p := range set {
		replies[i].Answer = found[p]
	}
	return replies, nil
}
