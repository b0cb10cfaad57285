package mock

import (
	"context"
	"iter"

	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/handlers"
	"github.com/eggapi/eggapi/internal/auth"
)

// GetTask gives one task.
func (m *Mock) GetTask(ctx context.Context, r api.GetTaskRequestObject) (api.GetTaskResponseObject, error) {
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	p, err := in(auth.PrincipalFrom(ctx), r.Params.Environment)
	if err != nil {
		return nil, err
	}
	j := m.memory.jobs.get(r.ID)
	if j == nil || !j.belongsTo(p) {
		return nil, handlers.ErrTaskNotFound
	}
	return api.GetTask200JSONResponse{Data: m.toTask(j)}, nil
}

// ListTasks gives a page of tasks.
func (m *Mock) ListTasks(ctx context.Context, r api.ListTasksRequestObject) (api.ListTasksResponseObject, error) {
	q := r.Params
	p, err := in(auth.PrincipalFrom(ctx), q.Environment)
	if err != nil {
		return nil, err
	}
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	mine := only(m.memory.jobsOf(p), func(j *job) bool {
		return is(q.Status, j.row.Status) && is(q.Model, j.row.Model) && is(q.Type, j.row.Type) &&
			between(j.row.CreatedAt, q.CreatedAfter, q.CreatedBefore)
	})
	items, pagination := page(mine, q.Page, q.PerPage, m.toTask)
	return api.ListTasks200JSONResponse{Data: api.TaskList{Items: items, Pagination: pagination}}, nil
}

// in gives a caller in the environment that is meant.
func in(p auth.Principal, asked *api.Environment) (auth.Principal, error) {
	var err error
	p.Environment, err = handlers.EnvironmentOf(p, asked)
	return p, err
}

// jobsOf gives the tasks a caller may see, the newest first.
func (m *memory) jobsOf(p auth.Principal) iter.Seq[*job] {
	return only(m.jobs.newest(), func(j *job) bool { return j.belongsTo(p) })
}

func (j *job) belongsTo(p auth.Principal) bool {
	return j.row.UserID == p.UserID && j.row.Environment == p.Environment
}

func (m *Mock) toTask(j *job) api.Task { return handlers.ToTask(j.row, j.paths, m.fileURL) }

func (m *Mock) fileURL(path string) string { return m.o.PublicURL + filesPath + path }
