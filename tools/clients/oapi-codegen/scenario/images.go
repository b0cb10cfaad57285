package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"example.com/customer/target/eggapi"
)

func (s *scenario) models(ctx context.Context) error {
	got, err := s.customer.ListModelsWithResponse(ctx)
	if err != nil {
		return err
	}
	if got.JSON200 == nil {
		return fmt.Errorf("%s: %s", got.Status(), got.Body)
	}
	for _, model := range got.JSON200.Data {
		if model.ID == s.request.Model {
			if model.Limits.MaxOutputs < 1 || len(model.Prices) == 0 {
				return fmt.Errorf("a model without limits and prices: %+v", model)
			}
			return nil
		}
	}
	return fmt.Errorf("%s is not among the models", s.request.Model)
}

func (s *scenario) submit(ctx context.Context) (*eggapi.GenerateResponse, error) {
	got, err := s.customer.GenerateWithResponse(ctx, &eggapi.GenerateParams{IdempotencyKey: &s.idempotencyKey}, s.request)
	if err != nil {
		return nil, err
	}
	if got.JSON202 == nil || got.Headers202 == nil {
		return nil, fmt.Errorf("%s: %s", got.Status(), got.Body)
	}
	return got, nil
}

func (s *scenario) generate(ctx context.Context) error {
	got, err := s.submit(ctx)
	if err != nil {
		return err
	}
	task := got.JSON202.Data
	if task.ID == "" || task.Model != s.request.Model || got.Headers202.IdempotentReplayed != nil {
		return fmt.Errorf("not a new task: %+v", task)
	}
	s.taskID = task.ID
	return nil
}

func (s *scenario) replay(ctx context.Context) error {
	got, err := s.submit(ctx)
	if err != nil {
		return err
	}
	if replayed := got.Headers202.IdempotentReplayed; replayed == nil || *replayed != "true" {
		return errors.New("the header Idempotent-Replayed is not true")
	}
	if got.JSON202.Data.ID != s.taskID {
		return fmt.Errorf("task %s instead of %s", got.JSON202.Data.ID, s.taskID)
	}
	return nil
}

func (s *scenario) completed(ctx context.Context) error {
	for {
		got, err := s.customer.GetTaskWithResponse(ctx, s.taskID, nil)
		if err != nil {
			return err
		}
		pause := 250 * time.Millisecond
		switch {
		case got.JSON429 != nil && got.Headers429 != nil:
			pause = time.Duration(got.Headers429.RetryAfter) * time.Second
		case got.JSON200 == nil:
			return fmt.Errorf("%s: %s", got.Status(), got.Body)
		case got.JSON200.Data.CompletedAt != nil:
			return s.keep(got.JSON200.Data)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// keep remembers where the image of an ended task is.
func (s *scenario) keep(task eggapi.Task) error {
	if task.Status != "completed" || task.Output == nil || len(task.Output.Urls) != 1 || task.CompletedAt.Before(task.CreatedAt) {
		return fmt.Errorf("not completed: %+v", task)
	}
	s.imageURL = task.Output.URL
	return nil
}

func (s *scenario) download(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.imageURL, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK || !bytes.HasPrefix(body, []byte("\x89PNG\r\n\x1a\n")) {
		return fmt.Errorf("%s is not a PNG: %s", s.imageURL, response.Status)
	}
	return nil
}

func (s *scenario) usage(ctx context.Context) error {
	got, err := s.customer.SummarizeUsageWithResponse(ctx, &eggapi.SummarizeUsageParams{Model: &s.request.Model})
	if err != nil {
		return err
	}
	if got.JSON200 == nil {
		return fmt.Errorf("%s: %s", got.Status(), got.Body)
	}
	for _, row := range got.JSON200.Data {
		if row.Model == s.request.Model && row.RequestCount >= 1 && row.TotalUnits >= 1 {
			return nil
		}
	}
	return fmt.Errorf("no usage of %s in %+v", s.request.Model, got.JSON200.Data)
}
