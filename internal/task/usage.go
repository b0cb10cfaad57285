package task

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/pg"
)

// UsageFilter says which of a user's usage is meant. Nil members match everything; the times are exclusive.
type UsageFilter struct {
	UserID, Environment         string
	Model                       *string
	CreatedAfter, CreatedBefore *time.Time
}

// UsageSum is what one model was used.
type UsageSum struct {
	Model                       string
	Units, CostMicros, Requests int64
}

// SumUsage gives the exact usage per model, by name, without models that were not used. Like Count it reads two marks and
// the records outside of them.
func SumUsage(ctx context.Context, executor db.DBTX, f UsageFilter) ([]UsageSum, error) {
	p := db.UsageSummaryParams{
		UserID: f.UserID, Environment: f.Environment, Model: f.Model, CreatedAfter: f.CreatedAfter, CreatedBefore: f.CreatedBefore,
	}
	first, last, err := usageMarks(ctx, executor, f)
	if err != nil {
		return nil, fault.Wrap(err, "read the marks of usage")
	}
	sums := map[string]UsageSum{}
	if last != nil {
		p.MarkedUntil = &last.Until
		f.addMark(sums, *last, 1)
	}
	if first != nil {
		p.MarkedFrom = &first.Until
		f.addMark(sums, *first, -1)
	}
	rest, err := pg.Q.UsageSummary(ctx, pg.Replanned(executor), p)
	if err != nil {
		return nil, fault.Wrap(err, "sum usage")
	}
	for _, row := range rest {
		add(sums, UsageSum{Model: row.Model, Units: row.TotalUnits, CostMicros: row.TotalCostMicros, Requests: row.RequestCount})
	}
	result := make([]UsageSum, 0, len(sums))
	for _, s := range sums {
		if s.Requests > 0 {
			result = append(result, s)
		}
	}
	slices.SortFunc(result, func(a, b UsageSum) int { return cmp.Compare(a.Model, b.Model) })
	return result, nil
}

// usageMarks is to usage what taskMarks is to tasks.
func usageMarks(ctx context.Context, executor db.DBTX, f UsageFilter) (first, last *db.UsageMark, err error) {
	end, err := pg.Q.UsageMarkBefore(ctx, executor, db.UsageMarkBeforeParams{
		UserID: f.UserID, Environment: f.Environment, CreatedBefore: orForever(f.CreatedBefore),
	})
	if pg.NoRows(err) {
		return nil, nil, nil
	}
	if err != nil || f.CreatedAfter == nil {
		return nil, &end, err
	}
	start, err := pg.Q.UsageMarkAfter(ctx, executor, db.UsageMarkAfterParams{
		UserID: f.UserID, Environment: f.Environment, CreatedAfter: *f.CreatedAfter,
	})
	if pg.NoRows(err) || err == nil && !start.Until.Before(end.Until) {
		return nil, nil, nil
	}
	return &start, &end, err
}

// addMark adds what a mark sums up, or with -1 takes it away.
func (f UsageFilter) addMark(sums map[string]UsageSum, m db.UsageMark, sign int64) {
	for i, model := range m.Models {
		if matches(f.Model, model) {
			add(sums, UsageSum{Model: model, Units: sign * m.Units[i], CostMicros: sign * m.Costs[i], Requests: sign * m.Counts[i]})
		}
	}
}

func add(sums map[string]UsageSum, s UsageSum) {
	have := sums[s.Model]
	sums[s.Model] = UsageSum{
		Model: s.Model, Units: have.Units + s.Units, CostMicros: have.CostMicros + s.CostMicros, Requests: have.Requests + s.Requests,
	}
}
