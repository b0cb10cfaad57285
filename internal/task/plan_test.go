package task

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/provider"
)

var (
	planNow  = time.Date(2026, 5, 8, 10, 30, 0, 0, time.UTC)
	allOf    = provider.Caps{MaxRefs: 9, MaxN: 4, Resolutions: []string{"1k"}, Aspects: []string{"16:9"}, Edits: true}
	oneByOne = provider.Caps{MaxRefs: 9, MaxN: 1, Resolutions: []string{"1k"}, Aspects: []string{"16:9"}, Edits: true}
	routeA   = provider.Route{ID: "a", Provider: "gemini", Priority: 1, Caps: oneByOne}
	routeB   = provider.Route{ID: "b", Provider: "sandbox", Priority: 2, Caps: allOf}
)

func planOf(images int32, routes []provider.Route, attempts []db.Attempt, made ...int32) progress {
	p := progress{
		task:   db.Task{NumOutputs: images, AspectRatio: "16:9", Resolution: "1k"},
		routes: routes, attempts: attempts, now: planNow,
	}
	for _, image := range made {
		p.outputs = append(p.outputs, db.Output{Image: image})
	}
	return p
}

func attempt(route, state string, class provider.Class, images ...int32) db.Attempt {
	a := db.Attempt{RouteID: route, State: state, Images: images}
	if state == "failed" {
		text, at := string(class), planNow
		a.Class, a.FinishedAt = &text, &at
	}
	return a
}

func TestPlan_GoesOnFromWhatIsStored(t *testing.T) {
	t.Parallel()
	both := []provider.Route{routeA, routeB}
	for _, tc := range []struct {
		name    string
		p       progress
		calls   []call
		running int
		failure provider.Class
	}{
		{
			"nothing done: a call per image where the route makes one at a time", planOf(2, both, nil),
			[]call{{routeA, []int32{0}, 0}, {routeA, []int32{1}, 0}},
			0, "",
		},
		{
			"nothing done: one call where the route makes several", planOf(3, []provider.Route{routeB}, nil),
			[]call{{routeB, []int32{0, 1, 2}, 0}},
			0, "",
		},
		{
			"made images are not made again", planOf(2, both, []db.Attempt{attempt("a", "succeeded", "", 0)}, 0),
			[]call{{routeA, []int32{1}, 0}},
			0, "",
		},
		{
			"failed images go to the next route together", planOf(3, both, []db.Attempt{
				attempt("a", "failed", provider.RouteAuth, 0), attempt("a", "failed", provider.RouteAuth, 1), attempt("a", "succeeded", "", 2),
			}, 2),
			[]call{{routeB, []int32{0, 1}, 1}},
			0, "",
		},
		{"what runs is waited for", planOf(2, both, []db.Attempt{attempt("b", "running", "", 0, 1)}), nil, 1, ""},
		{"fewer than asked for is the end of it", planOf(3, both, []db.Attempt{attempt("b", "succeeded", "", 0, 1, 2)}, 0, 1), nil, 0, provider.NoImage},
		{"a block of one image lets the others stand", planOf(2, both, []db.Attempt{
			attempt("a", "succeeded", "", 0), attempt("a", "failed", provider.UserContent, 1),
		}, 0), nil, 0, provider.UserContent},
		{"what could not be stored is not made again", planOf(1, both, []db.Attempt{attempt("a", "failed", classStorage, 0)}), nil, 0, classStorage},
		{"all made", planOf(1, both, []db.Attempt{attempt("a", "succeeded", "", 0)}, 0), nil, 0, ""},
		{"no route at all", planOf(1, nil, nil), nil, 0, provider.Fallback},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := tc.p.next()
			if diff := cmp.Diff(tc.calls, got.calls, cmp.AllowUnexported(call{}), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			if len(got.running) != tc.running || got.failure != tc.failure {
				t.Errorf("%d running, failure %q; want %d and %q", len(got.running), got.failure, tc.running, tc.failure)
			}
			if over := len(tc.calls) == 0 && tc.running == 0; got.over() != over {
				t.Errorf("over is %v, want %v", got.over(), over)
			}
		})
	}
}

func TestPlan_WaitsBeforeTheSameRouteIsAskedAgain(t *testing.T) {
	t.Parallel()
	p := planOf(1, []provider.Route{routeA, routeB}, []db.Attempt{attempt("a", "failed", provider.RetrySame, 0)})
	if got := p.next(); got.wait <= 0 || got.wait > 5*time.Second || len(got.calls) != 0 || got.over() {
		t.Errorf("right after the failure: %+v", got)
	}
	p.now = planNow.Add(6 * time.Second)
	if got := p.next(); len(got.calls) != 1 || got.calls[0].route.ID != "a" || got.calls[0].try != 1 {
		t.Errorf("after the wait: %+v", got)
	}
}
