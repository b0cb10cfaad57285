package handlers

import (
	"context"
	"time"

	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/pg"
)

// ErrAPIKeyNotFound refuses an id that is nobody's, or somebody else's.
var ErrAPIKeyNotFound = fault.New(fault.NotFound, "API key not found")

type apiKeys struct {
	pool    db.DBTX
	keyring *auth.Keyring
	clock   func() time.Time
}

// ListAPIKeys gives a page of keys.
func (k *apiKeys) ListAPIKeys(ctx context.Context, r api.ListAPIKeysRequestObject) (api.ListAPIKeysResponseObject, error) {
	userID, environment := auth.PrincipalFrom(ctx).UserID, text(r.Params.Environment)
	at := newPage(r.Params.Page, r.Params.PerPage)
	total, err := pg.Q.APIKeyCount(ctx, k.pool, db.APIKeyCountParams{UserID: userID, Environment: environment})
	if err != nil {
		return nil, fault.Wrap(err, "count API keys")
	}
	rows, err := pg.Q.APIKeyList(ctx, k.pool, db.APIKeyListParams{
		UserID: userID, Environment: environment, RowLimit: at.limit(), RowOffset: at.offset(),
	})
	if err != nil {
		return nil, fault.Wrap(err, "list API keys")
	}
	items := make([]api.APIKey, len(rows))
	for i, row := range rows {
		items[i] = ToAPIKey(row, k.clock())
	}
	return api.ListAPIKeys200JSONResponse{Data: api.APIKeyList{Items: items, Pagination: at.pagination(total)}}, nil
}

// CreateAPIKey makes a key.
func (k *apiKeys) CreateAPIKey(ctx context.Context, r api.CreateAPIKeyRequestObject) (api.CreateAPIKeyResponseObject, error) {
	environment := auth.EnvironmentLive
	if r.Body.Environment != nil {
		environment = string(*r.Body.Environment)
	}
	row, secret, err := k.keyring.Create(ctx, auth.NewKey{
		Actor: auth.ActorFrom(ctx), Name: r.Body.Name, Environment: environment, ExpiresAt: r.Body.ExpiresAt,
	})
	if err != nil {
		return nil, err
	}
	key := ToAPIKey(row, k.clock())
	return api.CreateAPIKey201JSONResponse{Data: api.CreatedAPIKey{
		ID: key.ID, Name: key.Name, Environment: key.Environment, Hint: key.Hint, Status: key.Status,
		ExpiresAt: key.ExpiresAt, CreatedAt: key.CreatedAt, UpdatedAt: key.UpdatedAt, Secret: secret,
	}}, nil
}

// GetAPIKey gives one key.
func (k *apiKeys) GetAPIKey(ctx context.Context, r api.GetAPIKeyRequestObject) (api.GetAPIKeyResponseObject, error) {
	row, err := pg.Q.APIKeyGet(ctx, k.pool, db.APIKeyGetParams{ID: r.ID, UserID: auth.PrincipalFrom(ctx).UserID})
	if pg.NoRows(err) {
		return nil, ErrAPIKeyNotFound
	}
	if err != nil {
		return nil, fault.Wrap(err, "get an API key")
	}
	return api.GetAPIKey200JSONResponse{Data: ToAPIKey(row, k.clock())}, nil
}

// UpdateAPIKey changes a key.
func (k *apiKeys) UpdateAPIKey(ctx context.Context, r api.UpdateAPIKeyRequestObject) (api.UpdateAPIKeyResponseObject, error) {
	change := auth.ChangeKey{
		Actor: auth.ActorFrom(ctx), ID: r.ID, Name: r.Body.Name, Disabled: r.Body.Disabled,
		SetExpiry: r.Body.ExpiresAt.IsSpecified(),
	}
	if at, err := r.Body.ExpiresAt.Get(); err == nil {
		change.ExpiresAt = &at
	}
	row, err := k.keyring.Update(ctx, change)
	if err != nil {
		return nil, err
	}
	return api.UpdateAPIKey200JSONResponse{Data: ToAPIKey(row, k.clock())}, nil
}

// RevokeAPIKey ends a key.
func (k *apiKeys) RevokeAPIKey(ctx context.Context, r api.RevokeAPIKeyRequestObject) (api.RevokeAPIKeyResponseObject, error) {
	row, err := k.keyring.Revoke(ctx, auth.ActorFrom(ctx), r.ID)
	if err != nil {
		return nil, err
	}
	return api.RevokeAPIKey200JSONResponse{Data: ToAPIKey(row, k.clock())}, nil
}

// ToAPIKey gives a key as the contract has it; what has run out by now is expired.
func ToAPIKey(row db.APIKey, now time.Time) api.APIKey {
	return api.APIKey{
		ID: row.ID, Name: row.Name, Environment: api.Environment(row.Environment), Hint: row.Hint,
		Status: auth.Status(row, now), ExpiresAt: wholeSecondsOrNil(row.ExpiresAt),
		CreatedAt: WholeSeconds(row.CreatedAt), UpdatedAt: WholeSeconds(row.UpdatedAt), RevokedAt: wholeSecondsOrNil(row.RevokedAt),
	}
}
