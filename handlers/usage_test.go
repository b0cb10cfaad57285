package handlers_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eggapi/eggapi/gen/apiclient"
	"github.com/eggapi/eggapi/internal/apitest"
	"github.com/eggapi/eggapi/internal/money"
)

func TestUsage_RecordsAndSummaryAgreeUnderEveryFilter(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	all := s.rememberMany(t)
	eve := s.newAccount(t)
	s.remember(t, past{userID: eve.UserID, environment: "live", model: "nanobanana", kind: "image_edit", status: "completed", units: 4, created: noon})
	s.remember(t, past{userID: s.ada.UserID, environment: "test", model: "nanobanana", kind: "image_edit", status: "completed", units: 4, created: noon})
	at := func(seconds int) string { return noon.Add(time.Duration(seconds) * time.Second).Format(time.RFC3339) }
	for _, tt := range []struct {
		query []string
		keep  func(past) bool
	}{
		{nil, func(past) bool { return true }},
		{[]string{"model", "nanobanana-pro"}, func(p past) bool { return p.model == "nanobanana-pro" }},
		{[]string{"model", "veo"}, func(past) bool { return false }},
		{[]string{"created_after", at(9)}, func(p past) bool { return p.created.After(noon.Add(9 * time.Second)) }},
		{[]string{"created_before", at(9)}, func(p past) bool { return p.created.Before(noon.Add(9 * time.Second)) }},
		{[]string{"created_after", at(8), "created_before", at(18), "model", "nanobanana"}, func(p past) bool {
			return p.created.After(noon.Add(8*time.Second)) && p.created.Before(noon.Add(18*time.Second)) && p.model == "nanobanana"
		}},
	} {
		records := []string{}
		sums := map[string]apiclient.UsageSummary{}
		for _, p := range slices.Backward(all) {
			if p.status != "completed" || !tt.keep(p) {
				continue
			}
			records = append(records, strings.Join([]string{p.id, p.keyID, p.model, p.kind, itoa(int64(p.units)), money.Dollars(int64(p.units) * 10_000)}, " "))
			sum := sums[p.model]
			sum.Model, sum.TotalUnits, sum.RequestCount = p.model, sum.TotalUnits+int64(p.units), sum.RequestCount+1
			sum.TotalCost = money.Dollars(sum.TotalUnits * 10_000)
			sums[p.model] = sum
		}
		got := data[apiclient.UsageList](t, s.do(t, get("/v1/usage"+query(append(tt.query, "per_page", "100")...), withKey(s.ada.LiveKey))))
		listed := []string{}
		for _, r := range got.Items {
			key := ""
			if r.APIKeyID != nil {
				key = *r.APIKeyID
			}
			listed = append(listed, strings.Join([]string{r.TaskID, key, r.Model, r.Type, itoa(int64(r.Units)), r.Cost}, " "))
		}
		if diff := cmp.Diff(records, listed); diff != "" || got.Pagination.Total != int64(len(records)) {
			t.Errorf("records of %v: total %d; want (-), got (+)\n%s", tt.query, got.Pagination.Total, diff)
		}
		want := []apiclient.UsageSummary{}
		for _, model := range []string{"nanobanana", "nanobanana-pro"} {
			if sum, ok := sums[model]; ok {
				want = append(want, sum)
			}
		}
		summary := data[[]apiclient.UsageSummary](t, s.do(t, get("/v1/usage/summary"+query(tt.query...), withKey(s.ada.LiveKey))))
		if diff := cmp.Diff(want, summary); diff != "" {
			t.Errorf("summary of %v: want (-), got (+)\n%s", tt.query, diff)
		}
	}
}

func TestUsage_SummaryIsABareArray(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	ask := func() string {
		return strings.TrimSpace(string(s.do(t, get("/v1/usage/summary", withKey(s.ada.LiveKey))).body))
	}
	if got := ask(); got != `{"data":[],"error":null}` {
		t.Errorf("without usage: %s", got)
	}
	s.remember(t, past{userID: s.ada.UserID, environment: "live", model: "nanobanana", kind: "image_generate", status: "completed", units: 1, created: noon})
	if got := ask(); got != `{"data":[{"model":"nanobanana","request_count":1,"total_cost":"$0.0100","total_units":1}],"error":null}` &&
		got != `{"data":[{"model":"nanobanana","total_units":1,"total_cost":"$0.0100","request_count":1}],"error":null}` {
		t.Errorf("with one image: %s", got)
	}
}

func TestUsage_RecordHasTheseMembersAndNoOthers(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	p := s.remember(t, past{
		userID: s.ada.UserID, environment: "live", keyID: s.ada.LiveID, model: "nanobanana-pro", kind: "image_edit", status: "completed", units: 3,
		created: noon.Add(500 * time.Millisecond),
	})
	s.remember(t, past{userID: s.ada.UserID, environment: "live", model: "nanobanana", kind: "image_generate", status: "completed", units: 1, created: noon})
	got := data[struct{ Items []map[string]any }](t, s.do(t, get("/v1/usage", withKey(s.ada.LiveKey)))).Items
	want := []map[string]any{
		{
			"id": "use_" + p.id[4:], "task_id": p.id, "api_key_id": s.ada.LiveID, "model": "nanobanana-pro", "type": "image_edit",
			"units": 3.0, "cost": "$0.0300", "created_at": "2026-05-08T12:00:00Z",
		},
		{"id": got[1]["id"], "task_id": got[1]["task_id"], "model": "nanobanana", "type": "image_generate", "units": 1.0, "cost": "$0.0100", "created_at": "2026-05-08T12:00:00Z"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want (-), got (+)\n%s", diff)
	}
}

func TestUsage_PagesAddUp(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	if got := strings.TrimSpace(string(s.do(t, get("/v1/usage", withKey(s.ada.LiveKey))).body)); got != `{"data":{"items":[],"pagination":{"page":1,"per_page":20,"total":0,"total_pages":0}},"error":null}` {
		t.Errorf("without usage: %s", got)
	}
	for i := range 7 {
		s.remember(t, past{
			userID: s.ada.UserID, environment: "live", model: "nanobanana", kind: "image_generate", status: "completed", units: 1,
			created: noon.Add(time.Duration(i) * time.Second),
		})
	}
	seen := map[string]bool{}
	for page, items := range map[string]int{"1": 3, "2": 3, "3": 1, "4": 0} {
		got := data[list](t, s.do(t, get("/v1/usage?per_page=3&page="+page, withKey(s.ada.LiveKey))))
		if got.Pagination.Total != 7 || got.Pagination.TotalPages != 3 || got.Pagination.PerPage != 3 || len(got.Items) != items {
			t.Errorf("page %s: %+v", page, got)
		}
		for _, item := range got.ids() {
			seen[item] = true
		}
	}
	if len(seen) != 7 {
		t.Errorf("the pages hold %d different records", len(seen))
	}
	expect(t, s.do(t, get("/v1/usage", s.withCookie(s.ada.Cookie))), http.StatusUnauthorized, "UNAUTHORIZED", "Missing Authorization header")
}
