package ratelimit

import (
	"testing"
	"time"
)

func limitsOf(t *testing.T, h *hand) *Limits {
	t.Helper()
	all, err := NewLimits(h.now, nil)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestLimits_OneCallerHasOneBudgetUnderWhateverRule(t *testing.T) {
	h := newHand()
	n := node{Limits: limitsOf(t, h)}
	narrow, wide := n.of(t, Rule{PerSecond: 1, Burst: 2}), n.of(t, Rule{PerSecond: 10, Burst: 20})
	allow(t, narrow, "a", 2) // two seconds of it
	if r := allow(t, wide, "a", 1); r.Allowed || r.Remaining != 0 {
		t.Errorf("under another rule the used budget is fresh: %+v", r)
	}
	h.forward(time.Second)
	if r := allow(t, wide, "a", 1); !r.Allowed || r.Remaining != 9 {
		t.Errorf("after a second: %+v", r)
	}
	if r := allow(t, narrow, "b", 1); !r.Allowed || r.Remaining != 1 {
		t.Errorf("another caller: %+v", r)
	}
}

func TestLimits_OwnRuleIsHeldWhateverTheOthersAre(t *testing.T) {
	h := newHand()
	n := node{Limits: limitsOf(t, h)}
	for perSecond := range 50 {
		own := n.of(t, Rule{PerSecond: float64(perSecond + 1), Burst: perSecond + 1})
		admitted := 0
		for range 200 {
			if allow(t, own, "key "+string(rune('A'+perSecond)), 1).Allowed {
				admitted++
			}
		}
		if admitted != perSecond+1 {
			t.Errorf("%d a second: %d at once", perSecond+1, admitted)
		}
	}
}

func TestLimits_RulesWithoutNumberFitIntoBoundedMemoryAndStayTrue(t *testing.T) {
	h := newHand()
	n := node{Limits: limitsOf(t, h)}
	for i := range 5 * maxRules {
		if r := allow(t, n.of(t, Rule{PerSecond: 1, Burst: i + 1}), "a", 0); r.Limit != i+1 {
			t.Fatalf("rule %d: %+v", i, r)
		}
		if len(n.byRule) > maxRules {
			t.Fatalf("%d rules are kept", len(n.byRule))
		}
	}
	if _, err := n.Of(Rule{PerSecond: -1, Burst: 1}); err == nil {
		t.Error("a rule without sense is taken")
	}
	first := n.of(t, slow)
	if n.of(t, slow) != first {
		t.Error("a limiter is made anew for each request")
	}
}
