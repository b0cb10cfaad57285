//go:build system

package bench

import "fmt"

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
	"get/32":       {"ratio", atLeast(1.0), atLeast(0.75)},
	"get/128":      {"ratio", atLeast(1.5), atLeast(0.75)},
	"post/32":      {"ratio", atLeast(1.2), atLeast(0.35)},
	"post/128":     {"ratio", atLeast(2.0), atLeast(0.35)},
	"post-hot/32":  {"ratio", atLeast(4), atLeast(0.35)},
	"post-hot/128": {"ratio", atLeast(6), atLeast(0.35)},
	"post-single":  {"ratio", atLeast(1.3), atLeast(0.35)},
	"end-to-end":   {"tasks/s", atLeast(1500), atLeast(50)},
}
