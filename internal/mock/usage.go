package mock

import (
	"cmp"
	"context"
	"iter"
	"slices"

	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/handlers"
	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/money"
)

// ListUsage gives a page of usage records.
func (m *Mock) ListUsage(ctx context.Context, r api.ListUsageRequestObject) (api.ListUsageResponseObject, error) {
	q := r.Params
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	records := m.memory.usageOf(auth.PrincipalFrom(ctx), func(u *db.UsageRecord) bool {
		return is(q.Model, u.Model) && between(u.CreatedAt, q.CreatedAfter, q.CreatedBefore)
	})
	items, pagination := page(slices.Values(records), q.Page, q.PerPage, func(u *db.UsageRecord) api.UsageRecord { return handlers.ToUsageRecord(*u) })
	return api.ListUsage200JSONResponse{Data: api.UsageList{Items: items, Pagination: pagination}}, nil
}

// SummarizeUsage gives usage per model.
func (m *Mock) SummarizeUsage(ctx context.Context, r api.SummarizeUsageRequestObject) (api.SummarizeUsageResponseObject, error) {
	q := r.Params
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	records := m.memory.usageOf(auth.PrincipalFrom(ctx), func(u *db.UsageRecord) bool {
		return is(q.Model, u.Model) && between(u.CreatedAt, q.CreatedAfter, q.CreatedBefore)
	})
	return api.SummarizeUsage200JSONResponse{Data: summarize(slices.Values(records))}, nil
}

func summarize(records iter.Seq[*db.UsageRecord]) []api.UsageSummary {
	costs := map[string]int64{}
	items := []api.UsageSummary{}
	for u := range records {
		i, known := slices.BinarySearchFunc(items, u.Model, func(s api.UsageSummary, model string) int { return cmp.Compare(s.Model, model) })
		if !known {
			items = slices.Insert(items, i, api.UsageSummary{Model: u.Model})
		}
		costs[u.Model] += u.CostMicros
		items[i].TotalUnits += int64(u.Units)
		items[i].RequestCount++
		items[i].TotalCost = money.Dollars(costs[u.Model])
	}
	return items
}

// usageOf gives what a caller's completed tasks used, the newest first.
func (m *memory) usageOf(p auth.Principal, matches func(*db.UsageRecord) bool) []*db.UsageRecord {
	var records []*db.UsageRecord
	for j := range m.jobsOf(p) {
		if j.usage != nil && matches(j.usage) {
			records = append(records, j.usage)
		}
	}
	// Tasks do not end in the order they were made.
	slices.SortStableFunc(records, func(a, b *db.UsageRecord) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID))
	})
	return records
}
