package task

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/id"
	"github.com/eggapi/eggapi/internal/ledger"
	"github.com/eggapi/eggapi/internal/pg"
)

// Request is what a customer asks for. Absent members are nil or empty; the schema has been checked.
type Request struct {
	Model          string   `json:"model"`
	Prompt         string   `json:"prompt"`
	NegativePrompt *string  `json:"negative_prompt"`
	AspectRatio    string   `json:"aspect_ratio"`
	NumOutputs     int32    `json:"num_outputs"`
	Duration       *int32   `json:"duration"`
	Resolution     *string  `json:"resolution"`
	ImageURLs      []string `json:"image_urls"`
	WebhookURL     *string  `json:"webhook_url"`
}

// Caller is for whom a task is made.
type Caller struct {
	UserID         string
	Environment    string
	APIKeyID       *string // nil for the dashboard
	IdempotencyKey *string
}

// Accepted is the answer to a submission.
type Accepted struct {
	Task     db.Task
	Replayed bool // an earlier submission with the same key made it
}

var (
	errStillRunning = fault.New(fault.Conflict, "A request with this Idempotency-Key is still running").After(time.Second)
	errInvalid      = fault.New(fault.ValidationError, "request validation failed")

	// ErrMismatch refuses an Idempotency-Key that is claimed for another request.
	ErrMismatch = fault.New(fault.IdempotencyMismatch, "This Idempotency-Key was used with another request")
	// ErrNotSold refuses a model that is unknown or off, or not sold in the resolution.
	ErrNotSold = errInvalid.WithFields(bodyField("model", "enum", "is not available in this resolution"))
)

// Submit accepts a task: claim on the Idempotency-Key, job, task and hold in one commit. It fails with
// VALIDATION_ERROR, INSUFFICIENT_BALANCE, CONFLICT (the same key is in flight) or IDEMPOTENCY_MISMATCH,
// and then nothing is stored.
func (d Deps) Submit(ctx context.Context, c Caller, r Request) (Accepted, error) {
	if err := d.CheckURLs(r); err != nil {
		return Accepted{}, err
	}
	s, err := d.quote(ctx, c, r)
	if err != nil {
		return Accepted{}, err
	}
	set := []*submission{s}
	err = pg.InTx(ctx, d.Pool, func(tx pg.Tx) error { return d.acceptSet(ctx, tx, set) })
	if pg.LockTimedOut(err) {
		return Accepted{}, errStillRunning.Because(err)
	}
	if err != nil {
		return Accepted{}, err
	}
	if s.replay {
		return d.replay(ctx, s)
	}
	return Accepted{Task: s.row()}, nil
}

// submission is one request on its way into a commit.
type submission struct {
	caller      Caller
	fingerprint []byte
	task        db.TaskInsertParams
	replay      bool  // its key was claimed before; nothing was stored for it
	refused     error // its fate, when it could not be accepted
}

// acceptSet decides the fate of each submission inside one transaction. A refused one leaves
// nothing behind; alone it ends the transaction, among others only its own savepoint.
func (d Deps) acceptSet(ctx context.Context, tx pg.Tx, set []*submission) error {
	if len(set) == 1 {
		return d.accept(ctx, tx, set[0])
	}
	// One order of accounts for every node, so that no two commits wait for each other.
	slices.SortStableFunc(set, func(a, b *submission) int { return bytes.Compare([]byte(a.caller.UserID), []byte(b.caller.UserID)) })
	for _, s := range set {
		err := pg.InTx(ctx, tx, func(savepoint pg.Tx) error { return d.accept(ctx, savepoint, s) })
		if _, refusal := fault.As(err); err != nil && !refusal {
			return err
		}
		s.refused = err
	}
	return nil
}

func (d Deps) accept(ctx context.Context, tx pg.Tx, s *submission) error {
	if s.caller.IdempotencyKey != nil {
		claimed, err := pg.Q.IdempotencyClaim(ctx, tx, db.IdempotencyClaimParams{
			UserID: s.caller.UserID, Environment: s.caller.Environment, Key: *s.caller.IdempotencyKey,
			Fingerprint: s.fingerprint, TaskID: s.task.ID,
		})
		if err != nil {
			return fault.Wrap(err, "claim an idempotency key")
		}
		if claimed == 0 {
			s.replay = true
			return nil
		}
	}
	job, err := d.River.InsertTx(ctx, tx, AdvanceArgs{TaskID: s.task.ID}, nil)
	if err != nil {
		return fault.Wrap(err, "queue a task")
	}
	s.task.JobID = &job.Job.ID
	if err := pg.Q.TaskInsert(ctx, tx, s.task); err != nil {
		return fault.Wrap(err, "store a task")
	}
	if s.caller.Environment != EnvironmentLive {
		return nil
	}
	return ledger.Hold(ctx, tx, s.task.ID, s.caller.UserID, s.task.UnitPriceMicros*int64(s.task.NumOutputs))
}

// replay finds what the key was claimed for. The claim may have run out meanwhile; then the client tries again.
func (d Deps) replay(ctx context.Context, s *submission) (Accepted, error) {
	first, err := pg.Q.IdempotencyGet(ctx, d.Pool, db.IdempotencyGetParams{
		UserID: s.caller.UserID, Environment: s.caller.Environment, Key: *s.caller.IdempotencyKey,
	})
	switch {
	case pg.NoRows(err):
		return Accepted{}, errStillRunning
	case err != nil:
		return Accepted{}, fault.Wrap(err, "read an idempotency key")
	case !bytes.Equal(first.Fingerprint, s.fingerprint):
		return Accepted{}, ErrMismatch
	}
	return Accepted{Task: first.Task, Replayed: true}, nil
}

// quote works out the task and its price. The price version in force now stays the task's own.
func (d Deps) quote(ctx context.Context, c Caller, r Request) (*submission, error) {
	quote, err := pg.Q.ModelQuote(ctx, d.Pool, db.ModelQuoteParams{Model: r.Model, Resolution: r.Resolution})
	if pg.NoRows(err) {
		return nil, ErrNotSold
	}
	if err != nil {
		return nil, fault.Wrap(err, "quote a price")
	}
	resolution := quote.Model.DefaultResolution
	if r.Resolution != nil {
		resolution = *r.Resolution
	}
	if err := CheckLimits(quote.Model, r); err != nil {
		return nil, err
	}
	canonical, err := json.Marshal(r)
	if err != nil {
		return nil, fault.Wrap(err, "fingerprint a request")
	}
	fingerprint := sha256.Sum256(canonical)
	now := d.Clock().UTC()
	kind := TypeGenerate
	if len(r.ImageURLs) > 0 {
		kind = TypeEdit
	}
	return &submission{caller: c, fingerprint: fingerprint[:], task: db.TaskInsertParams{
		ID: id.New(id.Task, now), UserID: c.UserID, Environment: c.Environment, APIKeyID: c.APIKeyID,
		Model: r.Model, Type: kind, Prompt: r.Prompt, NegativePrompt: r.NegativePrompt, AspectRatio: r.AspectRatio,
		Resolution: resolution, NumOutputs: r.NumOutputs, DurationSeconds: r.Duration, ImageURLs: orNone(r.ImageURLs),
		WebhookURL: r.WebhookURL, PriceID: quote.PriceID, UnitPriceMicros: quote.UnitMicros,
		DeadlineAt: now.Add(Deadline(resolution)), CreatedAt: now,
	}}, nil
}

// CheckLimits refuses with VALIDATION_ERROR what the model does not offer.
func CheckLimits(m db.Model, r Request) error {
	switch {
	case !slices.Contains(m.AspectRatios, r.AspectRatio):
		return errInvalid.WithFields(bodyField("aspect_ratio", "enum", "is not offered by this model"))
	case r.NumOutputs > m.MaxOutputs:
		return errInvalid.WithFields(bodyField("num_outputs", "maximum", "is more than this model makes at once"))
	case len(r.ImageURLs) > int(m.MaxImageUrls):
		return errInvalid.WithFields(bodyField("image_urls", "maxItems", "are more than this model takes"))
	}
	return nil
}

// CheckURLs refuses with VALIDATION_ERROR URLs that could never be called; who answers there is seen when they are. It
// needs Images only.
func (d Deps) CheckURLs(r Request) error {
	var fields []fault.Field
	for i, u := range r.ImageURLs {
		if d.Images.CheckURL(u) != nil {
			fields = append(fields, bodyField("image_urls["+strconv.Itoa(i)+"]", "uri", "must be a public HTTPS URL"))
		}
	}
	if r.WebhookURL != nil && d.Images.CheckURL(*r.WebhookURL) != nil {
		fields = append(fields, bodyField("webhook_url", "uri", "must be a public HTTPS URL"))
	}
	if len(fields) > 0 {
		return errInvalid.WithFields(fields...)
	}
	return nil
}

func bodyField(name, rule, message string) fault.Field {
	return fault.Field{In: "body", Name: name, Rule: rule, Message: message}
}

func orNone(urls []string) []string {
	if urls == nil {
		return []string{}
	}
	return urls
}

// row is the stored task as it was at its creation.
func (s *submission) row() db.Task {
	t := s.task
	return db.Task{
		ID: t.ID, UserID: t.UserID, Environment: t.Environment, APIKeyID: t.APIKeyID, Model: t.Model, Type: t.Type,
		Status: StatusPending, Prompt: t.Prompt, AspectRatio: t.AspectRatio, Resolution: t.Resolution,
		NumOutputs: t.NumOutputs, UnitPriceMicros: t.UnitPriceMicros, CreatedAt: t.CreatedAt, DeadlineAt: t.DeadlineAt,
	}
}
