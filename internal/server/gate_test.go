package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/ratelimit"
)

// listing answers GET /v1/tasks and remembers who asked.
func listing(who *auth.Principal) rooms {
	return rooms{tasks: func(ctx context.Context) (api.ListTasksResponseObject, error) {
		*who = auth.PrincipalFrom(ctx)
		return api.ListTasks200JSONResponse{}, nil
	}}
}

func TestGate_ReadsNothingOfABodyBeforeItKnowsWhoSendsIt(t *testing.T) {
	t.Parallel()
	d, _ := deps()
	ask := open(t, d)
	for _, header := range [][]string{nil, {"Authorization", "Basic x"}, {"Authorization", "Bearer wrong"}, {"Cookie", "session=wrong"}, {"Cookie", "session=signed"}} {
		r := request("POST", "/v1/generate", header...)
		r.Body, r.ContentLength = io.NopCloser(untouchable{t}), 2
		if w := ask(r); w.Code != http.StatusUnauthorized && w.Code != http.StatusForbidden {
			t.Errorf("%v: %d %s", header, w.Code, w.Body)
		}
	}
}

// untouchable fails the test when it is read.
type untouchable struct{ t *testing.T }

// Read must not be called.
func (u untouchable) Read([]byte) (int, error) {
	u.t.Error("the body is read")
	return 0, io.EOF
}

func TestGate_BodyThatBreaksOffIsTheClientsFault(t *testing.T) {
	t.Parallel()
	d, _ := deps()
	r := request("POST", "/v1/generate", "Authorization", "Bearer "+goodKey, "Content-Type", "application/json")
	r.Body, r.ContentLength = io.NopCloser(io.MultiReader(strings.NewReader(`{"model"`), broken{})), 100
	clean(t, open(t, d)(r), 400, `{"data":null,"error":{"code":"BAD_REQUEST","message":"request body could not be read","request_id":"ID"}}`)
}

type broken struct{}

// Read fails.
func (broken) Read([]byte) (int, error) { return 0, errors.New(canary) }

func TestGate_HandlerIsToldWhoAsks(t *testing.T) {
	t.Parallel()
	var who auth.Principal
	d, _ := deps()
	d.Handlers = listing(&who)
	ask := open(t, d)
	for _, tt := range []struct {
		header []string
		want   auth.Principal
	}{
		{[]string{"Authorization", "Bearer " + goodKey}, auth.Principal{Kind: auth.KindKey, UserID: "usr_ada", KeyID: "key_ada", Environment: "live", Rights: adasRights}},
		{[]string{"Cookie", "session=" + goodSession}, auth.Principal{Kind: auth.KindSession, UserID: "usr_ada", Environment: "live"}},
	} {
		if w := ask(request("GET", "/v1/tasks", tt.header...)); w.Code != http.StatusOK || who != tt.want {
			t.Errorf("%v: %d, the handler was told %+v", tt.header, w.Code, who)
		}
	}
}

func TestGate_OneAlternativeIsEnoughAndAllOfItsSchemesAreNeeded(t *testing.T) {
	t.Parallel()
	key, session := []string{"Authorization", "Bearer " + goodKey}, []string{"Cookie", "session=" + goodSession}
	badKey, badSession := []string{"Authorization", "Bearer bad"}, []string{"Cookie", "session=bad"}
	both := append(append([]string{}, key...), session...)
	type caller struct {
		header []string
		status int
		told   auth.Kind
	}
	apiKey, cookie := openapi3.SecurityRequirement{"apiKey": {}}, openapi3.SecurityRequirement{"session": {}}
	anybody, together := openapi3.SecurityRequirement{}, openapi3.SecurityRequirement{"apiKey": {}, "session": {}}
	for name, tt := range map[string]struct {
		requirements openapi3.SecurityRequirements
		callers      []caller
	}{
		"open":            {openapi3.SecurityRequirements{}, []caller{{nil, 200, ""}, {badKey, 200, ""}}},
		"optional":        {openapi3.SecurityRequirements{anybody, apiKey}, []caller{{nil, 200, ""}, {key, 200, auth.KindKey}, {badKey, 401, ""}}},
		"optional at end": {openapi3.SecurityRequirements{cookie, anybody}, []caller{{nil, 200, ""}, {session, 200, auth.KindSession}, {badSession, 401, ""}}},
		"either": {openapi3.SecurityRequirements{apiKey, cookie}, []caller{
			{key, 200, auth.KindKey}, {session, 200, auth.KindSession}, {both, 200, auth.KindKey}, {badSession, 401, ""}, {nil, 401, ""},
		}},
		"together":     {openapi3.SecurityRequirements{together}, []caller{{key, 401, ""}, {session, 401, ""}, {nil, 401, ""}}},
		"session only": {openapi3.SecurityRequirements{cookie}, []caller{{session, 200, auth.KindSession}, {both, 401, ""}, {key, 401, ""}}},
	} {
		var who auth.Principal
		d, _ := deps()
		d.Handlers = listing(&who)
		d.Contract = edited(t, func(doc *openapi3.T) {
			list := doc.Paths.Value("/v1/tasks").Get
			list.Security, list.Extensions = &tt.requirements, map[string]any{}
			if slices.ContainsFunc(tt.requirements, func(r openapi3.SecurityRequirement) bool { return r["apiKey"] != nil }) {
				list.Extensions["x-scopes"] = []string{}
			}
		})
		ask := open(t, d)
		for _, c := range tt.callers {
			who = auth.Principal{}
			if w := ask(request("GET", "/v1/tasks", c.header...)); w.Code != c.status || who.Kind != c.told {
				t.Errorf("%s, %v: %d %s, the handler was told %+v", name, c.header, w.Code, w.Body, who)
			}
		}
	}
}

func TestGate_CostOfAnOperationComesOutOfTheKeysBudget(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 8, 12, 0, 0, 0, time.UTC)
	var who auth.Principal
	d, _ := deps()
	d.Handlers, d.KeyLimit, d.Clock = listing(&who), ratelimit.Rule{PerSecond: 1, Burst: 10}, func() time.Time { return now }
	d.Contract = edited(t, func(doc *openapi3.T) {
		doc.Paths.Value("/v1/tasks").Get.Extensions = map[string]any{"x-rate-cost": 4, "x-scopes": []string{}}
	})
	list := func() *http.Request { return request("GET", "/v1/tasks", "Authorization", "Bearer "+goodKey) }
	want := []string{`200 "key";r=6;t=4`, `200 "key";r=2;t=8`, `429 "key";r=2;t=8`, `429 "key";r=2;t=8`}
	ask := open(t, d)
	for i := range want {
		w := ask(list())
		if got := fmt.Sprint(w.Code, " ", w.Header().Get("RateLimit")); got != want[i] || w.Code == 429 && w.Header().Get("Retry-After") != "2" {
			t.Errorf("answer %d is %s, Retry-After %q; want %s", i+1, got, w.Header().Get("Retry-After"), want[i])
		}
	}
}
