package handlers

import (
	"context"
	"time"

	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/money"
	"github.com/eggapi/eggapi/internal/pg"
	"github.com/eggapi/eggapi/internal/task"
)

// ErrTaskNotFound refuses an id that is nobody's, or somebody else's.
var ErrTaskNotFound = fault.New(fault.NotFound, "Task not found")

type tasks struct {
	pool    db.DBTX
	tasks   *task.Tasks
	fileURL func(path string) string
}

// GetTask gives one task.
func (t *tasks) GetTask(ctx context.Context, r api.GetTaskRequestObject) (api.GetTaskResponseObject, error) {
	p := auth.PrincipalFrom(ctx)
	environment, err := EnvironmentOf(p, r.Params.Environment)
	if err != nil {
		return nil, err
	}
	row, err := t.tasks.Get(ctx, db.TaskGetParams{ID: r.ID, UserID: p.UserID, Environment: environment})
	if err != nil {
		return nil, err
	}
	if row == nil {
		return nil, ErrTaskNotFound
	}
	return api.GetTask200JSONResponse{Data: ToTask(row.Task, row.Paths, t.fileURL)}, nil
}

// ListTasks gives a page of tasks.
func (t *tasks) ListTasks(ctx context.Context, r api.ListTasksRequestObject) (api.ListTasksResponseObject, error) {
	p, q := auth.PrincipalFrom(ctx), r.Params
	at := newPage(q.Page, q.PerPage)
	environment, err := EnvironmentOf(p, q.Environment)
	if err != nil {
		return nil, err
	}
	filter := task.Filter{
		UserID: p.UserID, Environment: environment, Status: text(q.Status), Model: q.Model, Type: text(q.Type),
		CreatedAfter: q.CreatedAfter, CreatedBefore: q.CreatedBefore,
	}
	total, err := task.Count(ctx, t.pool, filter)
	if err != nil {
		return nil, err
	}
	if at.offset() >= total { // or all that does not match would be read in search of it
		return api.ListTasks200JSONResponse{Data: api.TaskList{Items: []api.Task{}, Pagination: at.pagination(total)}}, nil
	}
	rows, err := listTasks(ctx, pg.Replanned(t.pool), db.TaskListParams{
		UserID: filter.UserID, Environment: filter.Environment, Status: filter.Status, Model: filter.Model, Type: filter.Type,
		CreatedAfter: filter.CreatedAfter, CreatedBefore: filter.CreatedBefore, RowLimit: at.limit(), RowOffset: at.offset(),
	})
	if err != nil {
		return nil, fault.Wrap(err, "list tasks")
	}
	items := make([]api.Task, len(rows))
	for i, row := range rows {
		items[i] = ToTask(row.Task, row.Paths, t.fileURL)
	}
	return api.ListTasks200JSONResponse{Data: api.TaskList{Items: items, Pagination: at.pagination(total)}}, nil
}

var errOtherEnvironment = fault.New(fault.BadRequest, "request is malformed").
	WithFields(fault.Field{In: "query", Name: "environment", Rule: "key", Message: "must be that of the API key, or absent"})

// EnvironmentOf gives the environment that is meant: a key's own, and for a session the one it asks for. It fails with
// BAD_REQUEST when a key asks for another than its own.
func EnvironmentOf(p auth.Principal, asked *api.Environment) (string, error) {
	if asked == nil {
		return p.Environment, nil
	}
	if p.Kind == auth.KindKey && string(*asked) != p.Environment {
		return "", errOtherEnvironment
	}
	return string(*asked), nil
}

// listTasks asks in the way that has an index: open and failed tasks are few, so their other filters may be looked at row by row.
func listTasks(ctx context.Context, executor db.DBTX, p db.TaskListParams) ([]db.TaskListRow, error) {
	few := p.Status != nil && *p.Status != task.StatusCompleted
	if few || p.Model == nil && p.Type == nil {
		return pg.Q.TaskList(ctx, executor, p)
	}
	found, err := pg.Q.TaskListOfKind(ctx, executor, db.TaskListOfKindParams{
		UserID: p.UserID, Environment: p.Environment, Status: p.Status, Model: p.Model, Type: p.Type,
		CreatedAfter: p.CreatedAfter, CreatedBefore: p.CreatedBefore, RowLimit: p.RowLimit, RowOffset: p.RowOffset,
	})
	rows := make([]db.TaskListRow, len(found))
	for i, row := range found {
		rows[i] = db.TaskListRow(row)
	}
	return rows, err
}

// ToTask gives a task as the contract has it. What it does not have yet is left out, as the public service does. paths are
// those of its images, and fileURL says where a path is served.
func ToTask(row db.Task, paths []string, fileURL func(path string) string) api.Task {
	result := api.Task{
		ID: row.ID, Status: row.Status, Model: row.Model, Type: row.Type,
		Cost: money.Dollars(row.CostMicros), CreatedAt: WholeSeconds(row.CreatedAt),
		StartedAt: wholeSecondsOrNil(row.StartedAt), CompletedAt: wholeSecondsOrNil(row.CompletedAt),
	}
	if row.Status == task.StatusCompleted {
		urls := make([]string, len(paths))
		for i, path := range paths {
			urls[i] = fileURL(path)
		}
		result.Output = &api.TaskOutput{URL: urls[0], Urls: urls}
	}
	if row.Status == task.StatusFailed {
		result.Error = row.Error
		result.Failure = &api.TaskFailure{Code: *row.FailureCode, Retryable: *row.FailureRetryable}
	}
	return result
}

// WholeSeconds spells times as the contract does: UTC, without a fraction.
func WholeSeconds(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

func wholeSecondsOrNil(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	whole := WholeSeconds(*t)
	return &whole
}
