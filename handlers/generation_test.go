package handlers_test

import (
	"testing"

	"github.com/eggapi/eggapi/gen/apiclient"
	"github.com/eggapi/eggapi/internal/apitest"
)

func TestGenerate_MainJobEndToEnd(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.Options{})
	a := s.NewAccount(t)
	accepted := s.Generate(t, a.LiveKey, apiclient.GenerateRequest{Prompt: "a fox"})
	if accepted.Status != apiclient.TaskStatusPending || accepted.Cost != "$0.00" || accepted.Output != nil || accepted.StartedAt != nil {
		t.Errorf("accepted as %+v", accepted)
	}
	done := s.WaitForEnd(t, a.LiveKey, accepted.ID)
	if done.Status != apiclient.TaskStatusCompleted || done.Cost != "$0.0100" || len(done.Output.Urls) != 1 {
		t.Errorf("ended as %+v", done)
	}
	s.CheckBooks(t)
}
