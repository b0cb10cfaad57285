package handlers

import (
	"context"

	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/pg"
	"github.com/eggapi/eggapi/internal/webhook"
)

type webhooks struct {
	pool    db.DBTX
	secrets *webhook.Secrets
}

// GetWebhookSecret gives the status of the secret.
func (w *webhooks) GetWebhookSecret(ctx context.Context, _ api.GetWebhookSecretRequestObject) (api.GetWebhookSecretResponseObject, error) {
	row, err := pg.Q.WebhookSecretGet(ctx, w.pool, auth.PrincipalFrom(ctx).UserID)
	if pg.NoRows(err) {
		return api.GetWebhookSecret200JSONResponse{Data: api.WebhookSecretStatus{Configured: false}}, nil
	}
	if err != nil {
		return nil, fault.Wrap(err, "get a webhook secret")
	}
	since := WholeSeconds(row.CreatedAt)
	return api.GetWebhookSecret200JSONResponse{Data: api.WebhookSecretStatus{Configured: true, CreatedAt: &since}}, nil
}

// ReplaceWebhookSecret makes a secret.
func (w *webhooks) ReplaceWebhookSecret(ctx context.Context, _ api.ReplaceWebhookSecretRequestObject) (api.ReplaceWebhookSecretResponseObject, error) {
	secret, row, err := w.secrets.Replace(ctx, auth.ActorFrom(ctx))
	if err != nil {
		return nil, err
	}
	return api.ReplaceWebhookSecret201JSONResponse{Data: api.WebhookSecret{
		Configured: true, CreatedAt: WholeSeconds(row.CreatedAt), Secret: secret,
	}}, nil
}

// RemoveWebhookSecret forgets the secret.
func (w *webhooks) RemoveWebhookSecret(ctx context.Context, _ api.RemoveWebhookSecretRequestObject) (api.RemoveWebhookSecretResponseObject, error) {
	if _, err := w.secrets.Remove(ctx, auth.ActorFrom(ctx)); err != nil {
		return nil, err
	}
	return api.RemoveWebhookSecret200JSONResponse{Data: api.WebhookSecretStatus{Configured: false}}, nil
}
