package handlers_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eggapi/eggapi/gen/apiclient"
	"github.com/eggapi/eggapi/internal/apitest"
)

// list is a page of anything with an id.
type list struct {
	Items []struct {
		ID string
	}
	Pagination apiclient.Pagination
}

func (l list) ids() []string {
	ids := make([]string, len(l.Items))
	for i, item := range l.Items {
		ids[i] = item.ID
	}
	return ids
}

func TestListTasks_PagesAddUp(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	key := withKey(s.ada.LiveKey)
	none := s.do(t, get("/v1/tasks", key))
	if got := string(none.body); strings.TrimSpace(got) != `{"data":{"items":[],"pagination":{"page":1,"per_page":20,"total":0,"total_pages":0}},"error":null}` {
		t.Errorf("without tasks: %s", got)
	}
	var newestFirst []string
	for i := range 41 {
		// Twos share a moment; then the id decides.
		p := s.remember(t, past{
			id: fmt.Sprintf("gen_%026d", i), userID: s.ada.UserID, environment: "live", model: "nanobanana", kind: "image_generate",
			status: "pending", created: noon.Add(time.Duration(i/2) * time.Second),
		})
		newestFirst = append([]string{p.id}, newestFirst...)
	}
	for _, tt := range []struct {
		query             []string
		page, per         int
		pages, from, till int
	}{
		{nil, 1, 20, 3, 0, 20},
		{[]string{"page", "2"}, 2, 20, 3, 20, 40},
		{[]string{"page", "3"}, 3, 20, 3, 40, 41},
		{[]string{"page", "4"}, 4, 20, 3, 41, 41},
		{[]string{"page", "1000000", "per_page", "100"}, 1000000, 100, 1, 41, 41},
		{[]string{"per_page", "1"}, 1, 1, 41, 0, 1},
		{[]string{"per_page", "1", "page", "41"}, 41, 1, 41, 40, 41},
		{[]string{"per_page", "40"}, 1, 40, 2, 0, 40},
		{[]string{"per_page", "41"}, 1, 41, 1, 0, 41},
		{[]string{"per_page", "100"}, 1, 100, 1, 0, 41},
	} {
		got := data[list](t, s.do(t, get("/v1/tasks"+query(tt.query...), key)))
		if want := (apiclient.Pagination{Page: tt.page, PerPage: tt.per, Total: 41, TotalPages: int64(tt.pages)}); got.Pagination != want {
			t.Errorf("%v: pagination is %+v, want %+v", tt.query, got.Pagination, want)
		}
		if diff := cmp.Diff(newestFirst[tt.from:tt.till], got.ids()); diff != "" {
			t.Errorf("%v: want (-), got (+)\n%s", tt.query, diff)
		}
	}
}

// Every list pages by the same rules.
func TestLists_RefuseAPageThatIsNone(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	for path, header := range map[string]http.Header{
		"/v1/tasks": withKey(s.ada.LiveKey), "/v1/usage": withKey(s.ada.LiveKey),
		"/v1/api-keys": s.withCookie(s.ada.Cookie), "/v1/account/transactions": s.withCookie(s.ada.Cookie),
	} {
		for _, q := range []string{
			"page=0", "page=-1", "page=1000001", "page=1000000000000000000000", "page=9223372036854775808", "page=1.0", "page=1e3",
			"page=one", "page=", "page=%201", "page=0x1", "page=NaN", "page=1&page=2", "page=1,2", "page[]=1", "page=null",
			"per_page=0", "per_page=101", "per_page=-20", "per_page=2147483648", "per_page=true", "per_page=20%00",
		} {
			a := s.do(t, get(path+"?"+q, header))
			if r := a.refusal(); a.status != http.StatusBadRequest || r.Code != "BAD_REQUEST" {
				t.Errorf("%s?%s: %d %s", path, q, a.status, a.body)
			}
		}
		if a := s.do(t, get(path+"?page=1000000&per_page=100", header)); a.status != http.StatusOK {
			t.Errorf("the last page there can be of %s: %d %s", path, a.status, a.body)
		}
	}
}

func TestListTasks_EveryFilterGivesWhatItNamesAndNothingElse(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	all := s.rememberMany(t)
	eve := s.newAccount(t)
	s.remember(t, past{userID: eve.UserID, environment: "live", model: "nanobanana", kind: "image_edit", status: "completed", units: 1, created: noon})
	s.remember(t, past{userID: s.ada.UserID, environment: "test", model: "nanobanana", kind: "image_edit", status: "completed", units: 1, created: noon})
	at := func(seconds int) string { return noon.Add(time.Duration(seconds) * time.Second).Format(time.RFC3339) }
	for _, tt := range []struct {
		query []string
		keep  func(past) bool
	}{
		{nil, func(past) bool { return true }},
		{[]string{"status", "pending"}, func(p past) bool { return p.status == "pending" }},
		{[]string{"status", "processing"}, func(p past) bool { return p.status == "processing" }},
		{[]string{"status", "completed"}, func(p past) bool { return p.status == "completed" }},
		{[]string{"status", "failed"}, func(p past) bool { return p.status == "failed" }},
		{[]string{"model", "nanobanana"}, func(p past) bool { return p.model == "nanobanana" }},
		{[]string{"model", "nanobanana-pro"}, func(p past) bool { return p.model == "nanobanana-pro" }},
		{[]string{"model", "veo'; drop table tasks --"}, func(past) bool { return false }},
		{[]string{"model", "%"}, func(past) bool { return false }},
		{[]string{"type", "image_generate"}, func(p past) bool { return p.kind == "image_generate" }},
		{[]string{"type", "image_edit"}, func(p past) bool { return p.kind == "image_edit" }},
		{[]string{"created_after", at(3)}, func(p past) bool { return p.created.After(noon.Add(3 * time.Second)) }},
		{[]string{"created_before", at(3)}, func(p past) bool { return p.created.Before(noon.Add(3 * time.Second)) }},
		{[]string{"created_after", "2026-05-08T14:00:03.5+02:00"}, func(p past) bool { return p.created.After(noon.Add(3500 * time.Millisecond)) }},
		{[]string{"created_after", at(3), "created_before", at(6)}, func(p past) bool {
			return p.created.After(noon.Add(3*time.Second)) && p.created.Before(noon.Add(6*time.Second))
		}},
		{[]string{"created_after", at(6), "created_before", at(3)}, func(past) bool { return false }},
		{[]string{"created_after", "0001-01-01T00:00:00Z", "created_before", "9999-12-31T23:59:59Z"}, func(past) bool { return true }},
		{[]string{"status", "completed", "model", "nanobanana-pro", "type", "image_edit", "created_after", at(10)}, func(p past) bool {
			return p.status == "completed" && p.model == "nanobanana-pro" && p.kind == "image_edit" && p.created.After(noon.Add(10*time.Second))
		}},
	} {
		want := []string{}
		for _, p := range slices.Backward(all) {
			if tt.keep(p) {
				want = append(want, p.id)
			}
		}
		for _, who := range []http.Header{withKey(s.ada.LiveKey), s.withCookie(s.ada.Cookie)} {
			got := data[list](t, s.do(t, get("/v1/tasks"+query(append(tt.query, "per_page", "100")...), who)))
			if diff := cmp.Diff(want, got.ids()); diff != "" || got.Pagination.Total != int64(len(want)) {
				t.Errorf("%v: total %d; want (-), got (+)\n%s", tt.query, got.Pagination.Total, diff)
			}
		}
	}
}

func TestListTasks_FilterThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	for _, q := range []string{
		"status=done", "status=", "status=Pending", "status=pending,failed", "status=pending&status=failed", "type=video_generate", "type=",
		"model=", "model=" + strings.Repeat("m", 101), "created_after=yesterday", "created_after=2026-05-08", "created_after=1778241600",
		"created_after=2026-13-08T12:00:00Z", "created_after=2026-05-08T25:00:00Z", "created_before=2026-02-30T12:00:00Z",
		"created_before=2026-05-08T12:00:00", "created_before=", "created_before=2026-05-08T12:00:00Z" + strings.Repeat("0", 40), "model=%ff", "model=%00",
	} {
		a := s.do(t, get("/v1/tasks?"+q, withKey(s.ada.LiveKey)))
		if r := a.refusal(); a.status != http.StatusBadRequest || r.Code != "BAD_REQUEST" {
			t.Errorf("%s: %d %s", q, a.status, a.body)
		}
	}
}

func TestGetTask_ShowsOfEachStateWhatItHasAndLeavesOutTheRest(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	always := []string{"cost", "created_at", "id", "model", "status", "type"}
	for status, more := range map[string][]string{
		"pending": nil, "processing": {"started_at"}, "completed": {"completed_at", "output", "started_at"},
		"failed": {"completed_at", "error", "failure", "started_at"},
	} {
		// Milliseconds, which must not show.
		p := s.remember(t, past{
			userID: s.ada.UserID, environment: "live", keyID: s.ada.LiveID, model: "nanobanana", kind: "image_generate", status: status,
			units: 2, created: noon.Add(999 * time.Millisecond),
		})
		want := map[string]any{
			"id": p.id, "status": status, "model": "nanobanana", "type": "image_generate", "cost": "$0.00", "created_at": "2026-05-08T12:00:00Z",
			"started_at": "2026-05-08T12:00:01Z", "completed_at": "2026-05-08T12:00:12Z", "error": "it did not work",
			"failure": map[string]any{"code": "timeout", "retryable": true},
			"output": map[string]any{
				"url":  s.URL + "/files/images/" + p.id + "/0.png",
				"urls": []any{s.URL + "/files/images/" + p.id + "/0.png", s.URL + "/files/images/" + p.id + "/1.png"},
			},
		}
		if status == "completed" {
			want["cost"] = "$0.0200"
		}
		names := slices.Concat(always, more)
		maps.DeleteFunc(want, func(name string, _ any) bool { return !slices.Contains(names, name) })
		a := s.do(t, get("/v1/tasks/"+p.id, withKey(s.ada.LiveKey)))
		if a.status != http.StatusOK { // of a failed one, too
			t.Errorf("%s: answered %d", status, a.status)
		}
		if diff := cmp.Diff(want, data[map[string]any](t, a)); diff != "" {
			t.Errorf("%s: want (-), got (+)\n%s", status, diff)
		}
		listed := data[struct{ Items []map[string]any }](t, s.do(t, get("/v1/tasks?status="+status, s.withCookie(s.ada.Cookie))))
		if diff := cmp.Diff([]map[string]any{want}, listed.Items); diff != "" {
			t.Errorf("%s in the list: want (-), got (+)\n%s", status, diff)
		}
	}
}

func TestGetTask_SomebodyElsesAndNobodysAnswerTheSameBytes(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	eve := s.newAccount(t)
	foreign := s.Generate(t, eve.LiveKey, apiclient.GenerateRequest{Prompt: "a fox"}).ID
	test := s.Generate(t, s.ada.TestKey, apiclient.GenerateRequest{Prompt: "a fox"}).ID
	same := http.Header{"X-Request-Id": {"the-same"}}
	for _, who := range []http.Header{withKey(s.ada.LiveKey), s.withCookie(s.ada.Cookie)} {
		missing := s.do(t, get("/v1/tasks/gen_00000000000000000000000000", who).with(same))
		expect(t, missing, 404, "NOT_FOUND", "Task not found")
		for _, thing := range []string{foreign, test, s.ada.LiveID, s.ada.UserID, "x", strings.ToUpper(foreign), strings.Repeat("a", 128)} {
			a := s.do(t, get("/v1/tasks/"+thing, who).with(same))
			if string(a.body) != string(missing.body) || a.status != missing.status {
				t.Errorf("%s: %d %s, of a missing one %s", thing, a.status, a.body, missing.body)
			}
			a.header.Del("Date")
			missing.header.Del("Date")
			if diff := cmp.Diff(missing.header, a.header); diff != "" {
				t.Errorf("%s: headers of a missing one (-), of this (+)\n%s", thing, diff)
			}
		}
	}
}
