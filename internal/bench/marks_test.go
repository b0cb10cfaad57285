//go:build system

package bench

import (
	"fmt"
	"math"
)

// bound is a limit that a value must keep.
type bound struct {
	limit float64
	most  bool // the value must not be above the limit; else not below
}

func atLeast(limit float64) bound { return bound{limit: limit} }
func atMost(limit float64) bound  { return bound{limit: limit, most: true} }

func (b bound) holds(value float64) bool {
	if b.most {
		return value <= b.limit
	}
	return value >= b.limit
}

func (b bound) String() string {
	sign := "≥"
	if b.most {
		sign = "≤"
	}
	if math.IsInf(b.limit, 1) {
		return "none"
	}
	return sign + " " + fmt.Sprintf("%g", b.limit)
}

// mark is what a figure should reach, and what it must not fall behind.
type mark struct {
	unit        string
	goal, floor bound
}

// marks are the goals and floors of all figures. A floor lies under what the slowest of several runs gave on a busy
// machine with two cores, and is raised as the code gets faster.
var marks = map[string]mark{
	"get/32":       {"ratio", atLeast(1.0), atLeast(0.9)},
	"get/128":      {"ratio", atLeast(1.5), atLeast(1.1)},
	"post/32":      {"ratio", atLeast(1.2), atLeast(1.2)},
	"post/128":     {"ratio", atLeast(2.0), atLeast(2)},
	"post-hot/32":  {"ratio", atLeast(4), atLeast(2.5)},
	"post-hot/128": {"ratio", atLeast(6), atLeast(6)},
	"post-single":  {"ratio", atLeast(1.3), atLeast(0.55)},
	"end-to-end":   {"tasks/s", atLeast(1500), atLeast(150)},

	"limits/get/32":   {"ratio", atLeast(0.95), atLeast(0.8)},
	"limits/get/128":  {"ratio", atLeast(0.95), atLeast(0.8)},
	"limits/post/32":  {"ratio", atLeast(0.95), atLeast(0.6)},
	"limits/post/128": {"ratio", atLeast(0.95), atLeast(0.6)},

	"latency/1/p50": {"ms", atMost(40), atMost(100)},
	"latency/1/p99": {"ms", atMost(150), atMost(500)},
	"latency/2/p50": {"ms", atMost(40), atMost(100)},
	"latency/2/p99": {"ms", atMost(150), atMost(500)},
	"start/1/10":    {"ms", atMost(15), atMost(50)},
	"start/1/50":    {"ms", atMost(15), atMost(50)},
	"start/1/200":   {"ms", atMost(15), atMost(1000)},
	"start/2/10":    {"ms", atMost(15), atMost(50)},
	"start/2/50":    {"ms", atMost(15), atMost(50)},
	"start/2/200":   {"ms", atMost(15), atMost(1000)},

	"overload/goodput":  {"of peak", atLeast(0.9), atLeast(0.2)},
	"overload/refusal":  {"ms", atMost(50), atMost(1000)},
	"overload/other":    {"answers", atMost(0), atMost(0)},
	"overload/memory":   {"MB", atMost(200), atMost(250)},
	"overload/recovery": {"s", atMost(5), atMost(10)},

	"nodes/ratio":   {"ratio", atLeast(1.0), atLeast(0.5)},
	"nodes/commits": {"ratio", atMost(1.5), atMost(4)},
	"nodes/wait":    {"ms", atMost(500), atMost(30000)},

	"fairness/p99":     {"of without", atMost(1.2), atMost(3)},
	"fairness/process": {"of elsewhere", atMost(1.2), atMost(2)},

	"idle/statements": {"per s", atMost(30), atMost(100)},
	"idle/cpu":        {"%", atMost(2), atMost(10)},
	"idle/memory":     {"MB", atMost(100), atMost(150)},

	"memory/load": {"MB", atMost(100), atMost(200)},
	"memory/idle": {"MB", atMost(60), atMost(80)},

	"soak/accept/p50":    {"of the first half", atMost(1.1), atMost(2)},
	"soak/accept/p99":    {"of the first half", atMost(1.3), atMost(4)},
	"soak/completed/p50": {"of the first half", atMost(1.1), atMost(2)},
	"soak/completed/p99": {"of the first half", atMost(1.3), atMost(4)},
}
