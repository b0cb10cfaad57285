package provider

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"
)

// Bounds of the sandbox.
const (
	sandboxMaxRefs = 9
	sandboxMaxN    = 4
	shortestPoll   = 100 * time.Millisecond
	longestPoll    = 5 * time.Second
)

// Sandbox is the built-in provider. It draws pictures itself, free and without a network: the same
// request gives the same bytes, another prompt another picture. Tokens in the prompt play every
// failure; see script. It keeps no state, so any process can finish another's job.
type Sandbox struct {
	clock func() time.Time
}

// NewSandbox gives a sandbox that tells time by clock.
func NewSandbox(clock func() time.Time) *Sandbox { return &Sandbox{clock: clock} }

// SandboxCaps says what the sandbox can draw.
func SandboxCaps() Caps {
	return Caps{
		MaxRefs:     sandboxMaxRefs,
		MaxN:        sandboxMaxN,
		Resolutions: []string{"1k", "2k", "4k"},
		Aspects:     []string{"16:9", "9:16"},
		Edits:       true,
	}
}

// Submit draws at once, unless the prompt asks for trouble or for a slow job. A slow job with
// input images is drawn at once too: a Ref cannot carry pixels.
func (s *Sandbox) Submit(ctx context.Context, r Request) (Submission, error) {
	r.Count = max(1, r.Count)
	if err := checkSandboxRequest(r); err != nil {
		return Submission{}, err
	}
	plan := readScript(r)
	if plan.refusal != nil {
		return Submission{}, plan.refusal
	}
	if plan.hang {
		<-ctx.Done()
		return Submission{}, contextFailure(ctx)
	}
	if plan.never || (plan.slow > 0 && len(r.Inputs) == 0) {
		return Submission{Ref: s.ref(r, plan)}, nil
	}
	result, err := deliver(ctx, r, plan)
	if err != nil {
		return Submission{}, err
	}
	return Submission{Done: result}, nil
}

// Poll says running until the job's time has come, then draws it. A job of [[timeout]] runs for ever.
func (s *Sandbox) Poll(ctx context.Context, ref Ref) (Status, error) {
	job, err := readRef(ref)
	if err != nil {
		return Status{}, &Error{Class: Fallback, Code: "no_such_job", Err: err}
	}
	plan := readScript(job.request)
	if plan.never {
		return Status{State: Running, NextPoll: longestPoll}, nil
	}
	if wait := job.readyAt.Sub(s.clock()); wait > 0 {
		return Status{State: Running, NextPoll: min(max(wait, shortestPoll), longestPoll)}, nil
	}
	result, err := deliver(ctx, job.request, plan)
	if err != nil {
		return Status{}, err
	}
	return Status{State: Done, Result: result}, nil
}

// Cancel does nothing and succeeds: no work goes on between polls.
func (s *Sandbox) Cancel(context.Context, Ref) error { return nil }

// deliver ends a job as its plan says: pictures, fewer pictures, or a failure after the work.
func deliver(ctx context.Context, r Request, plan script) (*Result, error) {
	if plan.outcome != nil {
		return nil, plan.outcome
	}
	inputs, err := decodeInputs(r.Inputs)
	if err != nil {
		return nil, &Error{Class: UserInvalid, Code: "input_undecodable", Err: err}
	}
	result := &Result{UpstreamModel: r.UpstreamModel, RequestID: sandboxID(r)}
	if result.UpstreamModel == "" {
		result.UpstreamModel = "sandbox"
	}
	for i := range plan.deliverable(r.Count) {
		if ctx.Err() != nil {
			return nil, contextFailure(ctx)
		}
		picture, err := draw(r, r.FirstIndex+i, inputs)
		if err != nil {
			return nil, &Error{Class: Fallback, Code: "drawing_failed", Err: err}
		}
		result.Images = append(result.Images, picture)
	}
	return result, nil
}

func checkSandboxRequest(r Request) error {
	caps := SandboxCaps()
	var code string
	switch {
	case !slices.Contains(caps.Aspects, r.AspectRatio):
		code = "aspect_ratio"
	case !slices.Contains(caps.Resolutions, r.Resolution):
		code = "resolution"
	case r.Count > caps.MaxN:
		code = "count"
	case len(r.Inputs) > caps.MaxRefs:
		code = "inputs"
	default:
		return nil
	}
	return &Error{Class: UserInvalid, HTTPStatus: 400, Code: code, Msg: "outside what the sandbox draws"}
}

func contextFailure(ctx context.Context) *Error {
	e := &Error{Class: Ambiguous, Code: "timeout", MaybeCharged: true, Err: ctx.Err()}
	if errors.Is(ctx.Err(), context.Canceled) {
		e.Class, e.Code = Canceled, "canceled"
	}
	return e
}

func sandboxID(r Request) string { return "sandbox_" + r.AttemptID }

// ref packs all that Poll needs, so that a job survives the process that began it.
func (s *Sandbox) ref(r Request, plan script) *Ref {
	return &Ref{ID: sandboxID(r), Meta: map[string]string{
		"attempt_id":      r.AttemptID,
		"model":           r.UpstreamModel,
		"prompt":          r.Prompt,
		"negative_prompt": r.NegativePrompt,
		"aspect_ratio":    r.AspectRatio,
		"resolution":      r.Resolution,
		"count":           strconv.Itoa(r.Count),
		"first_index":     strconv.Itoa(r.FirstIndex),
		"try":             strconv.Itoa(r.Try),
		"ready_at":        s.clock().Add(plan.slow).UTC().Format(time.RFC3339Nano),
	}}
}

type sandboxJob struct {
	request Request
	readyAt time.Time
}

func readRef(ref Ref) (sandboxJob, error) {
	m := ref.Meta
	job := sandboxJob{request: Request{
		AttemptID: m["attempt_id"], UpstreamModel: m["model"],
		Prompt: m["prompt"], NegativePrompt: m["negative_prompt"],
		AspectRatio: m["aspect_ratio"], Resolution: m["resolution"],
	}}
	var errs [4]error
	job.request.Count, errs[0] = strconv.Atoi(m["count"])
	job.request.FirstIndex, errs[1] = strconv.Atoi(m["first_index"])
	job.request.Try, errs[2] = strconv.Atoi(m["try"])
	job.readyAt, errs[3] = time.Parse(time.RFC3339Nano, m["ready_at"])
	if err := errors.Join(errs[:]...); err != nil {
		return sandboxJob{}, err
	}
	if job.request.Count < 1 {
		return sandboxJob{}, errors.New("count below 1")
	}
	return job, checkSandboxRequest(job.request)
}
