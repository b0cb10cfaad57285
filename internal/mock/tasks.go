package mock

import (
	"context"
	"iter"

	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/money"
	"github.com/eggapi/eggapi/internal/task"
)

var errTaskNotFound = fault.New(fault.NotFound, "Task not found")

// GetTask gives one task.
func (m *Mock) GetTask(ctx context.Context, r api.GetTaskRequestObject) (api.GetTaskResponseObject, error) {
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	j := m.memory.jobs.get(r.ID)
	if j == nil || !j.belongsTo(auth.PrincipalFrom(ctx)) {
		return nil, errTaskNotFound
	}
	return api.GetTask200JSONResponse{Data: m.toTask(j)}, nil
}

// ListTasks gives a page of tasks.
func (m *Mock) ListTasks(ctx context.Context, r api.ListTasksRequestObject) (api.ListTasksResponseObject, error) {
	q := r.Params
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	mine := only(m.memory.jobsOf(auth.PrincipalFrom(ctx)), func(j *job) bool {
		return is(q.Status, j.row.Status) && is(q.Model, j.row.Model) && is(q.Type, j.row.Type) &&
			between(j.row.CreatedAt, q.CreatedAfter, q.CreatedBefore)
	})
	items, pagination := page(mine, q.Page, q.PerPage, m.toTask)
	return api.ListTasks200JSONResponse{Data: api.TaskList{Items: items, Pagination: pagination}}, nil
}

// jobsOf gives the tasks a caller may see, the newest first.
func (m *memory) jobsOf(p auth.Principal) iter.Seq[*job] {
	return only(m.jobs.newest(), func(j *job) bool { return j.belongsTo(p) })
}

func (j *job) belongsTo(p auth.Principal) bool {
	return j.row.UserID == p.UserID && j.row.Environment == p.Environment
}

// toTask leaves out what a task does not have yet, as the real service does.
func (m *Mock) toTask(j *job) api.Task {
	row := j.row
	result := api.Task{
		ID: row.ID, Status: row.Status, Model: row.Model, Type: row.Type,
		Cost: money.Dollars(row.CostMicros), CreatedAt: wholeSeconds(row.CreatedAt),
		StartedAt: wholeSecondsOrNil(row.StartedAt), CompletedAt: wholeSecondsOrNil(row.CompletedAt),
	}
	if row.Status == task.StatusCompleted {
		urls := m.urls(j.paths)
		result.Output = &api.TaskOutput{URL: urls[0], Urls: urls}
	}
	if row.Status == task.StatusFailed {
		result.Error = row.Error
		result.Failure = &api.TaskFailure{Code: *row.FailureCode, Retryable: *row.FailureRetryable}
	}
	return result
}

func (m *Mock) urls(paths []string) []string {
	urls := make([]string, len(paths))
	for i, path := range paths {
		urls[i] = m.o.PublicURL + filesPath + path
	}
	return urls
}
