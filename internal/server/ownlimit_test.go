package server

import (
	"testing"
	"time"

	"github.com/eggapi/eggapi/internal/ratelimit"
)

func TestLimits_CallerWithARuleOfHisOwnIsHeldToItAndNoOtherIs(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 8, 12, 0, 0, 0, time.UTC)
	l, err := newLimits("key", ratelimit.Rule{PerSecond: 2, Burst: 4}, Deps{Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	own := func(n int32) *int32 { return &n }
	for _, tt := range []struct {
		key       string
		perSecond *int32
		want      int
		policy    string
	}{
		{"a", nil, 4, `"key";q=4;w=1`},
		{"b", own(1), 1, `"key";q=1;w=1`},
		{"c", own(250), 4, `"key";q=4;w=1`}, // nobody gives himself more
		{"d", own(0), 1, `"key";q=1;w=1`},   // not without a limit
		{"e", own(-5), 1, `"key";q=1;w=1`},
		{"f", nil, 4, `"key";q=4;w=1`},
	} {
		limit, err := l.of(tt.perSecond)
		if err != nil {
			t.Fatal(err)
		}
		admitted := 0
		for range 300 {
			r, err := limit.Allow(t.Context(), tt.key, 1)
			if err != nil {
				t.Fatal(err)
			}
			if r.Allowed {
				admitted++
			}
		}
		if admitted != tt.want || limit.policy[0] != tt.policy {
			t.Errorf("%s: %d at once, want %d; it is told %s", tt.key, admitted, tt.want, limit.policy[0])
		}
	}
	if l.Off() {
		t.Error("the limit for everybody is off")
	}
}

func TestLimits_AKeysOwnRuleHoldsWhereThereIsNoneForEverybody(t *testing.T) {
	t.Parallel()
	l, err := newLimits("key", ratelimit.Rule{}, Deps{Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	own := int32(250)
	limit, err := l.of(&own)
	if err != nil || limit.Off() || limit.policy[0] != `"key";q=250;w=1` {
		t.Errorf("%v: %v", err, limit)
	}
	if limit, err := l.of(nil); err != nil || !limit.Off() {
		t.Errorf("for everybody: %v, %v", err, limit)
	}
}
