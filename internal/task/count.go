package task

import (
	"context"
	"time"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/pg"
)

// Filter says which of a user's tasks are meant. Nil members match everything; the times are exclusive.
type Filter struct {
	UserID, Environment         string
	Status, Model, Type         *string
	CreatedAfter, CreatedBefore *time.Time
}

// Count tells exactly how many tasks match, at the moment it looks. It reads two marks and the tasks that lie outside of
// them: the cost does not grow with the number of tasks.
func Count(ctx context.Context, executor db.DBTX, f Filter) (int64, error) {
	p := db.TaskCountParams{
		UserID: f.UserID, Environment: f.Environment, Status: f.Status, Model: f.Model, Type: f.Type,
		CreatedAfter: f.CreatedAfter, CreatedBefore: f.CreatedBefore,
	}
	first, last, err := taskMarks(ctx, executor, f)
	if err != nil {
		return 0, fault.Wrap(err, "read the marks of tasks")
	}
	var marked int64
	if last != nil {
		p.MarkedUntil = &last.Until
		marked = f.inMark(*last)
	}
	if first != nil {
		p.MarkedFrom = &first.Until
		marked -= f.inMark(*first)
	}
	// What a mark counts never changes, so it is true in whatever snapshot the rest is counted.
	rest, err := pg.Q.TaskCount(ctx, pg.Replanned(executor), p)
	return marked + rest, fault.Wrap(err, "count tasks")
}

// taskMarks gives the marks at the two ends of what the filter covers whole; first is nil when that begins with the first
// task, both are when no two marks lie within.
func taskMarks(ctx context.Context, executor db.DBTX, f Filter) (first, last *db.TaskMark, err error) {
	end, err := pg.Q.TaskMarkBefore(ctx, executor, db.TaskMarkBeforeParams{
		UserID: f.UserID, Environment: f.Environment, CreatedBefore: orForever(f.CreatedBefore),
	})
	if pg.NoRows(err) {
		return nil, nil, nil
	}
	if err != nil || f.CreatedAfter == nil {
		return nil, &end, err
	}
	start, err := pg.Q.TaskMarkAfter(ctx, executor, db.TaskMarkAfterParams{
		UserID: f.UserID, Environment: f.Environment, CreatedAfter: *f.CreatedAfter,
	})
	if pg.NoRows(err) || err == nil && !start.Until.Before(end.Until) {
		return nil, nil, nil
	}
	return &start, &end, err
}

// inMark tells how many of the tasks that a mark counts match the filter's words.
func (f Filter) inMark(m db.TaskMark) int64 {
	var n int64
	for i, count := range m.Counts {
		if matches(f.Model, m.Models[i]) && matches(f.Type, m.Types[i]) && matches(f.Status, m.Statuses[i]) {
			n += count
		}
	}
	return n
}

func matches(want *string, have string) bool { return want == nil || *want == have }

// orForever gives a time after every time that the contract lets a client name.
func orForever(t *time.Time) time.Time {
	if t == nil {
		return time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return *t
}
