// Package handlers answers the operations of the contract, one method each, one file a tag.
//
// Owns: turning a validated request into one query or one domain call, and rows into the contract's types.
// Does not own: credentials, validation, error statuses (internal/server), and anything that writes twice (the domains).
// May touch: gen/api, gen/db, auth, fault, task, ledger, webhook, money, pg.
// Always true: a handler knows nothing of HTTP, and every row it reads is its caller's own.
package handlers

import (
	"context"
	"time"

	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/task"
	"github.com/eggapi/eggapi/internal/webhook"
)

// Deps is what the operations are answered with. Every field is needed.
type Deps struct {
	Pool     db.DBTX
	Tasks    *task.Tasks
	Keyring  *auth.Keyring
	Sessions *auth.Sessions
	Secrets  *webhook.Secrets
	FileURL  func(path string) string
	Clock    func() time.Time
	// The bundled document in both spellings.
	ContractYAML, ContractJSON Document
	// Ready runs the checks of readiness and gives a result per check, "ok" when it passed.
	Ready func(ctx context.Context) map[string]string
}

// Handlers answers every operation. Each tag has a struct that holds only what its operations may touch.
type Handlers struct {
	generation
	tasks
	usage
	models
	apiKeys
	me
	account
	auditLog
	webhooks
	session
	user
	system
}

// A method is missing? It answers the operation of its name: write it in the file of the operation's tag.
var _ api.StrictServerInterface = (*Handlers)(nil)

// New wires the handlers.
func New(d Deps) *Handlers {
	return &Handlers{
		generation: generation{tasks: d.Tasks},
		tasks:      tasks{pool: d.Pool, tasks: d.Tasks, fileURL: d.FileURL},
		usage:      usage{pool: d.Pool},
		models:     models{pool: d.Pool},
		apiKeys:    apiKeys{keyring: d.Keyring, clock: d.Clock},
		me:         me{pool: d.Pool, keyring: d.Keyring, clock: d.Clock},
		auditLog:   auditLog{pool: d.Pool},
		account:    account{pool: d.Pool},
		webhooks:   webhooks{pool: d.Pool, secrets: d.Secrets},
		session:    session{sessions: d.Sessions},
		user:       user{sessions: d.Sessions},
		system:     system{yaml: d.ContractYAML, json: d.ContractJSON, ready: d.Ready},
	}
}
