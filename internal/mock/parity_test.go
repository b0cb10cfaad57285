package mock_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/eggapi/eggapi/internal/apitest"
	"github.com/eggapi/eggapi/internal/mock"
	"github.com/eggapi/eggapi/internal/money"
)

// side is one of the two services, with what its answers left behind.
type side struct {
	url  string
	vars map[string]string
	link func() string // of the newest mail
}

// step is a request that is sent to both. Words in braces stand for what an earlier step kept.
type step struct {
	name   string
	method string
	path   string
	body   string
	header string            // one a line
	keep   map[string]string // variable to member of the answer
	cookie string            // variable that keeps the session's cookie
	mailed string            // variable that keeps the path of the newest mail's link
	wait   bool              // until the task has ended
	until  int               // the status to wait for, where the service takes a moment to know
}

// fill puts a side's variables in.
func (s *side) fill(text string) string {
	for name, value := range s.vars {
		text = strings.ReplaceAll(text, "{"+name+"}", value)
	}
	return text
}

func (s *side) run(t *testing.T, st step) plain {
	t.Helper()
	c := call{method: st.method, path: s.fill(st.path), body: s.fill(st.body), header: http.Header{}}
	for line := range strings.Lines(s.fill(st.header)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		c.header.Add(name, value)
	}
	var got answer
	switch {
	case st.wait:
		got = end(t, s.url, c.header, strings.TrimPrefix(c.path, "/v1/tasks/"))
	case st.until != 0:
		apitest.Eventually(t, st.name+" is answered as it will be", func() bool {
			got = send(t, s.url, c)
			return got.status == st.until
		})
	default:
		got = send(t, s.url, c)
	}
	for name, member := range st.keep {
		s.vars[name] = got.member(member)
		if s.vars[name] == "" {
			t.Errorf("%s: %s answered without %s: %d %s", st.name, s.url, member, got.status, got.body)
		}
	}
	if st.mailed != "" {
		s.vars[st.mailed] = strings.TrimPrefix(s.link(), s.url)
		_, last, _ := strings.Cut(s.vars[st.mailed], "/reset-password/")
		s.vars[st.mailed+" token"], _, _ = strings.Cut(last, "?")
	}
	if st.cookie != "" {
		for _, c := range (&http.Response{Header: got.header}).Cookies() {
			if strings.HasSuffix(c.Name, "session_token") {
				s.vars[st.cookie] = c.Name + "=" + c.Value
			}
		}
	}
	return simplify(got, s.url)
}

// TestParity_MockAnswersAsTheServiceDoes sends the same story to both and compares the answers word for word, but for
// what differs from run to run.
func TestParity_MockAnswersAsTheServiceDoes(t *testing.T) {
	t.Parallel()
	// Limits are on, so that their headers are compared too.
	const limit = 5000
	box, log, mails := &apitest.Mailbox{}, &lines{}, 0
	s := apitest.New(t, apitest.Options{IPLimit: limit, KeyLimit: limit, Mail: box})
	service := &side{url: s.URL, vars: map[string]string{"origin": s.URL}}
	service.link = func() string {
		mails++
		_, link := box.Link(t, mails)
		return link
	}
	mocked := &side{vars: map[string]string{}, link: log.link}
	mocked.url = newMock(t, mock.Options{IPLimit: limit, KeyLimit: limit, TestKeyLimit: limit, Logger: slog.New(slog.NewJSONHandler(log, nil))})
	mocked.vars["origin"] = mocked.url
	steps, succeeded := 0, map[string]bool{}
	for _, story := range []struct {
		tag   string
		steps []step
	}{
		{"session", sessionStory()},
		{"api keys", keyStory()},
		{"account", accountStory()},
		{"webhooks", webhookStory()},
		{"generation", generationStory()},
		{"refusals", refusalStory()},
		{"tasks", taskStory()},
		{"usage", usageStory()},
		{"models", modelStory()},
		{"system", systemStory()},
		{"user of a session", sessionUserStory()},
		{"farewell", farewellStory()},
	} {
		for _, st := range story.steps {
			steps++
			want, got := service.run(t, st), mocked.run(t, st)
			if want.Status < http.StatusBadRequest {
				succeeded[operationOf(st.method, service.fill(st.path))] = true
			}
			if diff := differences(want, got); diff != "" {
				t.Errorf("%s: %s: the service (-) and the mock (+) answer differently:\n%s", story.tag, st.name, diff)
			}
		}
		if story.tag == "session" { // the mock gives this to everybody who signs up
			s.TopUp(t, service.vars["user"], 100*money.PerDollar)
		}
	}
	t.Logf("%d requests compared", steps)
	for operationID := range operations() {
		if !succeeded[operationID] {
			t.Errorf("no request of the stories in this file succeeds at %s: add one", operationID)
		}
	}
}

const (
	signUpPath  = "/api/auth/sign-up/email"
	signInPath  = "/api/auth/sign-in/email"
	sessionPath = "/api/auth/get-session"
	fromPage    = "Cookie: {ada}\nOrigin: {origin}"
	liveKey     = "Authorization: Bearer {live}"
	testKey     = "Authorization: Bearer {test}"
)

func post(name, path, body, header string) step {
	return step{name: name, method: http.MethodPost, path: path, body: body, header: header}
}

func get(name, path, header string) step {
	return step{name: name, method: http.MethodGet, path: path, header: header}
}

func (s step) keeping(variable, member string) step {
	s.keep = map[string]string{variable: member}
	return s
}

func (s step) keepingCookie(variable string) step {
	s.cookie = variable
	return s
}

func (s step) mailing(variable string) step {
	s.mailed = variable
	return s
}

func (s step) untilEnd() step {
	s.wait = true
	return s
}

func sessionStory() []step {
	signUp := func(name, email, password string) step {
		return post(name, signUpPath, fmt.Sprintf(`{"name":"Ada","email":%q,"password":%q}`, email, password), "User-Agent: parity")
	}
	signIn := func(name, email, password string) step {
		return post(name, signInPath, fmt.Sprintf(`{"email":%q,"password":%q}`, email, password), "User-Agent: parity")
	}
	const good = "correct horse 1"
	steps := []step{
		signUp("short password", "ada@example.com", "short"),
		signUp("long password", "ada@example.com", strings.Repeat("p", 129)),
		signUp("long password in surrogates", "ada@example.com", strings.Repeat("🥚", 65)),
		post("no body", signUpPath, "", ""),
		post("unknown member", signUpPath, `{"name":"Ada"}`, ""),
		signUp("sign up", "Ada@example.com", good).keeping("user", "user.id").keepingCookie("ada").mailing("welcome"),
		signUp("taken address", "ada@EXAMPLE.com", good),
		signIn("wrong password", "ada@example.com", "wrong horse 1"),
		signIn("unknown address", "eve@example.com", good),
		signIn("endless password", "ada@example.com", strings.Repeat("p", 129)),
		signIn("sign in", "ADA@example.com", good).keepingCookie("second"),
		post("sign in to be forgotten", signInPath, `{"email":"ada@example.com","password":"correct horse 1","rememberMe":false}`, "User-Agent: parity").keepingCookie("third"),
		get("session", sessionPath, "Cookie: {ada}"),
		get("nobody's session", sessionPath, ""),
		get("session signed by nobody", sessionPath, "Cookie: better-auth.session_token=x.y"),
		get("unknown parameter", sessionPath+"?x=1", ""),
		post("sign out from elsewhere", "/api/auth/sign-out", "{}", "Cookie: {second}\nOrigin: https://elsewhere.example"),
		post("sign out", "/api/auth/sign-out", "{}", "Cookie: {second}\nOrigin: {origin}"),
		get("session that ended", sessionPath, "Cookie: {second}"),
		post("sign out nobody", "/api/auth/sign-out", "{}", ""),
	}
	for _, email := range []string{
		"ada", "ada@", "@example.com", "ada@example", ".ada@example.com", "ada.@example.com", "a..da@example.com", "ada'@example.com",
		"a'da@example.com", "ada+x@example.com", "ada@-example.com", "ada@example-.com", "ada@example.c", "ada@example.c0m",
		"ada@ex_ample.com", "ädä@example.com", "ada@example..com", "ada @example.com", "a@b@example.com",
	} {
		steps = append(steps, signUp("sign up "+email, email, "short"), signIn("sign in "+email, email, good))
	}
	return steps
}

func keyStory() []step {
	const path = "/v1/api-keys"
	named := func(s step, variables map[string]string) step {
		s.keep = variables
		return s
	}
	change := func(name, body string) step {
		return step{name: name, method: http.MethodPatch, path: path + "/{spare}", body: body, header: fromPage}
	}
	use := func(name string, until int) step {
		s := get(name, "/v1/tasks", "Authorization: Bearer {spareKey}")
		s.until = until
		return s
	}
	rotate := func(name, key, body, header string) step {
		return post(name, path+"/"+key+"/rotate", body, strings.TrimSuffix(fromPage+"\n"+header, "\n"))
	}
	revoke := step{name: "revoke", method: http.MethodDelete, path: path + "/{spare}", header: fromPage}
	return []step{
		post("without a session", path, `{"name":"x"}`, ""),
		post("without Origin", path, `{"name":"x"}`, "Cookie: {ada}"),
		post("no name", path, `{}`, fromPage),
		post("unknown member", path, `{"name":"x","colour":"red"}`, fromPage),
		post("expired from the start", path, `{"name":"x","expires_at":"2020-01-01T00:00:00Z"}`, fromPage),
		named(post("a live key", path, `{"name":"live"}`, fromPage), map[string]string{"live": "data.secret", "liveID": "data.id"}),
		named(post("a test key", path, `{"name":"test","environment":"test","expires_at":"2099-01-01T00:00:00Z"}`, fromPage), map[string]string{"test": "data.secret"}),
		named(post("a spare key", path, `{"name":"spare","environment":"test"}`, fromPage), map[string]string{"spare": "data.id", "spareKey": "data.secret"}),
		named(post("a key to be rotated", path, `{"name":"turning"}`, fromPage), map[string]string{"turning": "data.id"}),
		get("list", path, fromPage),
		get("list live ones", path+"?environment=live", fromPage),
		get("list none", path+"?environment=no", fromPage),
		get("a page", path+"?page=2&per_page=1", fromPage),
		get("get", path+"/{spare}", fromPage),
		get("get an unknown one", path+"/key_x", fromPage),
		use("use", http.StatusOK),
		change("nothing", `{}`),
		change("disable", `{"disabled":true}`),
		use("use the disabled", http.StatusUnauthorized),
		change("enable and rename", `{"disabled":false,"name":"other"}`),
		use("use the enabled", http.StatusOK),
		change("expire in the past", `{"expires_at":"2020-01-01T00:00:00Z"}`),
		change("expire one day", `{"expires_at":"2099-01-01T00:00:00Z"}`),
		change("never expire", `{"expires_at":null}`),
		change("a scope that is none", `{"scopes":["all"]}`),
		change("only reading", `{"scopes":["tasks:read"],"metadata":{"team":"growth"}}`),
		use("use for reading", http.StatusOK),
		post("use for more", "/v1/generate", `{"model":"nanobanana","prompt":"a fox"}`, "Authorization: Bearer {spareKey}"),
		change("a network that is none", `{"limits":{"networks":["here"]}}`),
		change("a cap of nothing", `{"limits":{"spend_cap":{"amount":"$0","window":"day"}}}`),
		change("a zone that is none", `{"limits":{"time_zone":"Mars/Olympus"}}`),
		change("from elsewhere", `{"limits":{"networks":["192.0.2.0/24","2001:db8::1"]}}`),
		use("use from here", http.StatusForbidden),
		change("all limits", `{"scopes":["generate","tasks:read"],"limits":{"models":["nanobanana"],"requests_per_second":7,
			"requests_per_day":1000,"running_tasks":9,"spend_cap":{"amount":"$25.5","window":"month"},"time_zone":"Europe/Vienna"}}`),
		use("use with all limits", http.StatusOK),
		post("another model", "/v1/generate", `{"model":"nanobanana-pro","prompt":"a fox"}`, "Authorization: Bearer {spareKey}"),
		change("no limits", `{"limits":{}}`),
		rotate("rotate", "{spare}", `{}`, ""),
		rotate("rotate while two work", "{spare}", `{}`, ""),
		rotate("rotate an unknown one", "key_x", `{}`, ""),
		rotate("rotate another at once", "{turning}", `{"overlap_seconds":0}`, "Idempotency-Key: parity-parity-parity"),
		rotate("rotate it again", "{turning}", `{"overlap_seconds":0}`, "Idempotency-Key: parity-parity-parity"),
		rotate("rotate it otherwise", "{turning}", `{"overlap_seconds":1}`, "Idempotency-Key: parity-parity-parity"),
		rotate("an Idempotency-Key that can be guessed", "{turning}", `{}`, "Idempotency-Key: 1"),
		use("use the old one", http.StatusOK),
		get("who am I", "/v1/me", "Authorization: Bearer {spareKey}"),
		get("who am I, live", "/v1/me", liveKey),
		get("who am I, by session", "/v1/me", fromPage),
		get("what was never done", "/v1/audit-log?action=never.done", fromPage),
		get("what was done, by key", "/v1/audit-log", liveKey),
		get("a word that is no action", "/v1/audit-log?action=never", fromPage),
		revoke, revoke,
		rotate("rotate the revoked", "{spare}", `{}`, ""),
		use("use the revoked", http.StatusUnauthorized),
		change("change the revoked", `{"name":"again"}`),
		{name: "revoke an unknown one", method: http.MethodDelete, path: path + "/key_x", header: fromPage},
	}
}

func accountStory() []step {
	return []step{
		get("account", "/v1/account", fromPage),
		get("account by key", "/v1/account", liveKey),
		get("balance", "/v1/account/balance", fromPage),
		get("balance with a parameter", "/v1/account/balance?x=1", fromPage),
		get("transactions", "/v1/account/transactions", fromPage),
		get("page 0", "/v1/account/transactions?page=0", fromPage),
	}
}

func webhookStory() []step {
	const path = "/v1/webhooks/secret"
	remove := step{name: "remove", method: http.MethodDelete, path: path, header: fromPage}
	return []step{
		get("none", path, fromPage), remove, post("make", path, "", fromPage), get("one", path, fromPage), remove, remove,
		post("with a body", path, "{}", fromPage), get("by nobody", path, ""),
	}
}
