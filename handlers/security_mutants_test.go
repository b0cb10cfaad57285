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
	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/handlers"
	"github.com/eggapi/eggapi/internal/pg"
	"github.com/eggapi/eggapi/internal/ratelimit"
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
			inEnvelope(op)
			secured(byKey)(op)
		}, true},
		{"Better Auth to write, without its rules for origins", "signInEmail", func(op *openapi3.Operation) {
			inEnvelope(op)
		}, true},
	}
	for _, mutant := range mutants {
		t.Run(mutant.name, func(t *testing.T) {
			mutated := m
			mutated.client = &http.Client{Timeout: 10 * time.Second}
			mutated.base = serve(t, m.stage, editContract(t, mutant.operation, mutant.edit), m.rooms(t))
			i := slices.IndexFunc(operations, func(o operation) bool { return o.id == mutant.operation })
			wrong := mutated.run(t, operations[i:i+1])
			if caught := len(wrong) > 0; caught != mutant.caught {
				t.Errorf("noticed %v, want %v: %v", caught, mutant.caught, wrong)
			}
		})
	}
}

// inEnvelope takes Better Auth's format away, with the codes that only it has.
func inEnvelope(op *openapi3.Operation) {
	op.Extensions["x-error-format"] = nil
	for status := range op.Responses.Map() {
		if status >= "400" {
			op.Responses.Delete(status)
		}
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

// rooms gives the handlers of the stage's own server.
func (s *stage) rooms(t *testing.T) *handlers.Handlers {
	t.Helper()
	asYAML, asJSON, err := handlers.NewDocuments(gen.Contract)
	if err != nil {
		t.Fatal(err)
	}
	n := s.Node
	return handlers.New(handlers.Deps{
		Pool: s.Pool, Tasks: n.Tasks, Keyring: n.Keyring, Sessions: n.Sessions, Secrets: n.Secrets, Clock: time.Now,
		FileURL: func(path string) string { return path }, ContractYAML: asYAML, ContractJSON: asJSON,
		Ready: func(context.Context) map[string]string { return nil },
	})
}

// serve puts another door, built from a contract, in front of rooms.
func serve(t *testing.T, s *stage, document []byte, rooms api.StrictServerInterface) string {
	t.Helper()
	n := s.Node
	e, err := server.New(t.Context(), server.Deps{
		Contract: document, Handlers: rooms,
		Keys: n.Keyring, Sessions: n.Sessions, Files: http.NotFoundHandler(), Pages: http.NotFoundHandler(), Translate: pg.Public,
		Registry: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler), Clock: time.Now,
		TrustedOrigins: []string{s.URL}, IPLimit: ratelimit.Rule{PerSecond: 1e6, Burst: 1e6}, KeyLimit: ratelimit.Rule{PerSecond: 1e6, Burst: 1e6},
	})
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(e)
	t.Cleanup(front.Close)
	return front.URL
}
