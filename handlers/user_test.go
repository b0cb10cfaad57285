package handlers_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/eggapi/eggapi/gen/apiclient"
	"github.com/eggapi/eggapi/internal/apitest"
)

func TestUser_ProfileIsChangedByItsOwnerAndLogged(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	update := func(body string) answer { return s.do(t, post(authPath+"update-user", body, s.withPage(s.ada.Cookie))) }
	for _, tt := range []struct{ body, name, image string }{
		{`{"name":"Ada Lovelace","image":"https://example.com/a.png"}`, "Ada Lovelace", "https://example.com/a.png"},
		{`{"name":"Ada"}`, "Ada", "https://example.com/a.png"},
		{`{"image":null}`, "Ada", ""},
	} {
		a := update(tt.body)
		if strings.TrimSpace(string(a.body)) != `{"status":true}` || s.sessionCookie(t, a, "Path=/; Max-Age=604800; HttpOnly; SameSite=Lax") != s.ada.Cookie {
			t.Errorf("%s: %d %s", tt.body, a.status, a.body)
		}
		if got := one[string](t, s.Pool, `select "name" || ' ' || coalesce("image", '') from "user" where "id" = $1`, s.ada.UserID); got != tt.name+" "+tt.image {
			t.Errorf("%s: the user is %s", tt.body, got)
		}
	}
	const change = ` {"after": {"name": "Ada", "image": null}, "before": {"name": "Ada", "image": "https://example.com/a.png"}}`
	if got := s.acts(t, s.ada.UserID); len(got) != 3 || got[0] != "account.update "+s.ada.UserID+change {
		t.Errorf("the log says %v", got)
	}
	problem(t, update(`{}`), verdict{400, "NO_FIELDS_TO_UPDATE", "No fields to update"})
	problem(t, update(`{"role":"admin","emailVerified":true,"id":"usr_x"}`), verdict{400, "NO_FIELDS_TO_UPDATE", "No fields to update"})
	problem(t, update(`{"name":"Ada","email":"eve@example.com"}`), verdict{400, "EMAIL_CAN_NOT_BE_UPDATED", "Email can not be updated"})
	problem(t, update(`{"name":null}`), verdict{400, "VALIDATION_ERROR", "request validation failed"})
}

func TestUser_DeletedUserIsGoneAndTheBooksAreWhole(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{})
	bob := s.newStranger(t)
	del := func(body, cookie string) answer {
		return s.do(t, post(authPath+"delete-user", body, s.withPage(cookie)))
	}
	s.WaitForEnd(t, bob.LiveKey, s.Generate(t, bob.LiveKey, apiclient.GenerateRequest{Prompt: "a fox"}).ID)
	second := s.newSession(t, bob.UserID, time.Now().AddDate(0, 0, 7))
	const money = `select concat_ws(' ', (select balance_micros from accounts where user_id = $1), (select count(*) from ledger_entries where user_id = $1),
		(select count(*) from tasks where user_id = $1), (select count(*) from usage_records where user_id = $1))`
	before := one[string](t, s.Pool, money, bob.UserID)
	problem(t, del(`{"password":"a wrong horse"}`, second), verdict{400, "INVALID_PASSWORD", "Invalid password"})
	a := del(`{"password":"correct horse 1"}`, bob.Cookie)
	if got := object(t, a); got["success"] != true || got["message"] != "User deleted" || len(a.header.Values("Set-Cookie")) != 3 {
		t.Fatalf("%v %v", got, a.header)
	}
	if s.signedIn(t, bob.Cookie) || s.signedIn(t, second) || s.signIn(t, bob.Email, "correct horse 1").status != http.StatusUnauthorized {
		t.Error("who is deleted gets in")
	}
	expect(t, s.do(t, get("/v1/tasks", withKey(bob.LiveKey))), 401, "UNAUTHORIZED", "Invalid API key")
	if after := one[string](t, s.Pool, money, bob.UserID); after != before {
		t.Errorf("the books say %s, before %s", after, before)
	}
	if open := one[int](t, s.Pool, `select count(*) from api_keys where user_id = $1 and revoked_at is null`, bob.UserID); open != 0 {
		t.Errorf("%d keys are not revoked", open)
	}
	if got := s.acts(t, bob.UserID); len(got) != 1 || got[0] != "account.delete "+bob.UserID+` {"revoked_keys": 2}` {
		t.Errorf("the log says %v", got)
	}
	s.CheckBooks(t)
	if up := s.do(t, post(signUpPath, `{"name":"Bob","email":"`+bob.Email+`","password":"correct horse 1"}`, nil)); object(t, up)["user"].(map[string]any)["id"] == bob.UserID {
		t.Error("who signs up again is who he was")
	}
}

func TestUser_DeletionWantsAFreshSessionOrThePasswordAndNoTaskUnderWay(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	bob := s.newStranger(t)
	s.exec(t, `update "session" set "expiresAt" = now() + interval '7 days', "createdAt" = now() - interval '24 hours' where "userId" = $1`, bob.UserID)
	del := func(body string) answer { return s.do(t, post(authPath+"delete-user", body, s.withPage(bob.Cookie))) }
	old := verdict{400, "SESSION_EXPIRED", "Session expired. Re-authenticate to perform this action."}
	problem(t, del(`{}`), old)
	s.exec(t, `update "session" set "createdAt" = now(), "impersonatedBy" = $2 where "userId" = $1`, bob.UserID, s.ada.UserID)
	problem(t, del(`{}`), old)
	s.exec(t, `update "session" set "impersonatedBy" = null where "userId" = $1`, bob.UserID)
	task := s.Generate(t, bob.LiveKey, apiclient.GenerateRequest{Prompt: "a fox"}).ID
	for _, body := range []string{`{}`, `{"password":"correct horse 1"}`} {
		problem(t, del(body), verdict{400, "TASKS_UNDER_WAY", "Tasks are under way. Try again when they have ended."})
	}
	if !s.signedIn(t, bob.Cookie) {
		t.Error("a refused deletion ended the session")
	}
	s.exec(t, `delete from holds where task_id = $1`, task)
	s.exec(t, `delete from tasks where id = $1`, task)
	if a := del(`{}`); a.status != http.StatusOK {
		t.Errorf("a fresh session: %d %s", a.status, a.body)
	}
}

// A Better Auth server on the same database may ask by mail first.
func TestUser_DeletionByTheTokenOfABetterAuthServersMail(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true})
	s.exec(t, `insert into "verification" ("id", "identifier", "value", "expiresAt") values
		('1', 'delete-account-adas', $1, now() + interval '1 hour'), ('2', 'delete-account-late', $1, now() - interval '1 second'),
		('3', 'delete-account-bobs', 'usr_bob', now() + interval '1 hour')`, s.ada.UserID)
	s.exec(t, `update "session" set "expiresAt" = now() + interval '7 days'`)
	del := func(token string) answer {
		return s.do(t, post(authPath+"delete-user", `{"token":"`+token+`"}`, s.withPage(s.ada.Cookie)))
	}
	for _, token := range []string{"nobodys", "late", "bobs"} {
		problem(t, del(token), noToken)
	}
	if a := del("adas"); a.status != http.StatusOK || s.signedIn(t, s.ada.Cookie) {
		t.Errorf("%d %s", a.status, a.body)
	}
}
