// Package task is the life of an image.
//
// Owns: accepting a task, advancing it step by step, ending it exactly once, and finding those that got lost.
// Does not own: HTTP, drawing (provider), money (ledger), telling (webhook), files (storage).
// May touch: ledger, webhook, provider, storage, fetch, gen/db, pg, fault, id, river.
// Always true: what is accepted is paid for and queued in the same commit; each step may be run again; a crash between any two lines loses nothing and charges once.
package task

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"github.com/eggapi/eggapi/internal/fetch"
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

// Deps is what tasks are worked with. Submitting needs Pool, River, Images, Clock and Logger only.
type Deps struct {
	Pool      *pgxpool.Pool
	River     *River
	Images    Images
	Providers provider.Registry
	Store     *storage.Store
	Clock     func() time.Time
	Logger    *slog.Logger
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

// AdvanceArgs asks for a task to be taken as far as it can go. It holds no more than the id.
type AdvanceArgs struct {
	TaskID string `json:"task_id"`
}

// Kind names the job.
func (AdvanceArgs) Kind() string { return "task.advance" }

// InsertOpts bounds how often a job that breaks its worker is tried; waiting for a provider does not count.
func (AdvanceArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: Queue, MaxAttempts: 5}
}
