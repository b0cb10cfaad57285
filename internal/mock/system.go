package mock

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/internal/fault"
)

// GetHealth answers.
func (m *Mock) GetHealth(ctx context.Context, r api.GetHealthRequestObject) (api.GetHealthResponseObject, error) {
	return m.system.GetHealth(ctx, r)
}

// GetReadiness tells that this process can serve.
func (m *Mock) GetReadiness(ctx context.Context, r api.GetReadinessRequestObject) (api.GetReadinessResponseObject, error) {
	return m.system.GetReadiness(ctx, r)
}

// GetContractYAML gives the contract.
func (m *Mock) GetContractYAML(ctx context.Context, r api.GetContractYAMLRequestObject) (api.GetContractYAMLResponseObject, error) {
	return m.system.GetContractYAML(ctx, r)
}

// GetContractJSON gives the contract.
func (m *Mock) GetContractJSON(ctx context.Context, r api.GetContractJSONRequestObject) (api.GetContractJSONResponseObject, error) {
	return m.system.GetContractJSON(ctx, r)
}

// ready names the one thing a mock stands on. It has nothing that could be away.
func ready(context.Context) map[string]string { return map[string]string{"memory": "ok"} }

// notFound answers where the real service has pages, and for files that are not kept.
func notFound(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusNotFound)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"data": nil, "error": map[string]any{"code": fault.NotFound, "message": "Not found", "request_id": w.Header().Get("X-Request-Id")},
	})
}
