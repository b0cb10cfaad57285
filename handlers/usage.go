package handlers

import (
	"context"

	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/money"
	"github.com/eggapi/eggapi/internal/pg"
	"github.com/eggapi/eggapi/internal/task"
)

type usage struct {
	pool db.DBTX
}

// ListUsage gives a page of usage records.
func (u *usage) ListUsage(ctx context.Context, r api.ListUsageRequestObject) (api.ListUsageResponseObject, error) {
	p, q := auth.PrincipalFrom(ctx), r.Params
	at := newPage(q.Page, q.PerPage)
	filter := task.UsageFilter{
		UserID: p.UserID, Environment: p.Environment, Model: q.Model, CreatedAfter: q.CreatedAfter, CreatedBefore: q.CreatedBefore,
	}
	sums, err := task.SumUsage(ctx, u.pool, filter)
	if err != nil {
		return nil, err
	}
	var total int64
	for _, s := range sums {
		total += s.Requests
	}
	if at.offset() >= total {
		return api.ListUsage200JSONResponse{Data: api.UsageList{Items: []api.UsageRecord{}, Pagination: at.pagination(total)}}, nil
	}
	rows, err := pg.Q.UsageList(ctx, pg.Replanned(u.pool), db.UsageListParams{
		UserID: filter.UserID, Environment: filter.Environment, Model: filter.Model, CreatedAfter: filter.CreatedAfter,
		CreatedBefore: filter.CreatedBefore, RowLimit: at.limit(), RowOffset: at.offset(),
	})
	if err != nil {
		return nil, fault.Wrap(err, "list usage")
	}
	items := make([]api.UsageRecord, len(rows))
	for i, row := range rows {
		items[i] = ToUsageRecord(row)
	}
	return api.ListUsage200JSONResponse{Data: api.UsageList{Items: items, Pagination: at.pagination(total)}}, nil
}

// SummarizeUsage gives usage per model.
func (u *usage) SummarizeUsage(ctx context.Context, r api.SummarizeUsageRequestObject) (api.SummarizeUsageResponseObject, error) {
	p, q := auth.PrincipalFrom(ctx), r.Params
	sums, err := task.SumUsage(ctx, u.pool, task.UsageFilter{
		UserID: p.UserID, Environment: p.Environment, Model: q.Model, CreatedAfter: q.CreatedAfter, CreatedBefore: q.CreatedBefore,
	})
	if err != nil {
		return nil, err
	}
	items := make([]api.UsageSummary, len(sums))
	for i, s := range sums {
		items[i] = api.UsageSummary{
			Model: s.Model, TotalUnits: s.Units, TotalCost: money.Dollars(s.CostMicros), RequestCount: s.Requests,
		}
	}
	return api.SummarizeUsage200JSONResponse{Data: items}, nil
}

// ToUsageRecord gives a record as the contract has it.
func ToUsageRecord(row db.UsageRecord) api.UsageRecord {
	return api.UsageRecord{
		ID: row.ID, TaskID: row.TaskID, APIKeyID: row.APIKeyID, Model: row.Model, Type: row.Type,
		Units: row.Units, Cost: money.Dollars(row.CostMicros), CreatedAt: WholeSeconds(row.CreatedAt),
	}
}
