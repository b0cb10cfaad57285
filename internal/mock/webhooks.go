package mock

import (
	"context"

	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/handlers"
	"github.com/eggapi/eggapi/internal/webhook"
)

// WebhookSecret signs the webhooks of every key that was not made here: nobody could be shown another. It guards nothing.
const WebhookSecret = "whsec_dGhlIHdlYmhvb2sgc2VjcmV0IG9mIGVnZ2FwaSBtb2Nr" //nolint:gosec // public on purpose

// GetWebhookSecret gives the status of the secret.
func (m *Mock) GetWebhookSecret(ctx context.Context, _ api.GetWebhookSecretRequestObject) (api.GetWebhookSecretResponseObject, error) {
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	u, err := m.memory.owner(ctx)
	if err != nil {
		return nil, err
	}
	status := api.WebhookSecretStatus{Configured: u.webhookSecret != ""}
	if status.Configured {
		since := handlers.WholeSeconds(u.secretSince)
		status.CreatedAt = &since
	}
	return api.GetWebhookSecret200JSONResponse{Data: status}, nil
}

// ReplaceWebhookSecret makes a secret.
func (m *Mock) ReplaceWebhookSecret(ctx context.Context, _ api.ReplaceWebhookSecretRequestObject) (api.ReplaceWebhookSecretResponseObject, error) {
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	u, err := m.memory.owner(ctx)
	if err != nil {
		return nil, err
	}
	u.webhookSecret, u.secretSince = webhook.NewSecret(), m.now()
	return api.ReplaceWebhookSecret201JSONResponse{Data: api.WebhookSecret{
		Configured: true, CreatedAt: handlers.WholeSeconds(u.secretSince), Secret: u.webhookSecret,
	}}, nil
}

// RemoveWebhookSecret forgets the secret.
func (m *Mock) RemoveWebhookSecret(ctx context.Context, _ api.RemoveWebhookSecretRequestObject) (api.RemoveWebhookSecretResponseObject, error) {
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	u, err := m.memory.owner(ctx)
	if err != nil {
		return nil, err
	}
	u.webhookSecret = ""
	return api.RemoveWebhookSecret200JSONResponse{Data: api.WebhookSecretStatus{Configured: false}}, nil
}

// signingSecret gives what the webhooks of an account are signed with, and makes a secret for a user without one.
func (m *Mock) signingSecret(userID string) string {
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	u := m.memory.users.get(userID)
	if u == nil {
		return WebhookSecret
	}
	if u.webhookSecret == "" {
		u.webhookSecret, u.secretSince = webhook.NewSecret(), m.now()
	}
	return u.webhookSecret
}
