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
	Models         []string // that the key may use; empty = all
	Metered        bool     // the key is thought to have a cap; what counts is its meter
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
	// ErrModelForbidden refuses a model that the key may not use.
	ErrModelForbidden = fault.New(fault.Forbidden, "This API key may not use this model")
	// ErrNotSold refuses a model that is unknown or off, or not sold in the resolution.
	ErrNotSold = errInvalid.WithFields(bodyField("model", "enum", "is not available in this resolution"))
)

// Submit accepts a task: claim on the Idempotency-Key, job, task and hold in one commit, which those who come at the same
// time share. It fails with VALIDATION_ERROR, FORBIDDEN, INSUFFICIENT_BALANCE, QUOTA_EXCEEDED, CONFLICT (the same key is in
// flight), IDEMPOTENCY_MISMATCH or SERVICE_UNAVAILABLE (too many wait), and then nothing is stored.
func (t *Tasks) Submit(ctx context.Context, c Caller, r Request) (Accepted, error) {
	if len(c.Models) > 0 && !slices.Contains(c.Models, r.Model) {
		return Accepted{}, ErrModelForbidden
	}
	if err := t.CheckURLs(r); err != nil {
		return Accepted{}, err
	}
	s, err := t.quote(ctx, c, r)
	if err != nil {
		return Accepted{}, err
	}
	replay, err := t.accepts.Do(ctx, s)
	if c.IdempotencyKey != nil && pg.LockTimedOut(err) {
		return Accepted{}, errStillRunning.Because(err)
	}
	if err != nil {
		return Accepted{}, err
	}
	if replay {
		return t.replay(ctx, s)
	}
	return Accepted{Task: s.task}, nil
}

// replay finds what the key was claimed for. The claim may have run out meanwhile; then the client tries again.
func (t *Tasks) replay(ctx context.Context, s *submission) (Accepted, error) {
	first, err := pg.Q.IdempotencyGet(ctx, t.Pool, db.IdempotencyGetParams{
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
func (t *Tasks) quote(ctx context.Context, c Caller, r Request) (*submission, error) {
	goods, err := t.catalogue.get(ctx)
	if err != nil {
		return nil, err
	}
	now := t.Clock().UTC()
	model, price, ok := goods.quote(r.Model, orEmpty(r.Resolution), now)
	if !ok {
		return nil, ErrNotSold
	}
	if err := CheckLimits(model, r); err != nil {
		return nil, err
	}
	kind := TypeGenerate
	if len(r.ImageURLs) > 0 {
		kind = TypeEdit
	}
	s := &submission{caller: c, task: db.Task{
		ID: id.New(id.Task, now), UserID: c.UserID, Environment: c.Environment, APIKeyID: c.APIKeyID,
		Model: r.Model, Type: kind, Status: StatusPending, Prompt: r.Prompt, NegativePrompt: r.NegativePrompt, AspectRatio: r.AspectRatio,
		Resolution: price.Resolution, NumOutputs: r.NumOutputs, DurationSeconds: r.Duration, ImageURLs: r.ImageURLs,
		WebhookURL: r.WebhookURL, PriceID: price.ID, UnitPriceMicros: price.UnitMicros,
		DeadlineAt: now.Add(Deadline(price.Resolution)), CreatedAt: now,
	}}
	if c.IdempotencyKey != nil {
		canonical, err := json.Marshal(r)
		if err != nil {
			return nil, fault.Wrap(err, "fingerprint a request")
		}
		fingerprint := sha256.Sum256(canonical)
		s.fingerprint = fingerprint[:]
	}
	return s, nil
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
