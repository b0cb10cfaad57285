package mock

import (
	"context"
	"time"

	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/handlers"
	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/id"
)

// maxOpenKeys bounds a user's keys that are not revoked.
const maxOpenKeys = 100

// The texts are the real service's, held to it by a test.
var (
	errKeyIsRevoked = fault.New(fault.Conflict, "API key has been revoked")
	errTooManyKeys  = fault.New(fault.Conflict, "You already have 100 API keys; revoke one before you create another")
	errExpiryPast   = fault.New(fault.ValidationError, "expires_at must be in the future").
			WithFields(fault.Field{In: "body", Name: "expires_at", Rule: "future", Message: "must be in the future"})
)

// ListAPIKeys gives a page of keys.
func (m *Mock) ListAPIKeys(ctx context.Context, r api.ListAPIKeysRequestObject) (api.ListAPIKeysResponseObject, error) {
	userID := auth.PrincipalFrom(ctx).UserID
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	mine := only(m.memory.keys.newest(), func(k *db.APIKey) bool {
		return k.UserID == userID && is(r.Params.Environment, k.Environment)
	})
	items, pagination := page(mine, r.Params.Page, r.Params.PerPage, func(row *db.APIKey) api.APIKey { return handlers.ToAPIKey(*row, m.now()) })
	return api.ListAPIKeys200JSONResponse{Data: api.APIKeyList{Items: items, Pagination: pagination}}, nil
}

// CreateAPIKey makes a key.
func (m *Mock) CreateAPIKey(ctx context.Context, r api.CreateAPIKeyRequestObject) (api.CreateAPIKeyResponseObject, error) {
	now, environment := m.now(), auth.EnvironmentLive
	if r.Body.Environment != nil {
		environment = string(*r.Body.Environment)
	}
	if r.Body.ExpiresAt != nil && !r.Body.ExpiresAt.After(now) {
		return nil, errExpiryPast
	}
	secret, digest, hint, err := auth.NewSecret(environment)
	if err != nil {
		return nil, err
	}
	row := db.APIKey{
		ID: id.New(id.Key, now), UserID: auth.PrincipalFrom(ctx).UserID, Environment: environment, Name: r.Body.Name,
		Digest: digest[:], Hint: hint, ExpiresAt: r.Body.ExpiresAt, CreatedAt: now, UpdatedAt: now,
	}
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	if m.memory.openKeys(row.UserID) >= maxOpenKeys {
		return nil, errTooManyKeys
	}
	m.memory.keys.put(string(row.Digest), &row)
	key := handlers.ToAPIKey(row, m.now())
	return api.CreateAPIKey201JSONResponse{Data: api.CreatedAPIKey{
		ID: key.ID, Name: key.Name, Environment: key.Environment, Hint: key.Hint, Status: key.Status,
		ExpiresAt: key.ExpiresAt, CreatedAt: key.CreatedAt, UpdatedAt: key.UpdatedAt, Secret: secret,
	}}, nil
}

func (m *memory) openKeys(userID string) (n int) {
	for k := range m.keys.newest() {
		if k.UserID == userID && k.RevokedAt == nil {
			n++
		}
	}
	return n
}

// GetAPIKey gives one key.
func (m *Mock) GetAPIKey(ctx context.Context, r api.GetAPIKeyRequestObject) (api.GetAPIKeyResponseObject, error) {
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	row, err := m.memory.key(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	return api.GetAPIKey200JSONResponse{Data: handlers.ToAPIKey(*row, m.now())}, nil
}

// key gives a key of the caller's.
func (m *memory) key(ctx context.Context, keyID string) (*db.APIKey, error) {
	userID := auth.PrincipalFrom(ctx).UserID
	if row := m.keys.first(func(k *db.APIKey) bool { return k.ID == keyID && k.UserID == userID }); row != nil {
		return row, nil
	}
	return nil, handlers.ErrAPIKeyNotFound
}

// UpdateAPIKey changes a key.
func (m *Mock) UpdateAPIKey(ctx context.Context, r api.UpdateAPIKeyRequestObject) (api.UpdateAPIKeyResponseObject, error) {
	now := m.now()
	var expiresAt *time.Time
	if at, err := r.Body.ExpiresAt.Get(); err == nil {
		expiresAt = &at
	}
	if expiresAt != nil && !expiresAt.After(now) {
		return nil, errExpiryPast
	}
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	row, err := m.memory.key(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	if row.RevokedAt != nil {
		return nil, errKeyIsRevoked
	}
	if r.Body.Name != nil {
		row.Name = *r.Body.Name
	}
	if r.Body.ExpiresAt.IsSpecified() {
		row.ExpiresAt = expiresAt
	}
	switch {
	case r.Body.Disabled == nil:
	case !*r.Body.Disabled:
		row.DisabledAt = nil
	case row.DisabledAt == nil:
		row.DisabledAt = &now
	}
	row.UpdatedAt = now
	return api.UpdateAPIKey200JSONResponse{Data: handlers.ToAPIKey(*row, m.now())}, nil
}

// RevokeAPIKey ends a key.
func (m *Mock) RevokeAPIKey(ctx context.Context, r api.RevokeAPIKeyRequestObject) (api.RevokeAPIKeyResponseObject, error) {
	now := m.now()
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	row, err := m.memory.key(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	if row.RevokedAt == nil {
		row.RevokedAt, row.UpdatedAt = &now, now
	}
	return api.RevokeAPIKey200JSONResponse{Data: handlers.ToAPIKey(*row, m.now())}, nil
}
