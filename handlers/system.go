package handlers

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/internal/fault"
)

const checkPassed = "ok"

type system struct {
	yaml  []byte
	json  map[string]any
	ready func(ctx context.Context) map[string]string
}

// GetHealth answers.
func (s *system) GetHealth(context.Context, api.GetHealthRequestObject) (api.GetHealthResponseObject, error) {
	return api.GetHealth200JSONResponse{Data: api.Health{Status: api.HealthStatusOk}}, nil
}

// GetReadiness tells whether this process can serve. The refusal names the checks that failed, not why.
func (s *system) GetReadiness(ctx context.Context, _ api.GetReadinessRequestObject) (api.GetReadinessResponseObject, error) {
	checks := s.ready(ctx)
	var failed []string
	for name, result := range checks {
		if result != checkPassed {
			failed = append(failed, name)
		}
	}
	if len(failed) > 0 {
		slices.Sort(failed)
		return nil, fault.New(fault.ServiceUnavailable, "not ready: "+strings.Join(failed, ", "))
	}
	return api.GetReadiness200JSONResponse{Data: api.Readiness{Status: api.ReadinessStatusReady, Checks: checks}}, nil
}

// GetContractYAML gives the contract.
func (s *system) GetContractYAML(context.Context, api.GetContractYAMLRequestObject) (api.GetContractYAMLResponseObject, error) {
	return api.GetContractYAML200ApplicationYamlResponse{Body: bytes.NewReader(s.yaml), ContentLength: int64(len(s.yaml))}, nil
}

// GetContractJSON gives the contract.
func (s *system) GetContractJSON(context.Context, api.GetContractJSONRequestObject) (api.GetContractJSONResponseObject, error) {
	return api.GetContractJSON200JSONResponse(s.json), nil
}
