// Package provider speaks to the upstream image models and chooses between them.
//
// Owns: the Provider interface, one adapter per upstream, the classes of failure, the router's policy.
// Does not own: tasks, attempts and money (internal/task, internal/ledger), fetching customer URLs (internal/fetch).
// May touch: the network, towards configured provider addresses only; net/http and internal/fault.
// Always true: no key, prompt or image leaves in an error's public text; a reply is bounded and checked before use.
package provider

import (
	"context"
	"errors"
	"time"
)

// ErrUnsupported is returned by Cancel when an upstream cannot stop a job.
var ErrUnsupported = errors.New("provider: not supported by this upstream")

// Input is one image the customer wants edited, already fetched and checked.
type Input struct {
	Data          []byte
	MIME          string // image/png, image/jpeg or image/webp
	Width, Height int    // pixels
}

// Request asks an upstream for Count pictures. It speaks our words; an adapter maps them to its wire.
type Request struct {
	AttemptID      string
	UpstreamModel  string
	Prompt         string
	NegativePrompt string
	AspectRatio    string // "16:9" or "9:16"
	Resolution     string // "1k", "2k" or "4k"
	Count          int    // 1..4; 0 means 1
	FirstIndex     int    // place of the first wanted picture among the task's outputs, from 0
	Try            int    // how many earlier tries this picture has had, from 0
	Inputs         []Input
}

// Image is one finished picture. Data was sniffed and measured: MIME is what it really is.
type Image struct {
	Data          []byte
	MIME          string
	Width, Height int // pixels
}

// Result is what an upstream delivered. Images holds at least one, perhaps fewer than asked for.
type Result struct {
	Images        []Image
	CostMicros    int64  // what we pay, micro-USD; 0 when unknown or free
	UpstreamModel string // the model that says it answered
	RequestID     string // the upstream's own id, for support cases
}

// Ref names a running job upstream. It is stored before the first Poll and is enough to resume
// on another process.
type Ref struct {
	ID   string            `json:"id"`
	Meta map[string]string `json:"meta,omitempty"`
}

// Submission is the answer to Submit. Exactly one field is set: Ref for a job that must be polled,
// Done for an upstream that answered at once.
type Submission struct {
	Ref  *Ref
	Done *Result
}

// State says how far a polled job is.
type State string

// The closed list of states.
const (
	Queued  State = "queued"
	Running State = "running"
	Done    State = "done"
)

// Status is the answer to Poll. Result is set exactly when State is Done; NextPoll is how long to
// wait before asking again otherwise.
type Status struct {
	State    State
	Result   *Result
	NextPoll time.Duration
}

// Provider is one upstream account. Implementations are safe for concurrent use.
//
// Every failure is an *Error or a context error; ClassOf reads both. A job that ended badly
// upstream comes back as an *Error from Poll.
type Provider interface {
	// Submit starts the work. It never retries by itself.
	Submit(ctx context.Context, r Request) (Submission, error)
	// Poll asks how a job is. It is never called for an upstream that answered Submit with Done.
	Poll(ctx context.Context, ref Ref) (Status, error)
	// Cancel asks to stop a job, as a best effort. It may return ErrUnsupported.
	Cancel(ctx context.Context, ref Ref) error
}

// Registry holds the configured providers by name; Route.Provider is the key.
type Registry map[string]Provider

// avoidLead opens the suffix that carries a negative prompt to upstreams without a field for it.
const avoidLead = "\n\nAvoid the following in the image: "

// fullPrompt joins prompt and negative prompt into the one text every upstream understands.
func fullPrompt(r Request) string {
	if r.NegativePrompt == "" {
		return r.Prompt
	}
	return r.Prompt + avoidLead + r.NegativePrompt
}
