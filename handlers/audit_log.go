package handlers

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/pg"
)

type auditLog struct {
	pool db.DBTX
}

// ListAuditLog gives a page of acts.
func (a *auditLog) ListAuditLog(ctx context.Context, r api.ListAuditLogRequestObject) (api.ListAuditLogResponseObject, error) {
	q := r.Params
	at := newPage(q.Page, q.PerPage)
	filter := db.AuditCountParams{UserID: auth.PrincipalFrom(ctx).UserID, Target: q.Target, CreatedAfter: q.CreatedAfter, CreatedBefore: q.CreatedBefore}
	if q.Action != nil {
		if strings.HasSuffix(*q.Action, ".") {
			filter.ActionPrefix = q.Action
		} else {
			filter.Action = q.Action
		}
	}
	executor := pg.Replanned(a.pool)
	total, err := pg.Q.AuditCount(ctx, executor, filter)
	if err != nil {
		return nil, fault.Wrap(err, "count the audit log")
	}
	rows, err := pg.Q.AuditList(ctx, executor, db.AuditListParams{
		UserID: filter.UserID, Action: filter.Action, ActionPrefix: filter.ActionPrefix, Target: filter.Target,
		CreatedAfter: filter.CreatedAfter, CreatedBefore: filter.CreatedBefore, RowLimit: at.limit(), RowOffset: at.offset(),
	})
	if err != nil {
		return nil, fault.Wrap(err, "list the audit log")
	}
	items := make([]api.AuditEntry, len(rows))
	for i, row := range rows {
		items[i] = ToAuditEntry(row)
	}
	return api.ListAuditLog200JSONResponse{Data: api.AuditLog{Items: items, Pagination: at.pagination(total)}}, nil
}

// ToAuditEntry gives an act as the contract has it.
func ToAuditEntry(row db.AuditLog) api.AuditEntry {
	entry := api.AuditEntry{
		ID: row.ID, ActorID: row.UserID, Action: row.Action, Target: row.Target, IPAddress: row.IPAddress, UserAgent: row.UserAgent,
		Details: map[string]any{}, CreatedAt: WholeSeconds(row.CreatedAt),
	}
	_ = json.Unmarshal(row.Details, &entry.Details) // only what was marshalled is stored
	return entry
}
