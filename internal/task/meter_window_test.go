package task_test

import (
	"sync"
	"testing"
	"time"

	"github.com/eggapi/eggapi/internal/apitest"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/meter"
	"github.com/eggapi/eggapi/internal/task"
)

// Two keys live by the clocks of two places. Tasks of a window that is over give nothing back to the next.
func TestMeter_WindowsBeginAtMidnightOfTheKeysOwnZone(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	now := time.Date(2027, 3, 14, 7, 59, 59, 0, time.UTC) // Los Angeles: 23:59:59, hours before its clocks go forward
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	set := func(at time.Time) { mu.Lock(); defer mu.Unlock(); now = at }
	s := apitest.New(t, apitest.Options{NoWork: true, Clock: clock})
	user := payer(t, s, "usr_1", 100)
	limits := func(zone, window string) meter.Limits {
		return meter.Limits{SpendCapMicros: tasksWorth(1), SpendWindow: window, TimeZone: zone}
	}
	angeles, auckland := capped(t, s, user, "live", limits("America/Los_Angeles", meter.WindowDay)), capped(t, s, user, "live", limits("Pacific/Auckland", meter.WindowDay))
	week, month := capped(t, s, user, "live", limits("UTC", meter.WindowWeek)), capped(t, s, user, "live", limits("America/Los_Angeles", meter.WindowMonth))
	total := capped(t, s, user, "live", limits("UTC", meter.WindowTotal))
	names := map[string]string{angeles: "Los Angeles", auckland: "Auckland", week: "week", month: "month", total: "total"}
	var ids []string
	newest := map[string]string{}
	fits := func(want ...string) {
		t.Helper()
		open := map[string]bool{}
		for _, keyID := range want {
			open[keyID] = true
		}
		for keyID, name := range names {
			got, err := s.Node.Tasks.Submit(t.Context(), task.Caller{UserID: user, Environment: "live", APIKeyID: &keyID}, fox(1))
			if (err == nil) != open[keyID] {
				t.Errorf("%s, %s: %v", clock().Format(time.RFC3339), name, err)
			}
			if err == nil {
				ids = append(ids, got.Task.ID)
				newest[keyID] = got.Task.ID
			}
		}
	}
	end := func(ids ...string) {
		t.Helper()
		for _, id := range ids {
			if err := s.Node.Tasks.End(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
	}
	fits(angeles, auckland, week, month, total)
	fits()
	set(now.Add(time.Second)) // midnight in Los Angeles
	yesterdays := newest[angeles]
	fits(angeles)
	end(yesterdays) // failed, and gives nothing back to today
	fits()
	end(ids...)
	fits(angeles, auckland, week, month, total)
	set(time.Date(2027, 3, 14, 11, 0, 0, 0, time.UTC)) // midnight in Auckland, summer time
	fits(auckland)
	set(time.Date(2027, 3, 15, 0, 0, 0, 0, time.UTC)) // Monday
	fits(week)
	set(time.Date(2027, 3, 15, 6, 59, 59, 0, time.UTC)) // the day in Los Angeles had 23 hours
	fits()
	set(time.Date(2027, 3, 15, 7, 0, 0, 0, time.UTC))
	fits(angeles)
	set(time.Date(2027, 4, 1, 7, 0, 0, 0, time.UTC)) // April in Los Angeles
	fits(angeles, auckland, week, month)
	s.CheckBooks(t)
}

func TestMeter_ANewCapCountsWhatItsWindowHasUsed(t *testing.T) {
	t.Parallel()
	s := patient(t)
	user := payer(t, s, "usr_1", 100)
	keyID := capped(t, s, user, "live", meter.Limits{})
	submit := func() error {
		_, err := s.Node.Tasks.Submit(t.Context(), task.Caller{UserID: user, Environment: "live", APIKeyID: &keyID}, fox(1))
		return err
	}
	for range 5 {
		if err := submit(); err != nil {
			t.Fatal(err)
		}
	}
	ids := rows(t, s, "select id from tasks order by id")
	begin(t, s, ids[:2], true)
	for _, id := range ids[:2] {
		if err := s.Node.Tasks.End(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	four := int32(4)
	recap(t, s, user, keyID, meter.Limits{SpendCapMicros: tasksWorth(6), SpendWindow: meter.WindowMonth, RunningTasks: &four})
	if n, running := spent(t, s, keyID); n != 5 || running != 3 {
		t.Errorf("the meter counts %d spent and %d running, want 5 and 3", n, running)
	}
	if err := submit(); err != nil {
		t.Error(err)
	}
	if err := submit(); fault.CodeOf(err) != fault.QuotaExceeded {
		t.Errorf("over both: %v", err)
	}
	recap(t, s, user, keyID, meter.Limits{SpendCapMicros: tasksWorth(7), SpendWindow: meter.WindowMonth})
	if err := submit(); err != nil {
		t.Errorf("with a higher cap: %v", err)
	}
	for _, id := range rows(t, s, "select id from tasks where completed_at is null") { // all failed, those from before the cap too
		if err := s.Node.Tasks.End(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if n, running := spent(t, s, keyID); n != 2 || running != 0 {
		t.Errorf("in the end the meter counts %d spent and %d running, want 2 and 0", n, running)
	}
	recap(t, s, user, keyID, meter.Limits{SpendCapMicros: tasksWorth(1), SpendWindow: meter.WindowTotal})
	if n, _ := spent(t, s, keyID); n != 0 {
		t.Errorf("a total begins with %d", n)
	}
	s.CheckBooks(t)
}
