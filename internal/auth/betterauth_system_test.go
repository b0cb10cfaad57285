//go:build system

package auth_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	osexec "os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eggapi/eggapi/internal/apitest"
	"github.com/eggapi/eggapi/internal/config"
	"github.com/eggapi/eggapi/internal/dbtest"
)

// nodeFolder holds the real Better Auth, client and server.
const nodeFolder = "../../tools/betterauth"

// runNode starts a script of nodeFolder that ends with the test at the latest.
func runNode(t *testing.T, script string, env ...string) (*osexec.Cmd, io.Reader) {
	t.Helper()
	if _, err := os.Stat(nodeFolder + "/node_modules/better-auth"); err != nil {
		t.Fatalf("Better Auth is not installed: make tools/betterauth/node_modules/.installed (%v)", err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	c := osexec.CommandContext(ctx, "node", script)
	c.Dir, c.Env = nodeFolder, append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, env...)
	var errors bytes.Buffer
	c.Stderr = &errors
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = c.Wait()
		if t.Failed() && errors.Len() > 0 {
			t.Logf("%s said:\n%s", script, errors.String())
		}
	})
	return c, out
}

// theirs is a real Better Auth server.
type theirs struct {
	url string

	mu    sync.Mutex
	mails []theirMail
}

type theirMail struct {
	Port                 int
	Mail, To, URL, Token string
}

// startTheirs starts one on a database of ours.
func startTheirs(t *testing.T, env ...string) *theirs {
	t.Helper()
	_, out := runNode(t, "server.mjs", env...)
	b := &theirs{}
	lines := bufio.NewScanner(out)
	started := make(chan int, 1)
	go func() {
		for lines.Scan() {
			var m theirMail
			if json.Unmarshal(lines.Bytes(), &m) != nil {
				continue
			}
			if m.Port != 0 {
				started <- m.Port
				continue
			}
			b.mu.Lock()
			b.mails = append(b.mails, m)
			b.mu.Unlock()
		}
		close(started)
	}()
	select {
	case port := <-started:
		if port == 0 {
			t.Fatal("the server did not start")
		}
		b.url = fmt.Sprintf("http://127.0.0.1:%d", port)
	case <-time.After(60 * time.Second):
		t.Fatal("the server does not start")
	}
	return b
}

// mail waits for the n-th mail, counted from 1.
func (b *theirs) mail(t testing.TB, n int) theirMail {
	t.Helper()
	var m theirMail
	apitest.Eventually(t, "their mail comes", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.mails) < n {
			return false
		}
		m = b.mails[n-1]
		return true
	})
	return m
}

// serveMails gives the links of mails to the client's script.
func serveMails(t *testing.T, link func(n int) string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Query().Get("n"))
		_, _ = io.WriteString(w, link(n))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// clientStory runs the official client's story and gives what it was told.
func clientStory(t *testing.T, url, mails string) []string {
	t.Helper()
	c, out := runNode(t, "client.mjs", "AUTH_URL="+url, "AUTH_MAILS="+mails)
	text, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	told := strings.Split(strings.TrimSpace(string(text)), "\n")
	if err := c.Wait(); err != nil || told[len(told)-1] != "end" {
		t.Errorf("the story at %s ended early: %v\n%s", url, err, text)
	}
	return told
}

// The official client, from npm and unmodified, hears the same from us as from a real Better Auth server.
func TestBetterAuth_SystemOfficialClientHearsTheSameFromBoth(t *testing.T) {
	box := &apitest.Mailbox{}
	ours := apitest.New(t, apitest.Options{Mail: box})
	told := clientStory(t, ours.URL, serveMails(t, func(n int) string {
		_, link := box.Link(t, n)
		return link
	}))
	real := startTheirs(t, "AUTH_DATABASE_URL="+dbtest.NewURL(t), "AUTH_SECRET="+testSecret, "AUTH_BASE_URL=", "AUTH_ORIGINS=http://127.0.0.1:*")
	want := clientStory(t, real.url, serveMails(t, func(n int) string { return real.mail(t, n).URL }))
	if len(want) < 40 {
		t.Fatalf("only %d steps", len(want))
	}
	// Where we differ on purpose: refusals that Better Auth leaves without a code have one.
	for i := range want {
		want[i] = strings.NewReplacer(`same address: {"status":400}`, `same address: {"code":"EMAIL_IS_THE_SAME","status":400}`,
			`update nothing: {"status":400}`, `update nothing: {"code":"NO_FIELDS_TO_UPDATE","status":400}`).Replace(want[i])
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("from Better Auth (-), from us (+)\n%s", diff)
	}
}

// pair is our server and a real Better Auth server on one database.
type pair struct {
	ours   *apitest.Server
	box    *apitest.Mailbox
	theirs *theirs
	origin string
	cookie string // its name
}

// heard is an answer that was read.
type heard struct {
	status   int
	location string
	cookies  []*http.Cookie
	text     string
}

func (p pair) ask(t *testing.T, base, method, path, body, cookie string) heard {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Origin", p.origin)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	client := &http.Client{Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	read, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return heard{answer.StatusCode, answer.Header.Get("Location"), answer.Cookies(), string(read)}
}

// post asks for what must succeed, and gives the cookies as a browser sends them back.
func (p pair) post(t *testing.T, base, path, body, cookie string) string {
	t.Helper()
	a := p.ask(t, base, http.MethodPost, "/api/auth/"+path, body, cookie)
	if a.status != http.StatusOK {
		t.Fatalf("%s at %s: %d %s", path, base, a.status, a.text)
	}
	var pairs []string
	for _, c := range a.cookies {
		if c.MaxAge >= 0 {
			pairs = append(pairs, c.Name+"="+c.Value)
		}
	}
	return strings.Join(pairs, "; ")
}

// whoIs gives the address of whose session the cookie is, "" for nobody.
func (p pair) whoIs(t *testing.T, base, cookie string) string {
	t.Helper()
	text := p.ask(t, base, http.MethodGet, "/api/auth/get-session", "", cookie).text
	var session struct{ User struct{ Email string } }
	if err := json.Unmarshal([]byte(text), &session); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return session.User.Email
}

// signsIn tells whether the password opens.
func (p pair) signsIn(t *testing.T, base, email, password string) bool {
	t.Helper()
	return p.ask(t, base, http.MethodPost, "/api/auth/sign-in/email", fmt.Sprintf(`{"email":%q,"password":%q}`, email, password), "").status == http.StatusOK
}

func TestBetterAuth_SystemServersOnOneDatabaseTakeEachOthersUsersSessionsAndLinks(t *testing.T) {
	for name, tt := range map[string]struct{ origin, prefix, secret, cookie string }{
		"http":           {"", "", testSecret, "better-auth.session_token"},
		"https":          {"https://egg.example", "", "sécrèt-ünïcode-0123456789-ключ-鍵鍵鍵鍵", "__Secure-better-auth.session_token"},
		"another prefix": {"", "dash", "c2VjcmV0IHRoYXQgbG9va3MgbGlrZSBiYXNlNjQ=", "dash.session_token"},
	} {
		t.Run(name, func(t *testing.T) {
			p := pair{box: &apitest.Mailbox{}, cookie: tt.cookie}
			p.ours = apitest.New(t, apitest.Options{Mail: p.box, Config: func(c *config.Config) {
				c.AuthSecrets, c.CookiePrefix = []config.Secret{config.Secret(tt.secret)}, tt.prefix
				if tt.origin != "" {
					c.PublicURL = tt.origin
				}
				p.origin = c.PublicURL
			}})
			p.theirs = startTheirs(t, "AUTH_DATABASE_URL="+p.ours.DatabaseURL, "AUTH_SECRET="+tt.secret, "AUTH_BASE_URL="+p.origin, "AUTH_COOKIE_PREFIX="+tt.prefix)
			p.usersAndSessions(t)
			p.links(t)
		})
	}
}

// usersAndSessions: each side lets in whom the other knows, and out whom the other ends.
func (p pair) usersAndSessions(t *testing.T) {
	sides := map[string][2]string{"from them to us": {p.theirs.url, p.ours.URL}, "from us to them": {p.ours.URL, p.theirs.url}}
	for name, side := range sides {
		here, there := side[0], side[1]
		email := strings.ReplaceAll(name, " ", ".") + "@example.com"
		const unicode = "pässwörd ﬁ①Ａ"
		cookie := p.post(t, here, "sign-up/email", fmt.Sprintf(`{"name":"Ada","email":%q,"password":%q}`, email, unicode), "")
		if !strings.HasPrefix(cookie, p.cookie+"=") {
			t.Errorf("%s: the cookie is %s", name, cookie)
		}
		if p.whoIs(t, there, cookie) != email || !p.signsIn(t, there, email, "pässwörd fi1A") {
			t.Errorf("%s: cookie or password are not taken", name)
		}
		forgotten := p.post(t, here, "sign-in/email", fmt.Sprintf(`{"email":%q,"password":%q,"rememberMe":false}`, email, unicode), "")
		if !strings.Contains(forgotten, "dont_remember=") || p.whoIs(t, there, forgotten) != email {
			t.Errorf("%s: a session to be forgotten: %s", name, forgotten)
		}
		if end := scan[int](t, p.ours.Pool, `select round(extract(epoch from "expiresAt" - now()) / 3600)::int from "session" where "token" = $1`, tokenOf(t, p.cookie, forgotten)); end != 24 {
			t.Errorf("%s: it has %d hours after the other side saw it", name, end)
		}
		p.post(t, there, "sign-out", `{}`, forgotten)
		if p.whoIs(t, here, forgotten) != "" || p.whoIs(t, here, cookie) != email {
			t.Errorf("%s: signed out there, and in here", name)
		}
		p.post(t, there, "change-password", fmt.Sprintf(`{"currentPassword":%q,"newPassword":"another horse 2","revokeOtherSessions":true}`, unicode), cookie)
		if p.whoIs(t, here, cookie) != "" || !p.signsIn(t, here, email, "another horse 2") || p.signsIn(t, here, email, unicode) {
			t.Errorf("%s: the change of the password there does not count here", name)
		}
	}
	a := p.ask(t, p.ours.URL, http.MethodGet, "/v1/account", "", p.post(t, p.theirs.url, "sign-in/email", `{"email":"from.them.to.us@example.com","password":"another horse 2"}`, ""))
	if a.status != http.StatusOK || !strings.Contains(a.text, "from.them.to.us@example.com") {
		t.Errorf("the API with their cookie: %d %s", a.status, a.text)
	}
}

func tokenOf(t *testing.T, name, cookies string) string {
	t.Helper()
	for pair := range strings.SplitSeq(cookies, "; ") {
		if value, ok := strings.CutPrefix(pair, name+"="); ok {
			token, _, _ := strings.Cut(value, ".")
			return token
		}
	}
	t.Fatalf("no %s in %s", name, cookies)
	return ""
}

// links: what one side mailed the other takes.
func (p pair) links(t *testing.T) {
	theirMails := 1 // the welcome of the one who signed up there
	ourMails := 1
	for name, side := range map[string][2]string{"theirs": {p.theirs.url, p.ours.URL}, "ours": {p.ours.URL, p.theirs.url}} {
		here, there := side[0], side[1]
		email := name + ".links@example.com"
		p.post(t, here, "sign-up/email", fmt.Sprintf(`{"name":"Ada","email":%q,"password":"correct horse 1"}`, email), "")
		next := func() string {
			if here == p.theirs.url {
				theirMails++
				return p.theirs.mail(t, theirMails).URL
			}
			ourMails++
			_, link := p.box.Link(t, ourMails)
			return link
		}
		path := func(link string) string { return link[strings.Index(link, "/api/auth/"):] }
		if a := p.ask(t, there, http.MethodGet, path(next()), "", ""); a.status != http.StatusFound || strings.Contains(a.location, "error") {
			t.Errorf("%s: the link that verifies: %d %s %s", name, a.status, a.location, a.text)
		}
		if !scan[bool](t, p.ours.Pool, `select "emailVerified" from "user" where "email" = $1`, email) {
			t.Errorf("%s: the address is not verified", name)
		}
		p.post(t, here, "request-password-reset", fmt.Sprintf(`{"email":%q,"redirectTo":"/reset"}`, email), "")
		a := p.ask(t, there, http.MethodGet, path(next()), "", "")
		_, token, ok := strings.Cut(a.location, "/reset?token=")
		if !ok {
			t.Fatalf("%s: the link of a reset: %d %s", name, a.status, a.location)
		}
		p.post(t, there, "reset-password", fmt.Sprintf(`{"newPassword":"another horse 2","token":%q}`, token), "")
		if !p.signsIn(t, here, email, "another horse 2") {
			t.Errorf("%s: the reset there does not count here", name)
		}
	}
}
