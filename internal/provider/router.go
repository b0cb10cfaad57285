package provider

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"
)

// Limits of the policy for one picture.
const (
	maxRoutes       = 3               // distinct routes asked
	maxNoImages     = 3               // answers without a picture: first, once more, one other route
	longestSameWait = 5 * time.Second // a longer wait is better spent on another route
	shortestBackoff = 500 * time.Millisecond
	longestBackoff  = 2 * time.Second
)

// Caps says what a route can do. What is not listed is not offered.
type Caps struct {
	MaxRefs     int      `json:"max_refs"` // input images per call
	MaxN        int      `json:"max_n"`    // pictures per call
	Resolutions []string `json:"resolutions"`
	Aspects     []string `json:"aspects"`
	Edits       bool     `json:"edits"` // takes input images at all
}

// Route is one way to have a public model drawn.
type Route struct {
	ID            string
	Provider      string // key in the Registry
	UpstreamModel string
	Priority      int // lower goes first
	Caps          Caps
	CostMicros    map[string]int64 // micro-USD per picture by resolution; optional
}

// Need is what a request asks of a route. An empty ratio or resolution fits any.
type Need struct {
	Inputs                  int
	AspectRatio, Resolution string
}

// Try is one failed try for a picture.
type Try struct {
	RouteID    string
	Class      Class
	RetryAfter time.Duration
}

// Choice is where to go next, after waiting Delay.
type Choice struct {
	Route Route
	Delay time.Duration
}

// Next chooses the route for the next try of one picture, given its failed tries in order. It is
// false when there is nothing left to try.
//
// Routes that cannot do what is needed drop out; the rest are asked by priority, ties by id, at
// most three. Passing trouble is tried once more on the same route if the wait is at most 5 s.
// An answer without a picture is tried once more, then on one other route. After an Ambiguous try
// there is at most one further submission, on another route unless there is none. A final class or a cancellation ends it.
func Next(routes []Route, need Need, tries []Try) (Choice, bool) {
	if spent(tries) {
		return Choice{}, false
	}
	able := capable(routes, need)
	if delay, ok := sameAgain(tries); ok {
		last := tries[len(tries)-1].RouteID
		i := slices.IndexFunc(able, func(r Route) bool { return r.ID == last })
		if i >= 0 {
			return Choice{Route: able[i], Delay: delay}, true
		}
	}
	tried := make(map[string]bool, len(tries))
	for _, t := range tries {
		tried[t.RouteID] = true
	}
	if len(tried) >= maxRoutes {
		return Choice{}, false
	}
	for _, r := range able {
		if !tried[r.ID] {
			return Choice{Route: r}, true
		}
	}
	return soleRoute(able, tries)
}

// soleRoute gives an ambiguous try its one further submission on the same route when there is no other.
func soleRoute(able []Route, tries []Try) (Choice, bool) {
	if len(able) == 1 && len(tries) > 0 && tries[len(tries)-1].Class == Ambiguous {
		return Choice{Route: able[0]}, true
	}
	return Choice{}, false
}

// capable keeps the routes that can serve need, in the order they are to be asked.
func capable(routes []Route, need Need) []Route {
	able := make([]Route, 0, len(routes))
	for _, r := range routes {
		if r.Caps.serves(need) {
			able = append(able, r)
		}
	}
	slices.SortFunc(able, func(a, b Route) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.ID, b.ID))
	})
	return able
}

func (c Caps) serves(need Need) bool {
	if need.Inputs > 0 && (!c.Edits || need.Inputs > c.MaxRefs) {
		return false
	}
	if need.AspectRatio != "" && !slices.Contains(c.Aspects, need.AspectRatio) {
		return false
	}
	return need.Resolution == "" || slices.Contains(c.Resolutions, need.Resolution)
}

// spent says whether the tries so far forbid any further one.
func spent(tries []Try) bool {
	noImages := 0
	for i, t := range tries {
		if t.Class.Final() || t.Class == Canceled {
			return true
		}
		if t.Class == Ambiguous && i < len(tries)-1 {
			return true
		}
		if t.Class == NoImage {
			noImages++
		}
	}
	return noImages >= maxNoImages
}

// sameAgain says whether the last route deserves one more try, and after what wait.
func sameAgain(tries []Try) (time.Duration, bool) {
	if len(tries) == 0 {
		return 0, false
	}
	last := tries[len(tries)-1]
	seenHere, seen := 0, 0
	for _, t := range tries {
		if t.Class != last.Class {
			continue
		}
		seen++
		if t.RouteID == last.RouteID {
			seenHere++
		}
	}
	if last.Class == NoImage {
		return 0, seen == 1
	}
	if last.Class != RetrySame || seenHere > 1 || last.RetryAfter > longestSameWait {
		return 0, false
	}
	if last.RetryAfter > 0 {
		return last.RetryAfter, true
	}
	return shortestBackoff + rand.N(longestBackoff-shortestBackoff), true //nolint:gosec // spreads load; guards nothing
}
