package provider

import (
	"slices"
	"testing"
	"time"
)

var fullCaps = Caps{MaxRefs: 9, MaxN: 4, Resolutions: []string{"1k", "2k", "4k"}, Aspects: []string{"16:9", "9:16"}, Edits: true}

// fourRoutes are out of order on purpose: a and b share a priority.
func fourRoutes() []Route {
	return []Route{
		{ID: "d", Priority: 3, Caps: fullCaps},
		{ID: "b", Priority: 1, Caps: fullCaps},
		{ID: "c", Priority: 2, Caps: fullCaps},
		{ID: "a", Priority: 1, Caps: fullCaps},
	}
}

var plainNeed = Need{AspectRatio: "16:9", Resolution: "1k"}

func try(route string, class Class) Try { return Try{RouteID: route, Class: class} }

func TestNext_FollowsThePolicy(t *testing.T) {
	tests := []struct {
		name  string
		tries []Try
		want  string // "" means stop
	}{
		{"first by priority then id", nil, "a"},
		{"passing trouble: same once more", []Try{try("a", RetrySame)}, "a"},
		{"passing trouble twice: next", []Try{try("a", RetrySame), try("a", RetrySame)}, "b"},
		{"second route may be tried twice too", []Try{try("a", Fallback), try("b", RetrySame)}, "b"},
		{"short wait: same", []Try{{"a", RetrySame, 5 * time.Second}}, "a"},
		{"long wait: next", []Try{{"a", RetrySame, 5*time.Second + 1}}, "b"},
		{"rate limit: next", []Try{{"a", RateLimited, time.Second}}, "b"},
		{"fallback: next", []Try{try("a", Fallback)}, "b"},
		{"key refused: next", []Try{try("a", RouteAuth)}, "b"},
		{"no credit: next", []Try{try("a", RouteBilling)}, "b"},
		{"model gone: next", []Try{try("a", RouteModel)}, "b"},
		{"three routes at most", []Try{try("a", Fallback), try("b", Fallback), try("c", Fallback)}, ""},
		{"third route once more", []Try{try("a", Fallback), try("b", Fallback), try("c", RetrySame)}, "c"},
		{"content block ends it", []Try{try("a", UserContent)}, ""},
		{"content block on the second route ends it", []Try{try("a", Fallback), try("b", UserContent)}, ""},
		{"invalid ends it", []Try{try("a", UserInvalid)}, ""},
		{"canceled ends it", []Try{try("a", Canceled)}, ""},
		{"ambiguous: one other", []Try{try("a", Ambiguous)}, "b"},
		{"ambiguous twice: stop", []Try{try("a", Ambiguous), try("b", Ambiguous)}, ""},
		{"ambiguous then trouble: stop", []Try{try("a", Ambiguous), try("b", RetrySame)}, ""},
		{"trouble then ambiguous: one other", []Try{try("a", RetrySame), try("a", Ambiguous)}, "b"},
		{"no image: same once more", []Try{try("a", NoImage)}, "a"},
		{"no image twice: one other", []Try{try("a", NoImage), try("a", NoImage)}, "b"},
		{"no image thrice: stop", []Try{try("a", NoImage), try("a", NoImage), try("b", NoImage)}, ""},
		{"route that is gone: next", []Try{try("z", RetrySame)}, "a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := Next(fourRoutes(), plainNeed, tt.tries)
			if ok != (tt.want != "") || got.Route.ID != tt.want {
				t.Errorf("got %q %v, want %q", got.Route.ID, ok, tt.want)
			}
		})
	}
}

func TestNext_KeepsToCapabilities(t *testing.T) {
	small := Caps{MaxRefs: 2, Resolutions: []string{"1k"}, Aspects: []string{"16:9"}, Edits: true}
	textOnly := fullCaps
	textOnly.Edits = false
	routes := []Route{
		{ID: "small", Priority: 1, Caps: small},
		{ID: "text", Priority: 2, Caps: textOnly},
		{ID: "full", Priority: 3, Caps: fullCaps},
		{ID: "nothing stated", Priority: 0},
	}
	tests := []struct {
		name string
		need Need
		want string
	}{
		{"plain", Need{0, "16:9", "1k"}, "small"},
		{"larger", Need{0, "16:9", "2k"}, "text"},
		{"upright", Need{0, "9:16", "1k"}, "text"},
		{"two inputs", Need{2, "16:9", "1k"}, "small"},
		{"three inputs", Need{3, "16:9", "1k"}, "full"},
		{"too many inputs", Need{10, "16:9", "1k"}, ""},
		{"square", Need{0, "1:1", "1k"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := Next(routes, tt.need, nil)
			if ok != (tt.want != "") || got.Route.ID != tt.want {
				t.Errorf("got %q %v, want %q", got.Route.ID, ok, tt.want)
			}
		})
	}
}

func TestNext_WaitsBeforeTheSameRouteOnly(t *testing.T) {
	named, _ := Next(fourRoutes(), plainNeed, []Try{{"a", RetrySame, 3 * time.Second}})
	if named.Delay != 3*time.Second {
		t.Errorf("named wait became %v", named.Delay)
	}
	for range 100 {
		own, _ := Next(fourRoutes(), plainNeed, []Try{try("a", RetrySame)})
		if own.Delay < 500*time.Millisecond || own.Delay > 2*time.Second {
			t.Fatalf("own wait %v", own.Delay)
		}
	}
	other, _ := Next(fourRoutes(), plainNeed, []Try{{"a", RateLimited, time.Hour}})
	if other.Delay != 0 {
		t.Errorf("other route waits %v", other.Delay)
	}
}

// follow plays answers until Next stops, and gives the routes asked in order.
func follow(t *testing.T, answer func(n int) Class) []string {
	t.Helper()
	var tries []Try
	var asked []string
	for n := 0; n < 50; n++ {
		choice, ok := Next(fourRoutes(), plainNeed, tries)
		if !ok {
			return asked
		}
		asked = append(asked, choice.Route.ID)
		tries = append(tries, try(choice.Route.ID, answer(n)))
	}
	t.Fatal("the policy does not end")
	return nil
}

func TestNext_EndsForEveryMixOfFailures(t *testing.T) {
	classes := Classes()
	for mix := range len(classes) * len(classes) * len(classes) {
		answer := func(n int) Class {
			step := mix
			for range n % 3 {
				step /= len(classes)
			}
			return classes[step%len(classes)]
		}
		asked := follow(t, answer)
		if len(asked) > 8 {
			t.Fatalf("mix %d asks %v", mix, asked)
		}
		routes := slices.Clone(asked)
		slices.Sort(routes)
		if len(slices.Compact(routes)) > 3 {
			t.Fatalf("mix %d asks %v", mix, asked)
		}
		for n := range asked {
			if answer(n).Final() && n != len(asked)-1 {
				t.Fatalf("mix %d goes on after %s: %v", mix, answer(n), asked)
			}
			if answer(n) == Ambiguous && len(asked)-n > 2 {
				t.Fatalf("mix %d submits more than once after an ambiguous try: %v", mix, asked)
			}
		}
	}
}

func TestNext_SoleRouteIsAskedOnceMoreAfterAnAmbiguousTry(t *testing.T) {
	sole := fourRoutes()[:1]
	tries := []Try{try(sole[0].ID, Ambiguous)}
	if got, ok := Next(sole, plainNeed, tries); !ok || got.Route.ID != sole[0].ID {
		t.Fatalf("got %q %v, want the sole route", got.Route.ID, ok)
	}
	if got, ok := Next(sole, plainNeed, append(tries, try(sole[0].ID, Ambiguous))); ok {
		t.Fatalf("asked %q a third time", got.Route.ID)
	}
}
