package handlers

import (
	"context"
	"encoding/json"
	"time"

	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/auth"
)

// defaultOverlapSeconds is the contract's; a test holds it against it.
const defaultOverlapSeconds = 86_400

type apiKeys struct {
	keyring *auth.Keyring
	clock   func() time.Time
}

// ListAPIKeys gives a page of keys.
func (k *apiKeys) ListAPIKeys(ctx context.Context, r api.ListAPIKeysRequestObject) (api.ListAPIKeysResponseObject, error) {
	at := newPage(r.Params.Page, r.Params.PerPage)
	keys, total, err := k.keyring.List(ctx, db.APIKeyListParams{
		UserID: auth.PrincipalFrom(ctx).UserID, Environment: text(r.Params.Environment), RowLimit: at.limit(), RowOffset: at.offset(),
	})
	if err != nil {
		return nil, err
	}
	items := make([]api.APIKey, len(keys))
	for i, key := range keys {
		items[i] = ToAPIKey(key, k.clock())
	}
	return api.ListAPIKeys200JSONResponse{Data: api.APIKeyList{Items: items, Pagination: at.pagination(total)}}, nil
}

// CreateAPIKey makes a key.
func (k *apiKeys) CreateAPIKey(ctx context.Context, r api.CreateAPIKeyRequestObject) (api.CreateAPIKeyResponseObject, error) {
	limits, err := ToKeyLimits(r.Body.Limits)
	if err != nil {
		return nil, err
	}
	n := auth.NewKey{
		Actor: auth.ActorFrom(ctx), Name: r.Body.Name, Environment: auth.EnvironmentLive, ExpiresAt: r.Body.ExpiresAt,
		Metadata: orZero(r.Body.Metadata), Scopes: orZero(r.Body.Scopes), Limits: orZero(limits),
	}
	if r.Body.Environment != nil {
		n.Environment = string(*r.Body.Environment)
	}
	key, secret, err := k.keyring.Create(ctx, n)
	if err != nil {
		return nil, err
	}
	return api.CreateAPIKey201JSONResponse{Data: ToCreatedAPIKey(ToAPIKey(key, k.clock()), secret)}, nil
}

// GetAPIKey gives one key.
func (k *apiKeys) GetAPIKey(ctx context.Context, r api.GetAPIKeyRequestObject) (api.GetAPIKeyResponseObject, error) {
	key, err := k.keyring.Get(ctx, auth.PrincipalFrom(ctx).UserID, r.ID)
	if err != nil {
		return nil, err
	}
	return api.GetAPIKey200JSONResponse{Data: ToAPIKey(key, k.clock())}, nil
}

// UpdateAPIKey changes a key.
func (k *apiKeys) UpdateAPIKey(ctx context.Context, r api.UpdateAPIKeyRequestObject) (api.UpdateAPIKeyResponseObject, error) {
	limits, err := ToKeyLimits(r.Body.Limits)
	if err != nil {
		return nil, err
	}
	change := auth.ChangeKey{
		Actor: auth.ActorFrom(ctx), ID: r.ID, Name: r.Body.Name, Disabled: r.Body.Disabled, SetExpiry: r.Body.ExpiresAt.IsSpecified(),
		Metadata: orZero(r.Body.Metadata), Scopes: orZero(r.Body.Scopes), Limits: limits,
	}
	if at, err := r.Body.ExpiresAt.Get(); err == nil {
		change.ExpiresAt = &at
	}
	key, err := k.keyring.Update(ctx, change)
	if err != nil {
		return nil, err
	}
	return api.UpdateAPIKey200JSONResponse{Data: ToAPIKey(key, k.clock())}, nil
}

// RotateAPIKey gives a key a new secret.
func (k *apiKeys) RotateAPIKey(ctx context.Context, r api.RotateAPIKeyRequestObject) (api.RotateAPIKeyResponseObject, error) {
	overlap := int32(defaultOverlapSeconds)
	if r.Body.OverlapSeconds != nil {
		overlap = *r.Body.OverlapSeconds
	}
	rotated, err := k.keyring.Rotate(ctx, auth.Rotation{
		Actor: auth.ActorFrom(ctx), KeyID: r.ID, Overlap: time.Duration(overlap) * time.Second, IdempotencyKey: r.Params.IdempotencyKey,
	})
	if err != nil {
		return nil, err
	}
	return api.RotateAPIKey200JSONResponse{
		Headers: api.RotateAPIKey200ResponseHeaders{IdempotentReplayed: orNil("true", rotated.Replayed)},
		Body:    api.CreatedAPIKeyEnvelope{Data: ToCreatedAPIKey(ToAPIKey(rotated.Key, k.clock()), rotated.Secret)},
	}, nil
}

// RevokeAPIKey ends a key.
func (k *apiKeys) RevokeAPIKey(ctx context.Context, r api.RevokeAPIKeyRequestObject) (api.RevokeAPIKeyResponseObject, error) {
	key, err := k.keyring.Revoke(ctx, auth.ActorFrom(ctx), r.ID)
	if err != nil {
		return nil, err
	}
	return api.RevokeAPIKey200JSONResponse{Data: ToAPIKey(key, k.clock())}, nil
}

// ToAPIKey gives a key as the contract has it; what has run out by now is expired.
func ToAPIKey(k auth.Key, now time.Time) api.APIKey {
	key := api.APIKey{
		ID: k.ID, Name: k.Name, Environment: api.Environment(k.Environment), Hint: k.Hint, Status: k.Status(now),
		Metadata: map[string]string{}, Scopes: k.Scopes, Limits: ToAPIKeyLimits(k), Secrets: []api.APIKeySecret{},
		RequestCount: k.Requests, LastUsedAt: wholeSecondsOrNil(k.LastUsedAt), ExpiresAt: wholeSecondsOrNil(k.ExpiresAt),
		CreatedAt: WholeSeconds(k.CreatedAt), UpdatedAt: WholeSeconds(k.UpdatedAt), RevokedAt: wholeSecondsOrNil(k.RevokedAt),
	}
	_ = json.Unmarshal(k.Metadata, &key.Metadata) // only what was marshalled is stored
	for _, s := range k.Secrets {
		key.Secrets = append(key.Secrets, api.APIKeySecret{
			Hint: s.Hint, CreatedAt: WholeSeconds(s.CreatedAt), ExpiresAt: wholeSecondsOrNil(s.ExpiresAt),
			LastUsedAt: wholeSecondsOrNil(s.LastUsedAt),
		})
	}
	return key
}

// ToCreatedAPIKey gives a key with its secret.
func ToCreatedAPIKey(key api.APIKey, secret string) api.CreatedAPIKey {
	return api.CreatedAPIKey{
		ID: key.ID, Name: key.Name, Environment: key.Environment, Hint: key.Hint, Status: key.Status, Metadata: key.Metadata,
		Scopes: key.Scopes, Limits: key.Limits, Secrets: key.Secrets, RequestCount: key.RequestCount, LastUsedAt: key.LastUsedAt,
		ExpiresAt: key.ExpiresAt, CreatedAt: key.CreatedAt, UpdatedAt: key.UpdatedAt, RevokedAt: key.RevokedAt, Secret: secret,
	}
}
