package handlers_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eggapi/eggapi/gen/apiclient"
	"github.com/eggapi/eggapi/internal/apitest"
)

func TestAccount_IsTheCallersOwn(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	eve := s.newAccount(t)
	s.TopUp(t, eve.UserID, 1)
	for _, who := range []apitest.Account{s.ada, eve} {
		got := data[map[string]any](t, s.do(t, get("/v1/account", s.withCookie(who.Cookie))))
		created, _ := got["created_at"].(string)
		want := map[string]any{"id": who.UserID, "name": "Ada", "email": who.Email, "email_verified": false, "created_at": created}
		if diff := cmp.Diff(want, got); diff != "" || !wholeSeconds.MatchString(created) {
			t.Errorf("want (-), got (+)\n%s", diff)
		}
	}
	hers := data[apiclient.Balance](t, s.do(t, get("/v1/account/balance", s.withCookie(eve.Cookie))))
	if hers != (apiclient.Balance{Balance: "$100.000001", Held: "$0.00", Available: "$100.000001"}) {
		t.Errorf("her balance is %+v", hers)
	}
	if got := s.balance(t); got != "$100.0000 $0.00 $100.0000" {
		t.Errorf("the balance is %s", got)
	}
}

func TestAccount_BalanceTellsWhatIsHeld(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	three := int32(3)
	s.Generate(t, s.ada.LiveKey, apiclient.GenerateRequest{Prompt: "a fox", NumOutputs: &three})
	s.Generate(t, s.ada.TestKey, apiclient.GenerateRequest{Prompt: "a fox", NumOutputs: &three})
	if got := s.balance(t); got != "$100.0000 $0.0300 $99.9700" {
		t.Errorf("the balance is %s", got)
	}
}

func TestListTransactions_TellsEveryChangeOfTheBalanceNewestFirst(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{Providers: brushes()})
	done := s.WaitForEnd(t, s.ada.LiveKey, s.Generate(t, s.ada.LiveKey, apiclient.GenerateRequest{Prompt: "a fox"}).ID)
	s.TopUp(t, s.ada.UserID, -2_500_000)
	s.newAccount(t)
	got := data[struct {
		Items      []map[string]any
		Pagination apiclient.Pagination
	}](t, s.do(t, get("/v1/account/transactions", s.withCookie(s.ada.Cookie))))
	if got.Pagination != (apiclient.Pagination{Page: 1, PerPage: 20, Total: 3, TotalPages: 1}) || len(got.Items) != 3 {
		t.Fatalf("listed %+v", got)
	}
	for i, want := range []map[string]any{
		{"kind": "top_up", "amount": "-$2.5000"},
		{"kind": "settle", "amount": "-$0.0100", "task_id": done.ID},
		{"kind": "top_up", "amount": "$100.0000"},
	} {
		item := got.Items[i]
		members := []string{"amount", "created_at", "id", "kind", "reference"}
		if want["task_id"] != nil {
			members[4] = "task_id"
		}
		if diff := cmp.Diff(members, slices.Sorted(maps.Keys(item))); diff != "" {
			t.Errorf("members of %v: want (-), got (+)\n%s", item, diff)
		}
		if !strings.HasPrefix(item["id"].(string), "txn_") || !wholeSeconds.MatchString(item["created_at"].(string)) {
			t.Errorf("listed %v", item)
		}
		for name, value := range want {
			if item[name] != value {
				t.Errorf("%s of %v is not %v", name, item, value)
			}
		}
	}
	second := data[list](t, s.do(t, get("/v1/account/transactions?per_page=2&page=2", s.withCookie(s.ada.Cookie))))
	if len(second.Items) != 1 || second.Items[0].ID != got.Items[2]["id"] || second.Pagination.TotalPages != 2 {
		t.Errorf("the second page is %+v", second)
	}
	if a := s.do(t, get("/v1/account/transactions", withKey(s.ada.LiveKey))); a.status != http.StatusUnauthorized {
		t.Errorf("with a key: %d", a.status)
	}
	s.CheckBooks(t)
}
