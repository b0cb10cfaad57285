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
	yaml  Document
	json  Document
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

// GetContractYAML gives the contract, unless the caller has it.
func (s *system) GetContractYAML(_ context.Context, r api.GetContractYAMLRequestObject) (api.GetContractYAMLResponseObject, error) {
	d := s.yaml
	if d.fits(r.Params.IfNoneMatch) {
		return api.GetContractYAML304Response{Headers: api.GetContractYAML304ResponseHeaders{ETag: d.etag, ContractVersion: d.version}}, nil
	}
	return api.GetContractYAML200ApplicationYamlResponse{
		Headers: api.GetContractYAML200ResponseHeaders{ETag: d.etag, ReprDigest: d.digest, ContractVersion: d.version},
		Body:    bytes.NewReader(d.body), ContentLength: int64(len(d.body)),
	}, nil
}

// GetContractJSON gives the contract, unless the caller has it.
func (s *system) GetContractJSON(_ context.Context, r api.GetContractJSONRequestObject) (api.GetContractJSONResponseObject, error) {
	d := s.json
	if d.fits(r.Params.IfNoneMatch) {
		return api.GetContractJSON304Response{Headers: api.GetContractJSON304ResponseHeaders{ETag: d.etag, ContractVersion: d.version}}, nil
	}
	return api.GetContractJSON200JSONResponse{
		Headers: api.GetContractJSON200ResponseHeaders{ETag: d.etag, ReprDigest: d.digest, ContractVersion: d.version},
		Body:    d.body,
	}, nil
}
