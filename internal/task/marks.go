package task

import (
	"context"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/pg"
)

const (
	// So many rows lie between two marks: what is counted row by row for each end of a filter.
	markRows = 200
	// A task's time of creation is a node's own, and is committed within seconds: what this allows for is clocks that
	// disagree. Usage and entries have the database's time.
	taskCalmSeconds = 600
	rowCalmSeconds  = 60
	// Users looked at in a round. Those who were given marks lately are looked at in each.
	markUsers    = 500
	markPatience = 1000
)

// owner is whose rows are counted; the ledger is not split by environment.
type owner struct{ userID, environment string }

// marker sets the marks of one table.
type marker struct {
	name string
	due  func(ctx context.Context, executor db.DBTX, userIDs []string) ([]owner, error)
	add  func(ctx context.Context, executor db.DBTX, o owner) (int64, error)
	busy map[owner]int // who was given marks lately, and for how many rounds more to look
}

func newMarkers() []*marker {
	return []*marker{
		{name: "tasks", due: tasksDue, add: addTaskMark, busy: map[owner]int{}},
		{name: "usage", due: usageDue, add: addUsageMark, busy: map[owner]int{}},
		{name: "the ledger", due: ledgerDue, add: addLedgerMark, busy: map[owner]int{}},
	}
}

func (k *Keeper) mark(ctx context.Context) error {
	users, err := pg.Q.AccountSliceAnyOwner(ctx, k.pool, db.AccountSliceAnyOwnerParams{AfterUser: k.after, RowLimit: markUsers})
	if err != nil {
		return fault.Wrap(err, "list accounts")
	}
	k.after = "" // from the beginning, when this was the end
	if len(users) == markUsers {
		k.after = users[len(users)-1]
	}
	for _, m := range k.markers {
		end := k.clock().Add(keepFor)
		found, err := m.due(ctx, k.pool, users)
		if err != nil {
			return fault.Wrap(err, "look who lacks marks of "+m.name)
		}
		for _, o := range found {
			m.busy[o] = markPatience
		}
		for o := range m.busy {
			if k.clock().After(end) {
				break
			}
			if err := m.catchUp(ctx, k, o); err != nil {
				return fault.Wrap(err, "set a mark of "+m.name)
			}
		}
	}
	return nil
}

// catchUp sets as many marks as there is time for, so that the first round after an upgrade need not do the work of years.
func (m *marker) catchUp(ctx context.Context, k *Keeper, o owner) error {
	m.busy[o]--
	for end := k.clock().Add(keepFor / 2); k.clock().Before(end); {
		n, err := m.add(ctx, k.pool, o)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		m.busy[o] = markPatience
	}
	if m.busy[o] <= 0 {
		delete(m.busy, o)
	}
	return nil
}

func tasksDue(ctx context.Context, executor db.DBTX, userIDs []string) ([]owner, error) {
	rows, err := pg.Q.TaskMarkDueAnyOwner(ctx, executor, db.TaskMarkDueAnyOwnerParams{UserIDs: userIDs, MarkRows: markRows})
	owners := make([]owner, len(rows))
	for i, r := range rows {
		owners[i] = owner{r.UserID, r.Environment}
	}
	return owners, err
}

func usageDue(ctx context.Context, executor db.DBTX, userIDs []string) ([]owner, error) {
	rows, err := pg.Q.UsageMarkDueAnyOwner(ctx, executor, db.UsageMarkDueAnyOwnerParams{UserIDs: userIDs, MarkRows: markRows})
	owners := make([]owner, len(rows))
	for i, r := range rows {
		owners[i] = owner{r.UserID, r.Environment}
	}
	return owners, err
}

func ledgerDue(ctx context.Context, executor db.DBTX, userIDs []string) ([]owner, error) {
	rows, err := pg.Q.LedgerMarkDueAnyOwner(ctx, executor, db.LedgerMarkDueAnyOwnerParams{UserIDs: userIDs, MarkRows: markRows})
	owners := make([]owner, len(rows))
	for i, r := range rows {
		owners[i] = owner{userID: r}
	}
	return owners, err
}

func addTaskMark(ctx context.Context, executor db.DBTX, o owner) (int64, error) {
	return pg.Q.TaskMarkAdd(ctx, executor, db.TaskMarkAddParams{
		UserID: o.userID, Environment: o.environment, CalmSeconds: taskCalmSeconds, MarkRows: markRows,
	})
}

func addUsageMark(ctx context.Context, executor db.DBTX, o owner) (int64, error) {
	return pg.Q.UsageMarkAdd(ctx, executor, db.UsageMarkAddParams{
		UserID: o.userID, Environment: o.environment, CalmSeconds: rowCalmSeconds, MarkRows: markRows,
	})
}

func addLedgerMark(ctx context.Context, executor db.DBTX, o owner) (int64, error) {
	return pg.Q.LedgerMarkAdd(ctx, executor, db.LedgerMarkAddParams{UserID: o.userID, CalmSeconds: rowCalmSeconds, MarkRows: markRows})
}
