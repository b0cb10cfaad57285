package server_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/eggapi/eggapi/gen/api"
)

// crowded builds a server with room for two requests, fills it, and gives what makes further ones, and what lets the two go.
func crowded(t *testing.T) (ask func(*http.Request) *httptest.ResponseRecorder, free func()) {
	t.Helper()
	d, _ := deps()
	d.MaxRequests = 2
	entered, leave := make(chan struct{}, 8), make(chan struct{})
	d.Handlers = rooms{
		tasks: func(context.Context) (api.ListTasksResponseObject, error) {
			entered <- struct{}{}
			<-leave
			return api.ListTasks200JSONResponse{Data: api.TaskList{}}, nil
		},
		health: func(context.Context) (api.GetHealthResponseObject, error) {
			return api.GetHealth200JSONResponse{Data: api.Health{Status: "ok"}}, nil
		},
	}
	ask = open(t, d)
	var inside sync.WaitGroup
	for range d.MaxRequests {
		inside.Go(func() {
			if w := ask(request(http.MethodGet, "/v1/tasks", "Authorization", "Bearer "+goodKey)); w.Code != http.StatusOK {
				t.Errorf("who is inside is answered %d: %s", w.Code, w.Body)
			}
		})
		<-entered
	}
	return ask, func() {
		close(leave)
		inside.Wait()
	}
}

func TestCrowd_WhoComesOnTopIsToldToComeAgain(t *testing.T) {
	ask, free := crowded(t)
	for name, r := range map[string]*http.Request{
		"with a good key": request(http.MethodGet, "/v1/tasks", "Authorization", "Bearer "+goodKey),
		"with a bad key":  request(http.MethodGet, "/v1/tasks", "Authorization", "Bearer egg_bad"),
	} {
		w := ask(r)
		var body struct {
			Error struct {
				Code string `json:"code"`
			} `json:"error"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body.Error.Code != "SERVICE_UNAVAILABLE" || w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s: answered %d %s", name, w.Code, w.Body)
		}
		if again := w.Header().Get("Retry-After"); again != "1" {
			t.Errorf("%s: Retry-After is %q", name, again)
		}
	}
	free()
	if w := ask(request(http.MethodGet, "/v1/tasks", "Authorization", "Bearer "+goodKey)); w.Code != http.StatusOK {
		t.Errorf("with room again: answered %d %s", w.Code, w.Body)
	}
}

func TestCrowd_ProbesAndTheContractAreAnsweredAllTheSame(t *testing.T) {
	ask, free := crowded(t)
	defer free()
	if w := ask(request(http.MethodGet, "/healthz")); w.Code != http.StatusOK {
		t.Errorf("the probe is answered %d %s", w.Code, w.Body)
	}
}

// A refused request gives its place back, or had none.
func TestCrowd_RefusedRequestsTakeNobodysPlace(t *testing.T) {
	d, _ := deps()
	d.MaxRequests = 1
	d.Handlers = rooms{tasks: func(context.Context) (api.ListTasksResponseObject, error) {
		return api.ListTasks200JSONResponse{Data: api.TaskList{}}, nil
	}}
	ask := open(t, d)
	for range 3 {
		if w := ask(request(http.MethodGet, "/v1/tasks", "Authorization", "Bearer egg_bad")); w.Code != http.StatusUnauthorized {
			t.Errorf("a bad key is answered %d", w.Code)
		}
		if w := ask(withJSON(request(http.MethodPost, "/v1/generate", "Authorization", "Bearer "+goodKey), "{")); w.Code != http.StatusBadRequest {
			t.Errorf("half a body is answered %d", w.Code)
		}
		// Its handler panics.
		if w := ask(withJSON(request(http.MethodPost, "/v1/generate", "Authorization", "Bearer "+goodKey), `{"model":"nanobanana","prompt":"a fox"}`)); w.Code != http.StatusInternalServerError {
			t.Errorf("a panic is answered %d", w.Code)
		}
	}
	if w := ask(request(http.MethodGet, "/v1/tasks", "Authorization", "Bearer "+goodKey)); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "data") {
		t.Errorf("a good request is answered %d %s", w.Code, w.Body)
	}
}
