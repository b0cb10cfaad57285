package handlers_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/eggapi/eggapi/gen"
	"github.com/eggapi/eggapi/handlers"
	"github.com/eggapi/eggapi/internal/pg"
	"github.com/eggapi/eggapi/internal/server"
)

var (
	byKey     = openapi3.SecurityRequirement{"apiKey": {}}
	bySession = openapi3.SecurityRequirement{"session": {}}
	byBoth    = openapi3.SecurityRequirement{"apiKey": {}, "session": {}}
	byNothing = openapi3.SecurityRequirement{}
)

// A matrix that cannot fail proves nothing: each of these gates is wrong, and it must say so.
func TestSecurity_MatrixNoticesAGateThatIsNotTheContracts(t *testing.T) {
	t.Parallel()
	m := newMatrix(t)
	mutants := []struct {
		name      string
		operation string
		edit      func(op *openapi3.Operation)
		caught    bool
	}{
		{"key or session, unchanged", "listTasks", func(*openapi3.Operation) {}, false},
		{"key only, unchanged", "listUsage", func(*openapi3.Operation) {}, false},
		{"Better Auth, unchanged", "signInEmail", func(*openapi3.Operation) {}, false},
		{"key or session, the order changed", "listTasks", secured(bySession, byKey), true},
		{"key or session, opened", "listTasks", secured(), true},
		{"key or session, optional", "listTasks", secured(byNothing, byKey, bySession), true},
		{"key or session, both needed", "listTasks", secured(byBoth), true},
		{"key or session to write, sessions shut out", "generate", secured(byKey), true},
		{"key only, widened to sessions", "listUsage", secured(byKey, bySession), true},
		{"session only, widened to keys", "getAccount", secured(bySession, byKey), true},
		{"session only, opened", "getBalance", secured(), true},
		{"session only to write, widened to keys", "createAPIKey", secured(bySession, byKey), true},
		{"open, narrowed to sessions", "listModels", secured(bySession), true},
		{"Better Auth to read, narrowed to keys", "getSession", func(op *openapi3.Operation) {
			op.Extensions["x-error-format"] = nil
			secured(byKey)(op)
		}, true},
		{"Better Auth to write, without its rules for origins", "signInEmail", func(op *openapi3.Operation) {
			op.Extensions["x-error-format"] = nil
		}, true},
	}
	for _, mutant := range mutants {
		t.Run(mutant.name, func(t *testing.T) {
			mutated := m
			mutated.client = &http.Client{Timeout: 10 * time.Second}
			mutated.base = serve(t, m.stage, editContract(t, mutant.operation, mutant.edit))
			i := slices.IndexFunc(operations, func(o operation) bool { return o.id == mutant.operation })
			wrong := mutated.run(t, operations[i:i+1])
			if caught := len(wrong) > 0; caught != mutant.caught {
				t.Errorf("noticed %v, want %v: %v", caught, mutant.caught, wrong)
			}
		})
	}
}

func secured(requirements ...openapi3.SecurityRequirement) func(*openapi3.Operation) {
	return func(op *openapi3.Operation) {
		op.Security = &openapi3.SecurityRequirements{}
		*op.Security = append(*op.Security, requirements...)
	}
}

// editContract gives the contract with one operation changed.
func editContract(t *testing.T, operationID string, edit func(*openapi3.Operation)) []byte {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(gen.Contract)
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			if op.OperationID == operationID {
				edit(op)
			}
		}
	}
	document, err := doc.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// serve puts another door, built from another contract, in front of the same rooms.
func serve(t *testing.T, s *stage, document []byte) string {
	t.Helper()
	n := s.Node
	e, err := server.New(t.Context(), server.Deps{
		Contract: document,
		Handlers: handlers.New(handlers.Deps{
			Pool: s.Pool, Tasks: n.Tasks, Keyring: n.Keyring, Sessions: n.Sessions, Secrets: n.Secrets, Clock: time.Now,
			FileURL: func(path string) string { return path }, ContractYAML: document, ContractJSON: map[string]any{},
			Ready: func(context.Context) map[string]string { return nil },
		}),
		Keys: n.Keyring, Sessions: n.Sessions, Files: http.NotFoundHandler(), Pages: http.NotFoundHandler(), Translate: pg.Public,
		Registry: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler), Clock: time.Now,
		TrustedOrigins: []string{s.URL},
	})
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(e)
	t.Cleanup(front.Close)
	return front.URL
}
