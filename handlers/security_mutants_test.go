package handlers_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/eggapi/eggapi/gen"
	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/handlers"
	"github.com/eggapi/eggapi/internal/apitest"
	"github.com/eggapi/eggapi/internal/pg"
	"github.com/eggapi/eggapi/internal/ratelimit"
	"github.com/eggapi/eggapi/internal/server"
)

// A matrix that cannot fail proves nothing. Every gate of the contract is broken in every way that the contract
// allows, one at a time: the door must refuse to open, or the matrix must say so.
func TestSecurity_MatrixNoticesEveryGateThatIsNotTheContracts(t *testing.T) {
	t.Parallel()
	m := newMatrix(t)
	m.client = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 4}}
	doors, noticed, total := newDoors(t, m.stage), 0, 0
	for _, op := range operations {
		declared := apitest.Contract().Paths.Value(op.path).GetOperation(op.method)
		for name, broken := range gateMutants(op, declared) {
			total++
			if len(m.behind(t, op, broken, doors)) > 0 {
				noticed++
				continue
			}
			t.Errorf("%s: %s: nobody noticed", op.id, name)
		}
		// The mutants have changed nothing that the next ones are judged by.
		if wrong := m.behind(t, op, gateMutant{edit: func(*openapi3.Operation) {}}, doors); len(wrong) > 0 {
			t.Errorf("%s: unchanged, and yet %v", op.id, wrong)
		}
	}
	gateMutantsNoticed = fmt.Sprintf("%d of %d", noticed, total)
	if total < 5*len(operations) {
		t.Errorf("only %d mutants of %d operations", total, len(operations))
	}
}

// gateMutantsNoticed is for TestMain to print.
var gateMutantsNoticed = "none"

// gateMutant is one way to break one gate.
type gateMutant struct {
	edit func(op *openapi3.Operation)                                 // of the contract
	wrap func(t *testing.T, m matrix, door http.Handler) http.Handler // of the door
}

// gateMutants lists every way to break the gate of an operation.
func gateMutants(o operation, declared *openapi3.Operation) map[string]gateMutant {
	requirements := *declared.Security
	mutants := map[string]gateMutant{"the gate dropped": {wrap: withoutGate(o)}}
	for i, r := range requirements {
		rest := slices.Delete(slices.Clone(requirements), i, i+1)
		mutants[fmt.Sprintf("security line %d removed: %v", i+1, slices.Sorted(maps.Keys(r)))] = gateMutant{edit: secured(rest...)}
	}
	for _, scheme := range []string{"apiKey", "session"} {
		alone := openapi3.SecurityRequirement{scheme: {}}
		if len(requirements) == 0 {
			mutants["narrowed to "+scheme] = gateMutant{edit: secured(alone)}
		} else if !slices.ContainsFunc(requirements, func(r openapi3.SecurityRequirement) bool { return r[scheme] != nil }) {
			mutants["widened to "+scheme] = gateMutant{edit: secured(append(slices.Clone(requirements), alone)...)}
		}
	}
	if len(requirements) > 0 {
		mutants["schemes swapped"] = gateMutant{edit: secured(swapped(requirements)...)}
		mutants["all schemes needed at once"] = gateMutant{edit: secured(openapi3.SecurityRequirement{"apiKey": {}, "session": {}})}
	}
	if len(requirements) > 0 && (!o.betterAuth() || o.own()) {
		mutants["no credential needed"] = gateMutant{edit: secured(append(slices.Clone(requirements), openapi3.SecurityRequirement{})...)}
	}
	if o.class == eitherWrite || o.class == sessionWrite || o.class == authWrite || o.class == authOwnWrite {
		mutants["the Origin not checked"] = gateMutant{wrap: fromTrustedPages}
	}
	if o.betterAuth() {
		mutants["in the envelope"] = gateMutant{edit: inEnvelope}
	}
	return mutants
}

// swapped gives each scheme the place of the other; of two alternatives that is their order.
func swapped(requirements openapi3.SecurityRequirements) openapi3.SecurityRequirements {
	other := map[string]string{"apiKey": "session", "session": "apiKey"}
	var all openapi3.SecurityRequirements
	for _, r := range requirements {
		turned := openapi3.SecurityRequirement{}
		for scheme := range r {
			turned[other[scheme]] = []string{}
		}
		all = append(all, turned)
	}
	return all
}

// doors makes the doors of one stage. To read the contract takes longer than all that is asked behind it,
// so that it is read once for all mutants and once more for each that changes it.
type doors struct {
	rooms    api.StrictServerInterface
	contract *openapi3.T
	intact   http.Handler
}

func newDoors(t *testing.T, s *stage) *doors {
	t.Helper()
	contract, err := openapi3.NewLoader().LoadFromData(gen.Contract)
	if err != nil {
		t.Fatal(err)
	}
	d := &doors{rooms: s.rooms(t), contract: contract}
	if d.intact, err = newDoor(t, s, gen.Contract, d.rooms); err != nil {
		t.Fatal(err)
	}
	return d
}

// behind gives what the matrix finds wrong of one operation behind a broken door. A door that refuses to open is one finding.
func (m matrix) behind(t *testing.T, op operation, broken gateMutant, doors *doors) []string {
	t.Helper()
	door := doors.intact
	if broken.edit != nil {
		var err error
		if door, err = newDoor(t, m.stage, doors.edited(t, op, broken.edit), doors.rooms); err != nil {
			return []string{err.Error()}
		}
	}
	if broken.wrap != nil {
		door = broken.wrap(t, m, door)
	}
	front := httptest.NewServer(door)
	defer front.Close()
	m.base = front.URL
	return m.run(t, []operation{op})
}

// edited gives the contract with one operation changed.
func (d *doors) edited(t *testing.T, o operation, edit func(*openapi3.Operation)) []byte {
	t.Helper()
	item := d.contract.Paths.Value(o.path)
	intact := item.GetOperation(o.method)
	defer item.SetOperation(o.method, intact)
	changed := *intact
	changed.Extensions = maps.Clone(intact.Extensions)
	changed.Responses = openapi3.NewResponsesWithCapacity(intact.Responses.Len())
	for status, response := range intact.Responses.Map() {
		changed.Responses.Set(status, response)
	}
	edit(&changed)
	item.SetOperation(o.method, &changed)
	document, err := d.contract.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// withoutGate leads the requests of one operation past its gate.
func withoutGate(o operation) func(t *testing.T, m matrix, door http.Handler) http.Handler {
	return func(t *testing.T, m matrix, door http.Handler) http.Handler {
		t.Helper()
		open := echo.New()
		open.Logger.SetLevel(99)
		api.RegisterHandlers(open, api.NewStrictHandler(m.rooms(t), nil))
		prefix, _, _ := strings.Cut(o.path, "{")
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == o.method && strings.HasPrefix(r.URL.Path, prefix) {
				open.ServeHTTP(w, r)
				return
			}
			door.ServeHTTP(w, r)
		})
	}
}

// fromTrustedPages has every request say that it comes from one of our pages.
func fromTrustedPages(_ *testing.T, m matrix, door http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("Origin", m.URL)
		door.ServeHTTP(w, r)
	})
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
	door, err := newDoor(t, s, document, rooms)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(door)
	t.Cleanup(front.Close)
	return front.URL
}

func newDoor(t *testing.T, s *stage, document []byte, rooms api.StrictServerInterface) (http.Handler, error) {
	t.Helper()
	n := s.Node
	return server.New(t.Context(), server.Deps{
		Contract: document, Handlers: rooms,
		Keys: n.Keyring, Sessions: n.Sessions, Files: http.NotFoundHandler(), Pages: http.NotFoundHandler(), Translate: pg.Public,
		Registry: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler), Clock: time.Now,
		TrustedOrigins: []string{s.URL}, IPLimit: ratelimit.Rule{PerSecond: 1e6, Burst: 1e6}, KeyLimit: ratelimit.Rule{PerSecond: 1e6, Burst: 1e6},
	})
}
