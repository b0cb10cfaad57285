package provider

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSandbox_PlaysEveryFailure(t *testing.T) {
	tests := []struct {
		prompt string
		try    int
		want   Class // "" means pictures
		wait   time.Duration
	}{
		{"a fox [[moderation]] in snow", 0, UserContent, 0},
		{"[[MODERATION]]", 0, UserContent, 0},
		{"[[invalid]]", 0, UserInvalid, 0},
		{"[[429]]", 0, RateLimited, 2 * time.Second},
		{"[[429:10s]]", 0, RateLimited, 10 * time.Second},
		{"[[429:99h]]", 0, RateLimited, 10 * time.Minute},
		{"[[500]]", 0, RetrySame, 0},
		{"[[503]]", 3, RetrySame, 0},
		{"[[auth]]", 0, RouteAuth, 0},
		{"[[billing]]", 0, RouteBilling, 0},
		{"[[model]]", 0, RouteModel, 0},
		{"[[fallback]]", 0, Fallback, 0},
		{"[[ambiguous]]", 0, Ambiguous, 0},
		{"[[noimage]]", 0, NoImage, 0},
		{"[[partial:0]]", 0, NoImage, 0},
		{"[[500:once]]", 0, RetrySame, 0},
		{"[[500:once]]", 1, "", 0},
		{"[[noimage:once]]", 1, "", 0},
		{"[[500]] [[auth]]", 0, RetrySame, 0},
		{"[[500:once]] [[auth]]", 1, RouteAuth, 0},
		{"[[moderation]] [[429]]", 0, RateLimited, 2 * time.Second},
		{"[[unheard]] [[]] [[of", 0, "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.prompt, func(t *testing.T) {
			s, _ := newTestSandbox()
			r := wanted(tt.prompt)
			r.Try = tt.try
			_, err := s.Submit(context.Background(), r)
			if class, wait := ClassOf(err); class != tt.want || wait != tt.wait {
				t.Errorf("got %q after %v: %v", class, wait, err)
			}
		})
	}
}

func TestSandbox_PartialDeliversSomeOfThePictures(t *testing.T) {
	for prompt, want := range map[string]int{
		"a fox": 4, "[[partial:3]]": 3, "[[partial:1]]": 1, "[[partial:9]]": 4, "[[partial:x]]": 4, "[[partial]]": 4,
	} {
		r := wanted(prompt)
		r.Count = 4
		if got := len(drawn(t, r).Images); got != want {
			t.Errorf("%s: %d pictures", prompt, got)
		}
	}
}

func TestSandbox_SlowJobIsFinishedByAnotherProcess(t *testing.T) {
	first, _ := newTestSandbox()
	r := wanted("a slow fox [[slow:12s]]")
	r.NegativePrompt, r.Count, r.FirstIndex, r.UpstreamModel = "rain", 2, 1, "m"
	got, err := first.Submit(context.Background(), r)
	if err != nil || got.Ref == nil || got.Done != nil {
		t.Fatalf("got %+v, %v", got, err)
	}
	ref := roundTrip(t, got.Ref)
	second, now := newTestSandbox()
	for _, step := range []struct{ at, next time.Duration }{
		{0, 5 * time.Second},
		{9 * time.Second, 3 * time.Second},
		{12*time.Second - time.Millisecond, 100 * time.Millisecond},
	} {
		*now = start.Add(step.at)
		status, err := second.Poll(context.Background(), ref)
		if diff := cmp.Diff(Status{State: Running, NextPoll: step.next}, status); err != nil || diff != "" {
			t.Fatalf("at %v: %v\n%s", step.at, err, diff)
		}
	}
	*now = start.Add(12 * time.Second)
	status, err := second.Poll(context.Background(), ref)
	if err != nil || status.State != Done {
		t.Fatalf("got %+v, %v", status.State, err)
	}
	fast := r
	fast.Inputs = []Input{}
	want, err := deliver(context.Background(), fast, readScript(fast))
	if err != nil {
		t.Fatal(err)
	}
	if !cmp.Equal(want, status.Result) {
		t.Error("the resumed job draws something else")
	}
	again, err := second.Poll(context.Background(), ref)
	if err != nil || !cmp.Equal(status, again) {
		t.Errorf("asking again changes the answer: %v", err)
	}
}

func TestSandbox_SlowJobMayEndBadly(t *testing.T) {
	for prompt, want := range map[string]Class{
		"[[slow]] [[moderation]]": UserContent,
		"[[slow]] [[noimage]]":    NoImage,
	} {
		s, now := newTestSandbox()
		got, err := s.Submit(context.Background(), wanted(prompt))
		if err != nil {
			t.Fatal(err)
		}
		*now = start.Add(2 * time.Second)
		_, err = s.Poll(context.Background(), roundTrip(t, got.Ref))
		if class, _ := ClassOf(err); class != want {
			t.Errorf("%s: %v", prompt, err)
		}
	}
}

func TestSandbox_SlownessIsBounded(t *testing.T) {
	for prompt, want := range map[string]time.Duration{
		"[[slow]]": 2 * time.Second, "[[slow:0s]]": 2 * time.Second, "[[slow:-5s]]": 0,
		"[[slow:500h]]": 10 * time.Minute, "[[slow:nonsense]]": 2 * time.Second,
	} {
		if got := readScript(wanted(prompt)).slow; got != want {
			t.Errorf("%s: %v", prompt, got)
		}
	}
}

func TestSandbox_TimeoutNeverEnds(t *testing.T) {
	s, now := newTestSandbox()
	got, err := s.Submit(context.Background(), wanted("[[timeout]]"))
	if err != nil {
		t.Fatal(err)
	}
	*now = start.Add(1000 * time.Hour)
	status, err := s.Poll(context.Background(), roundTrip(t, got.Ref))
	if err != nil || status.State != Running || status.NextPoll <= 0 {
		t.Errorf("got %+v, %v", status, err)
	}
	if err := s.Cancel(context.Background(), *got.Ref); err != nil {
		t.Error(err)
	}
}

func TestSandbox_HangEndsWithItsContext(t *testing.T) {
	s, _ := newTestSandbox()
	late, cancelLate := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	defer cancelLate()
	gone, cancelGone := context.WithCancel(context.Background())
	cancelGone()
	for _, tt := range []struct {
		ctx  context.Context
		want Class
	}{{late, Ambiguous}, {gone, Canceled}} {
		_, err := s.Submit(tt.ctx, wanted("[[hang]]"))
		if class, _ := ClassOf(err); class != tt.want || !errors.Is(err, tt.ctx.Err()) {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}

func TestSandbox_SlowEditIsAnsweredAtOnce(t *testing.T) {
	r := wanted("[[slow]]")
	r.Inputs = []Input{{Data: pngOf(t, 4, 4)}}
	drawn(t, r)
}

func TestSandbox_StopsDrawingWhenNobodyWaits(t *testing.T) {
	s, _ := newTestSandbox()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := s.Submit(ctx, wanted("a fox"))
	if class, _ := ClassOf(err); class != Canceled {
		t.Errorf("got %v", err)
	}
}

func TestSandbox_PollOfABrokenRefDoesNotPanic(t *testing.T) {
	s, _ := newTestSandbox()
	good, err := s.Submit(context.Background(), wanted("[[slow]]"))
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []map[string]string{
		nil, {}, {"count": "-1"}, {"count": "99999999"}, {"count": "x"}, {"resolution": "9k"}, {"ready_at": "soon"},
	} {
		ref := Ref{ID: "x"}
		if len(bad) > 0 {
			ref = roundTrip(t, good.Ref)
		}
		for k, v := range bad {
			ref.Meta[k] = v
		}
		if _, err := s.Poll(context.Background(), ref); err == nil {
			t.Errorf("%v: no error", bad)
		} else if class, _ := ClassOf(err); class != Fallback {
			t.Errorf("%v: %v", bad, err)
		}
	}
}
