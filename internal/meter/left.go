package meter

import (
	"context"
	"strconv"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/money"
	"github.com/eggapi/eggapi/internal/pg"
)

// Left is what is left of a key's limits; nil where it has none.
type Left struct {
	Spend, RunningTasks, RequestsPerDay *fault.Quota
}

// LeftOf tells what is left of a key's limits now. Of the requests of its day it knows those that no node has taken, and those
// that this one has.
func (d *Days) LeftOf(ctx context.Context, k Key) (Left, error) {
	row, err := pg.Q.MeterGet(ctx, d.pool, db.MeterGetParams{APIKeyID: k.ID, UserID: k.UserID, At: d.clock()})
	if err != nil {
		return Left{}, err
	}
	m := row.APIKeyMeter
	var left Left
	if most := m.SpendCapMicros; most != nil {
		left.Spend = &fault.Quota{
			Name: quotaSpend, Limit: money.Dollars(*most), Remaining: money.Dollars(max(0, *most-row.SpentNowMicros)), ResetsAt: endOf(row.WindowEnd),
		}
	}
	if most := m.RunningCap; most != nil {
		left.RunningTasks = &fault.Quota{Name: quotaRunningTasks, Limit: strconv.Itoa(int(*most)), Remaining: strconv.Itoa(int(max(0, *most-m.Running)))}
	}
	if most := m.RequestsPerDay; most != nil {
		rest := max(0, *most-row.DayRequestsNow+d.held(k.ID))
		left.RequestsPerDay = &fault.Quota{
			Name: quotaRequestsPerDay, Limit: strconv.FormatInt(*most, 10), Remaining: strconv.FormatInt(rest, 10), ResetsAt: endOf(row.DayEnd),
		}
	}
	return left, nil
}

// held tells how many requests of a key's day this node has taken and not given out.
func (d *Days) held(keyID string) int64 {
	d.mu.Lock()
	s := d.shares[keyID]
	d.mu.Unlock()
	if s == nil {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.left
}
