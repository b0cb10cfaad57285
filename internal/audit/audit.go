// Package audit keeps the log of acts on keys, secrets, sessions and money.
//
// Owns: what a row of the log says and that it is written in the transaction of the act.
// Does not own: deciding who may act.
// May touch: gen/db, pg, id, fault.
// Always true: a row is never changed or removed, and never holds a secret.
package audit

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/id"
	"github.com/eggapi/eggapi/internal/pg"
)

// Actor is who acts, and from where.
type Actor struct {
	UserID    string
	IPAddress string
	UserAgent string
}

// Act is one act: a verb such as "api_key.create" and the id of what it was done to.
type Act struct {
	Actor   Actor
	Action  string
	Target  string
	Details map[string]any // before and after; never a secret
}

// Write logs an act in the transaction that performs it.
func Write(ctx context.Context, tx db.DBTX, now time.Time, a Act) error {
	details, err := json.Marshal(orEmpty(a.Details))
	if err != nil {
		return fault.Wrap(err, "encode the details of "+a.Action)
	}
	err = pg.Q.AuditInsert(ctx, tx, db.AuditInsertParams{
		ID: id.New(id.Audit, now), UserID: a.Actor.UserID, Action: a.Action, Target: a.Target,
		IPAddress: a.Actor.IPAddress, UserAgent: clip(a.Actor.UserAgent, 512), Details: details,
	})
	return fault.Wrap(err, "log "+a.Action)
}

func orEmpty(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

// clip keeps a stranger's header from filling the log, and from being cut inside a character.
func clip(s string, maxBytes int) string {
	if len(s) > maxBytes {
		s = s[:maxBytes]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\x00", "")
}
