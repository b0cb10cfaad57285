package handlers_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eggapi/eggapi/gen/apiclient"
	"github.com/eggapi/eggapi/internal/apitest"
)

func TestListAuditLog_TellsWhoDidWhatFromWhereAndWhatItChanged(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	made := data[apiclient.CreatedAPIKey](t, s.createKey(t, `{"name":"first","limits":{"running_tasks":3}}`))
	s.changeKey(t, made.ID, `{"name":"second","scopes":["generate"]}`)
	rotated := data[apiclient.CreatedAPIKey](t, s.rotateKey(t, made.ID, `{}`, ""))
	s.revokeKey(t, made.ID)
	s.newAccount(t) // whose acts nobody else sees
	log := func(query string) []apiclient.AuditEntry {
		t.Helper()
		return data[apiclient.AuditLog](t, s.do(t, get("/v1/audit-log?per_page=100"+query, s.withCookie(s.ada.Cookie)))).Items
	}
	var acts []string
	for _, e := range log("&target=" + made.ID) {
		acts = append(acts, e.Action)
		if e.ActorID != s.ada.UserID || e.IPAddress != "127.0.0.1" || e.UserAgent == "" {
			t.Errorf("%s: %+v", e.Action, e)
		}
	}
	if diff := cmp.Diff([]string{"api_key.revoke", "api_key.rotate", "api_key.update", "api_key.create"}, acts); diff != "" {
		t.Errorf("want (-), got (+)\n%s", diff)
	}
	update := log("&action=api_key.update")
	before, after := update[0].Details["before"].(map[string]any), update[0].Details["after"].(map[string]any)
	if len(update) != 1 || before["name"] != "first" || after["name"] != "second" || before["running_tasks"] != 3.0 || len(after["scopes"].([]any)) != 1 {
		t.Errorf("the update: %+v", update)
	}
	if keys, sessions := log("&action=api_key."), log("&action=session."); len(keys) != 6 || len(sessions) != 0 || len(log("")) != 6 {
		t.Errorf("%d acts on keys, %d on sessions, %d on all", len(keys), len(sessions), len(log("")))
	}
	stored := scanText(t, s, `select string_agg(a::text, ' ') from audit_log a`)
	for _, secret := range []string{made.Secret, rotated.Secret} {
		if strings.Contains(stored, secret[13:41]) {
			t.Error("the log holds a secret")
		}
	}
	page := data[apiclient.AuditLog](t, s.do(t, get("/v1/audit-log?per_page=4&page=2", s.withCookie(s.ada.Cookie))))
	if len(page.Items) != 2 || page.Pagination.Total != 6 || page.Pagination.TotalPages != 2 {
		t.Errorf("the last page: %+v", page)
	}
	if got := log("&created_before=2020-01-01T00:00:00Z"); len(got) != 0 {
		t.Errorf("before its time: %+v", got)
	}
}
