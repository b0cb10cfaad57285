// Package meter holds API keys to their caps.
//
// Owns: what a key's tasks use of its spend cap and of its places, what its day has left of requests, and changes of these limits.
// Does not own: what else a key may do (auth), money (ledger), when a task begins and ends (task).
// May touch: gen/db, pg, fault, money.
// Always true: what a window's tasks hold and cost is within the cap that held when each was taken, on however many nodes.
package meter

import (
	"context"
	"strconv"
	"time"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/money"
	"github.com/eggapi/eggapi/internal/pg"
)

// The names of the limits, as refusals spell them.
const (
	quotaSpend          = "spend"
	quotaRunningTasks   = "running_tasks"
	quotaRequestsPerDay = "requests_per_day"
)

var errUsedUp = fault.New(fault.QuotaExceeded, "A limit of this API key is used up")

// Use is a task that a key wants to begin.
type Use struct {
	KeyID string
	At    time.Time
}

// Set is what one transaction takes from the meters of any number of keys: they are locked, each task is decided in turn
// against what is left, then all is written at once.
//
//	s := meter.Lock(ctx, p, uses); p.Send; s.Read; s.Fits and s.Take, many times; s.Write; commit
type Set struct {
	read   func() error
	meters map[string]*standing
}

// standing is how a locked meter stands.
type standing struct {
	db.MeterLockSetAnyOwnerRow
	at    time.Time
	taken bool
}

// Lock notes the statement that locks the meters of those keys that have a cap, in one order whoever asks. It comes after
// the locks of accounts. The rows stay locked until the commit.
func Lock(ctx context.Context, p *pg.Pipe, uses []Use) *Set {
	s := &Set{meters: map[string]*standing{}, read: func() error { return nil }}
	latest := map[string]time.Time{}
	for _, u := range uses {
		if u.At.After(latest[u.KeyID]) {
			latest[u.KeyID] = u.At
		}
	}
	if len(latest) == 0 {
		return s
	}
	var asked db.MeterLockSetAnyOwnerParams
	for keyID, at := range latest {
		asked.APIKeyIDs = append(asked.APIKeyIDs, keyID)
		asked.Ats = append(asked.Ats, at)
	}
	rows := pg.Q.MeterLockSetAnyOwner(ctx, p, []db.MeterLockSetAnyOwnerParams{asked})
	s.read = func() error {
		meters, err := pg.Rows(rows.Query)
		for _, m := range meters {
			s.meters[m.APIKeyID] = &standing{MeterLockSetAnyOwnerRow: m, at: latest[m.APIKeyID]}
		}
		return fault.Wrap(err, "lock the meters of API keys")
	}
	return s
}

// Read takes in what the locked rows say. It comes after Send.
func (s *Set) Read() error { return s.read() }

// Fits tells whether a key has a place and costMicros left for one more task. It fails with QUOTA_EXCEEDED, which says
// which limit is used up, what is left of it and when it begins anew.
func (s *Set) Fits(keyID string, costMicros int64) error {
	m := s.meters[keyID]
	if m == nil {
		return nil
	}
	if most := m.RunningCap; most != nil && m.Running >= *most {
		return errUsedUp.WithQuota(fault.Quota{Name: quotaRunningTasks, Limit: strconv.Itoa(int(*most)), Remaining: "0"}).After(time.Second)
	}
	if most := m.SpendCapMicros; most != nil && m.SpentMicros+costMicros > *most {
		end := endOf(m.WindowEnd)
		quota := fault.Quota{Name: quotaSpend, Limit: money.Dollars(*most), Remaining: money.Dollars(max(0, *most-m.SpentMicros)), ResetsAt: end}
		return errUsedUp.WithQuota(quota).After(untilOr(end, m.at, time.Hour))
	}
	return nil
}

// endOf gives the end of a window as the database tells it, nil for a window without one.
func endOf(windowEnd time.Time) *time.Time {
	if windowEnd.Unix() == 0 {
		return nil
	}
	return &windowEnd
}

// untilOr gives how long a client has to wait; otherwise is for what no clock decides.
func untilOr(end *time.Time, now time.Time, otherwise time.Duration) time.Duration {
	if end == nil {
		return otherwise
	}
	return max(time.Second, end.Sub(now))
}

// Take takes what Fits said is there.
func (s *Set) Take(keyID string, costMicros int64) {
	if m := s.meters[keyID]; m != nil {
		m.Running++
		m.SpentMicros += costMicros
		m.taken = true
	}
}

// Write notes the statement that stores what was taken. The tasks are noted after it: they note which window counts them.
func (s *Set) Write(ctx context.Context, p *pg.Pipe) {
	var rows db.MeterTakeSetAnyOwnerParams
	for keyID, m := range s.meters {
		if m.taken {
			rows.APIKeyIDs = append(rows.APIKeyIDs, keyID)
			rows.WindowStarts = append(rows.WindowStarts, m.WindowStart)
			rows.SpentsMicros = append(rows.SpentsMicros, m.SpentMicros)
			rows.Runnings = append(rows.Runnings, m.Running)
		}
	}
	if len(rows.APIKeyIDs) > 0 {
		pg.Q.MeterTakeSetAnyOwner(ctx, p, []db.MeterTakeSetAnyOwnerParams{rows})
	}
}

// Release is a task that has ended.
type Release struct {
	KeyID        string
	MeteredSince time.Time // the task's own
	UnusedMicros int64     // what was set aside and not charged
	Unguarded    bool      // no lock of an account keeps others from the meter: a test key's
}

// NoteReleases notes the statements that give back what ended tasks no longer use. They come after the locks of accounts, which
// keep all others from the meters of live keys; those of test keys are locked here.
func NoteReleases(ctx context.Context, p *pg.Pipe, releases []Release) {
	if len(releases) == 0 {
		return
	}
	type window struct {
		keyID string
		since time.Time
	}
	at := map[window]int{}
	var unlocked []string
	var rows db.MeterReleaseSetAnyOwnerParams
	for _, r := range releases {
		if r.Unguarded {
			unlocked = append(unlocked, r.KeyID)
		}
		w := window{r.KeyID, r.MeteredSince.UTC()}
		i, ok := at[w]
		if !ok {
			i = len(rows.APIKeyIDs)
			at[w] = i
			rows.APIKeyIDs = append(rows.APIKeyIDs, r.KeyID)
			rows.MeteredSinces = append(rows.MeteredSinces, w.since)
			rows.NumsTasks = append(rows.NumsTasks, 0)
			rows.UnusedsMicros = append(rows.UnusedsMicros, 0)
		}
		rows.NumsTasks[i]++
		rows.UnusedsMicros[i] += r.UnusedMicros
	}
	if len(unlocked) > 0 {
		pg.Q.MeterHoldSetAnyOwner(ctx, p, [][]string{unlocked})
	}
	pg.Q.MeterReleaseSetAnyOwner(ctx, p, []db.MeterReleaseSetAnyOwnerParams{rows})
}
