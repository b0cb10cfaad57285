package webhook

import (
	"fmt"
	"testing"
	"time"
)

func TestSchedule_JitterFillsItsRangeAndIsTheSameForTheSameTry(t *testing.T) {
	t.Parallel()
	s := newSchedule(nil, 0)
	const base = 5 * time.Second
	low, high, sum := base, base, time.Duration(0)
	const events = 2000
	for i := range events {
		eventID := fmt.Sprint("evt_", i)
		d := s.after(eventID, 1, 0)
		if d != s.after(eventID, 1, 0) {
			t.Fatal("the same try has two delays")
		}
		low, high, sum = min(low, d), max(high, d), sum+d
	}
	if low < base*8/10 || high > base*12/10 || low > base*81/100 || high < base*119/100 {
		t.Errorf("delays lie between %v and %v", low, high)
	}
	if mean := sum / events; mean < base*98/100 || mean > base*102/100 {
		t.Errorf("the mean delay is %v", mean)
	}
}

func TestSchedule_HasTenTriesOverSeventyFiveHours(t *testing.T) {
	t.Parallel()
	s := newSchedule(nil, -1)
	var sum time.Duration
	for n := int32(1); !s.last(n); n++ {
		sum += s.after("evt", n, 0)
	}
	if len(s.delays) != 10 || sum != 75*time.Hour+35*time.Minute+5*time.Second {
		t.Errorf("%d tries over %v", len(s.delays), sum)
	}
}

func TestOwnDelay_DoublesUpToTenMinutes(t *testing.T) {
	t.Parallel()
	for attempt, want := range map[int]time.Duration{
		-1: 5 * time.Second, 0: 5 * time.Second, 1: 5 * time.Second, 2: 10 * time.Second, 5: 80 * time.Second,
		8: 10 * time.Minute, 1000: 10 * time.Minute,
	} {
		if got := ownDelay(attempt); got != want {
			t.Errorf("after attempt %d: %v, want %v", attempt, got, want)
		}
	}
}
