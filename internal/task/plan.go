package task

import (
	"time"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/provider"
)

// call is one request to a provider: which of the task's images it is to make, on which route.
type call struct {
	route  provider.Route
	images []int32
	try    int // how many calls for these images failed before
}

// plan is what a task needs next. With nothing to call and nothing running, the task is over.
type plan struct {
	calls   []call
	running []db.Attempt   // calls a provider is still working on
	wait    time.Duration  // until the next call is due, when none is due now
	failure provider.Class // why the last image given up on was given up; "" while none was
}

func (p plan) over() bool { return len(p.calls) == 0 && len(p.running) == 0 && p.wait == 0 }

// progress is all that is known of a task.
type progress struct {
	task     db.Task
	routes   []provider.Route
	attempts []db.Attempt // oldest first
	outputs  []db.Output
	now      time.Time
}

// next works out the plan from what is stored alone, so that any worker comes to the same one.
func (p progress) next() plan {
	var result plan
	for _, a := range p.attempts {
		if a.State == "running" {
			result.running = append(result.running, a)
		}
	}
	for image := range p.task.NumOutputs {
		state := p.image(image)
		switch {
		case state.settled:
			if state.class != "" {
				result.failure = state.class
			}
		case state.running:
		case state.wait > 0:
			if result.wait == 0 || state.wait < result.wait {
				result.wait = state.wait
			}
		default:
			result.add(state.choice.Route, image, state.tries)
		}
	}
	return result
}

// imageState is where one image of a task stands.
type imageState struct {
	settled bool           // made, or given up
	class   provider.Class // why it was given up
	running bool
	wait    time.Duration
	choice  provider.Choice
	tries   int
}

func (p progress) image(image int32) imageState {
	for _, o := range p.outputs {
		if o.Image == image {
			return imageState{settled: true}
		}
	}
	var tries []provider.Try
	var last time.Time
	for _, a := range p.attempts {
		if !covers(a, image) {
			continue
		}
		switch a.State {
		case "running":
			return imageState{running: true}
		case "succeeded":
			// The provider gave fewer images than asked for. Asking again could pay twice.
			return imageState{settled: true, class: provider.NoImage}
		case "failed":
			if provider.Class(*a.Class) == classStorage {
				return imageState{settled: true, class: classStorage}
			}
			tries = append(tries, provider.Try{
				RouteID: a.RouteID, Class: provider.Class(*a.Class), RetryAfter: time.Duration(a.RetryAfterMs) * time.Millisecond,
			})
			last = *a.FinishedAt
		}
	}
	need := provider.Need{Inputs: len(p.task.ImageURLs), AspectRatio: p.task.AspectRatio, Resolution: p.task.Resolution}
	choice, ok := provider.Next(p.routes, need, tries)
	if !ok {
		return imageState{settled: true, class: lastClass(tries)}
	}
	if due := last.Add(choice.Delay); choice.Delay > 0 && due.After(p.now) {
		return imageState{wait: due.Sub(p.now)}
	}
	return imageState{choice: choice, tries: len(tries)}
}

// add puts an image into the last call it fits in, or into a new one.
func (p *plan) add(route provider.Route, image int32, tries int) {
	for i := range p.calls {
		c := &p.calls[i]
		if c.route.ID == route.ID && c.try == tries && len(c.images) < route.Caps.MaxN {
			c.images = append(c.images, image)
			return
		}
	}
	p.calls = append(p.calls, call{route: route, images: []int32{image}, try: tries})
}

func covers(a db.Attempt, image int32) bool {
	for _, i := range a.Images {
		if i == image {
			return true
		}
	}
	return false
}

func lastClass(tries []provider.Try) provider.Class {
	if len(tries) == 0 {
		return provider.Fallback
	}
	return tries[len(tries)-1].Class
}
