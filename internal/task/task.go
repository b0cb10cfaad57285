// Package task is the life of an image.
//
// Owns: accepting a task, advancing it step by step, ending it exactly once, and finding those that got lost.
// Does not own: HTTP, drawing (provider), money (ledger), telling (webhook), files (storage).
// May touch: ledger, webhook, provider, storage, fetch, gen/db, pg, fault, id, river.
// Always true: what is accepted is paid for and queued in the same commit; each step may be run again; a crash between any two lines loses nothing and charges once.
package task

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/coalesce"
	"github.com/eggapi/eggapi/internal/fetch"
	"github.com/eggapi/eggapi/internal/pg"
	"github.com/eggapi/eggapi/internal/provider"
	"github.com/eggapi/eggapi/internal/storage"
)

// The states of a task.
const (
	StatusPending    = "pending"
	StatusProcessing = "processing"
	StatusCompleted  = "completed"
	StatusFailed     = "failed"
)

// The types of a task.
const (
	TypeGenerate = "image_generate"
	TypeEdit     = "image_edit"
)

// EnvironmentLive is the environment whose tasks cost money.
const EnvironmentLive = "live"

// Queue is the River queue that tasks are advanced on.
const Queue = "tasks"

// How long a task may take, by the slowest upstream of its resolution.
const (
	deadline   = 5 * time.Minute
	deadline4K = 10 * time.Minute
)

// Deadline is how long a task of the resolution may take before it fails with timeout.
func Deadline(resolution string) time.Duration {
	if resolution == "4k" {
		return deadline4K
	}
	return deadline
}

// River is the queue's client.
type River = river.Client[pgx.Tx]

// Images fetches what customers point at.
type Images interface {
	CheckURL(raw string) error
	Image(ctx context.Context, rawURL string) (fetch.Image, error)
}

// Deps is what tasks are worked with. Submitting needs Pool, Images, Clock and Logger only.
type Deps struct {
	Pool      *pgxpool.Pool
	River     *River
	Images    Images
	Providers provider.Registry
	Store     *storage.Store
	Clock     func() time.Time
	Logger    *slog.Logger
	// Wake tells the workers of queues, in this process and in others, that they have jobs. It is called after the commit
	// that stored them; without it they are found by the next poll.
	Wake func(ctx context.Context, queues ...string) error
	// Node names this process among all that share the database.
	Node string
	// SandboxForLive lets live tasks be drawn by the sandbox, for want of a real provider.
	SandboxForLive bool
	// LeaseSeconds is how long a silent worker keeps a task to itself; 0 = 30.
	LeaseSeconds int
}

func (d Deps) leaseSeconds() int {
	if d.LeaseSeconds == 0 {
		return 30
	}
	return d.LeaseSeconds
}

// Tasks accepts tasks, works them and tells of them. Make it with New and end it with Close.
type Tasks struct {
	Deps
	catalogue *catalogue
	bell      *bell
	accepts   *coalesce.Group[*submission, bool]
	leases    *coalesce.Group[leaseRequest, lease]
	calls     *coalesce.Group[note, bool]
	outcomes  *coalesce.Group[outcome, bool]
	reads     *coalesce.Group[db.TaskGetParams, *db.TaskGetRow]
}

// How the shared commits and reads are run. More slots make sets smaller and commits more, and are slower; see
// docs/decisions/0019-shared-commits.md.
const (
	writeSlots = 1
	readSlots  = 4
	maxSet     = 256
	maxWaiting = 4096
)

// New makes a Tasks from d.
func New(d Deps) *Tasks {
	t := &Tasks{Deps: d, catalogue: &catalogue{pool: d.Pool, clock: d.Clock}, bell: &bell{wake: d.Wake, logger: d.Logger}}
	t.accepts = coalesce.New(shared(t.acceptSet))
	t.leases = coalesce.New(shared(t.leaseSet))
	t.calls = coalesce.New(shared(t.noteSet))
	t.outcomes = coalesce.New(shared(t.outcomeSet))
	reads := shared(t.getSet)
	reads.Slots = readSlots
	t.reads = coalesce.New(reads)
	return t
}

// shared is how sets of requests are run in one transaction each.
func shared[Q, A any](run func(ctx context.Context, set []Q) ([]coalesce.Reply[A], error)) coalesce.Config[Q, A] {
	return coalesce.Config[Q, A]{Run: run, Apart: pg.RolledBack, Slots: writeSlots, MaxSet: maxSet, MaxWaiting: maxWaiting}
}

// Close waits, until ctx ends, for what is being accepted and worked. Nothing is accepted any more.
func (t *Tasks) Close(ctx context.Context) error {
	err := errors.Join(t.accepts.Close(ctx), t.leases.Close(ctx), t.calls.Close(ctx), t.outcomes.Close(ctx), t.reads.Close(ctx))
	t.bell.close()
	return err
}

// jobAttempts bounds how often a job that breaks its worker is tried.
const jobAttempts = 5

// AdvanceArgs asks for a task to be taken as far as it can go. It holds no more than the id.
type AdvanceArgs struct {
	TaskID string `json:"task_id"`
}

// Kind names the job.
func (AdvanceArgs) Kind() string { return "task.advance" }

// InsertOpts bounds how often a job that breaks its worker is tried; waiting for a provider does not count.
func (AdvanceArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: Queue, MaxAttempts: jobAttempts}
}
