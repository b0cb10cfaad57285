package main

import (
	"context"
	"errors"
	"fmt"

	"example.com/customer/target/eggapi"
)

// mostTries bounds how many requests are sent to meet the limit.
const mostTries = 2000

// mustBe holds a typed refusal against the code that is expected. It is nil when the status was another one.
func mustBe(refusal *eggapi.ErrorEnvelope, code eggapi.ErrorCode, body []byte) error {
	switch {
	case refusal == nil:
		return fmt.Errorf("not the status that goes with %s: %s", code, body)
	case refusal.Error.Code != code:
		return fmt.Errorf("code %s instead of %s", refusal.Error.Code, code)
	case refusal.Error.RequestID == "" || refusal.Error.Message == "":
		return fmt.Errorf("a refusal without request_id or message: %s", body)
	}
	return nil
}

func (s *scenario) unauthorized(ctx context.Context) error {
	got, err := s.stranger.GetTaskWithResponse(ctx, s.taskID, nil)
	if err != nil {
		return err
	}
	return mustBe(got.JSON401, "UNAUTHORIZED", got.Body)
}

func (s *scenario) notFound(ctx context.Context) error {
	got, err := s.customer.GetTaskWithResponse(ctx, "gen_00000000000000000000000000", nil)
	if err != nil {
		return err
	}
	return mustBe(got.JSON404, "NOT_FOUND", got.Body)
}

func (s *scenario) validation(ctx context.Context) error {
	got, err := s.customer.GenerateWithResponse(ctx, nil, eggapi.GenerateRequest{Model: s.request.Model, Prompt: ""})
	if err != nil {
		return err
	}
	if err := mustBe(got.JSON400, "VALIDATION_ERROR", got.Body); err != nil {
		return err
	}
	fields := got.JSON400.Error.Fields
	if fields == nil || len(*fields) == 0 {
		return fmt.Errorf("no field is named: %s", got.Body)
	}
	if field := (*fields)[0]; field.In != "body" || field.Name != "prompt" || field.Rule == "" {
		return fmt.Errorf("another field: %+v", field)
	}
	return nil
}

func (s *scenario) rateLimited(ctx context.Context) error {
	for range mostTries {
		got, err := s.customer.SummarizeUsageWithResponse(ctx, nil)
		if err != nil {
			return err
		}
		if got.JSON200 != nil {
			continue
		}
		if err := mustBe(got.JSON429, "RATE_LIMITED", got.Body); err != nil {
			return err
		}
		if got.Headers429 == nil || got.Headers429.RetryAfter < 1 {
			return errors.New("the header Retry-After is not a number of seconds")
		}
		return nil
	}
	return fmt.Errorf("no limit met in %d requests", mostTries)
}
