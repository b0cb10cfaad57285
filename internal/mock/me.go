package mock

import (
	"context"

	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/money"
)

// GetMe gives the key that asks. Nothing is counted against its limits here, so nothing remains of them.
func (m *Mock) GetMe(ctx context.Context, _ api.GetMeRequestObject) (api.GetMeResponseObject, error) {
	p := auth.PrincipalFrom(ctx)
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	data := api.Me{KeyID: p.KeyID, Name: "mock", Environment: api.Environment(p.Environment), Scopes: p.Rights.Scopes, Limits: api.APIKeyLimits{TimeZone: "UTC"}}
	if key := m.memory.keys.get(p.KeyID); key != nil {
		shown := m.toAPIKey(key)
		data.Name, data.ExpiresAt, data.Limits = shown.Name, shown.ExpiresAt, shown.Limits
	}
	if u := m.memory.users.get(p.UserID); u != nil && p.Environment == auth.EnvironmentLive {
		data.Balance = &api.Balance{
			Balance: money.Dollars(u.balanceMicros), Held: money.Dollars(u.heldMicros), Available: money.Dollars(u.balanceMicros - u.heldMicros),
		}
	}
	return api.GetMe200JSONResponse{Data: data}, nil
}

// ListAuditLog gives an empty page: the mock keeps no log.
func (m *Mock) ListAuditLog(_ context.Context, r api.ListAuditLogRequestObject) (api.ListAuditLogResponseObject, error) {
	none := func(func(*api.AuditEntry) bool) {}
	items, pagination := page(none, r.Params.Page, r.Params.PerPage, func(e *api.AuditEntry) api.AuditEntry { return *e })
	return api.ListAuditLog200JSONResponse{Data: api.AuditLog{Items: items, Pagination: pagination}}, nil
}
