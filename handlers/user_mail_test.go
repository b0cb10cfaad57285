package handlers_test

import (
	"fmt"
	"io"
	"mime/quotedprintable"
	"net"
	"net/http"
	netmail "net/mail"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/eggapi/eggapi/internal/apitest"
	"github.com/eggapi/eggapi/internal/config"
	"github.com/eggapi/eggapi/internal/mail/mailtest"
)

// newMailStage is a stage that sends through a mail server.
func newMailStage(t *testing.T, smtpURL string, log io.Writer) *stage {
	t.Helper()
	return newStage(t, apitest.Options{LogTo: log, Config: func(c *config.Config) { c.SMTPURL = config.Secret(smtpURL) }})
}

// readMail is a mail as its reader sees it.
type readMail struct {
	header netmail.Header
	text   string
	link   string // its path and query
}

func (s *stage) read(t *testing.T, r mailtest.Received) readMail {
	t.Helper()
	m, err := netmail.ReadMessage(strings.NewReader(r.Data))
	if err != nil {
		t.Fatalf("%v: %s", err, r.Data)
	}
	text, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil {
		t.Fatalf("%v: %s", err, r.Data)
	}
	link := regexp.MustCompile(`https?://\S+`).FindString(string(text))
	if !strings.HasPrefix(link, s.URL+"/api/auth/") {
		t.Errorf("the link is %q in\n%s", link, text)
	}
	return readMail{m.Header, string(text), strings.TrimPrefix(link, s.URL)}
}

// mailed waits for the n-th mail that the server got, counted from 1.
func (s *stage) mailed(t *testing.T, m *mailtest.Server, n int) (mailtest.Received, readMail) {
	t.Helper()
	apitest.Eventually(t, fmt.Sprintf("mail %d comes", n), func() bool { return len(m.Mails()) >= n })
	return m.Mails()[n-1], s.read(t, m.Mails()[n-1])
}

func TestUser_WholeStoryWithMailsOverSMTP(t *testing.T) {
	t.Parallel()
	m := mailtest.New(t, mailtest.Options{})
	log := &record{}
	s := newMailStage(t, m.URL(), log)
	up := s.do(t, post(signUpPath, `{"name":"Bob <b>spam.example</b>","email":"bob@example.com","password":"correct horse 1","callbackURL":"/welcome"}`, nil))
	cookie := s.sessionCookie(t, up, "Path=/; Max-Age=604800; HttpOnly; SameSite=Lax")
	envelope, welcome := s.mailed(t, m, 1)
	if envelope.From != "egg@example.com" || envelope.To != "bob@example.com" || welcome.header.Get("Subject") != "Confirm your e-mail address" ||
		welcome.header.Get("Auto-Submitted") != "auto-generated" || !strings.HasPrefix(welcome.header.Get("Message-Id"), "<mail-") || strings.Contains(welcome.text, "spam") {
		t.Errorf("%+v\n%v\n%s", envelope, welcome.header, welcome.text)
	}
	if a := s.do(t, get(welcome.link, nil)); a.header.Get("Location") != "/welcome" {
		t.Errorf("the link: %d %s %v", a.status, a.body, a.header)
	}
	userID := one[string](t, s.Pool, `select "id" from "user" where "email" = 'bob@example.com'`)
	if got := s.email(t, userID); got != "bob@example.com true" {
		t.Errorf("the user is %s", got)
	}
	s.do(t, post(authPath+"change-email", `{"newEmail":"rob@example.com"}`, s.withPage(cookie)))
	envelope, agree := s.mailed(t, m, 2)
	if envelope.To != "bob@example.com" || !strings.Contains(agree.text, "rob@example.com") {
		t.Errorf("who is asked first: %+v\n%s", envelope, agree.text)
	}
	s.do(t, get(agree.link, s.withCookie(cookie)))
	envelope, move := s.mailed(t, m, 3)
	if s.do(t, get(move.link, s.withCookie(cookie))); envelope.To != "rob@example.com" || s.email(t, userID) != "rob@example.com true" {
		t.Errorf("who is asked then: %+v, the user is %s", envelope, s.email(t, userID))
	}
	s.do(t, post(authPath+"request-password-reset", `{"email":"rob@example.com","redirectTo":"/reset"}`, nil))
	_, reset := s.mailed(t, m, 4)
	opened := s.do(t, get(reset.link, nil))
	_, token, _ := strings.Cut(opened.header.Get("Location"), "/reset?token=")
	a := s.do(t, post(authPath+"reset-password", fmt.Sprintf(`{"newPassword":"another horse 2","token":%q}`, token), nil))
	if a.status != http.StatusOK || s.signIn(t, "rob@example.com", "another horse 2").status != http.StatusOK {
		t.Errorf("the reset: %d %s", a.status, a.body)
	}
	jobs := one[string](t, s.Pool, `select string_agg(j::text, E'\n') from river_job j where kind = 'mail.send'`)
	acts := one[string](t, s.Pool, `select string_agg(a::text, E'\n') from audit_log a`)
	secrets := []string{token, strings.Split(welcome.link, "token=")[1][:60], mailtest.Password}
	for name, text := range map[string]string{"the jobs": jobs, "the audit log": acts, "the log": log.String()} {
		for _, secret := range secrets {
			if secret == "" || strings.Contains(text, secret) {
				t.Errorf("%s hold %q", name, secret)
			}
		}
	}
	if strings.Contains(log.String(), "bob@example.com") {
		t.Error("the log holds an address")
	}
}

func TestUser_NobodyWaitsForAMailServerAndItsMailComesWhenItDoes(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	s := newMailStage(t, "smtp://egg:a%20mail%20password@"+addr+"?tls=off&from=egg@example.com", io.Discard)
	from := time.Now()
	if a := s.askForReset(t, s.ada.Email); a.status != http.StatusOK || time.Since(from) > 5*time.Second {
		t.Errorf("with no server: %d %s after %v", a.status, a.body, time.Since(from))
	}
	state := func() string {
		return one[string](t, s.Pool, `select state || ' ' || attempt from river_job where kind = 'mail.send'`)
	}
	apitest.Eventually(t, "the first try fails", func() bool { return state() == "retryable 1" })
	if pause := one[int](t, s.Pool, `select round(extract(epoch from scheduled_at - attempted_at))::int from river_job where kind = 'mail.send'`); pause < 9 || pause > 12 {
		t.Errorf("the next try is after %d s", pause)
	}
	m := mailtest.New(t, mailtest.Options{Addr: addr})
	s.exec(t, `update river_job set scheduled_at = now() where kind = 'mail.send'`)
	if got, _ := s.mailed(t, m, 1); got.To != s.ada.Email {
		t.Errorf("it went to %s", got.To)
	}
}

func TestUser_MailThatTheServerWillNeverTakeIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	m := mailtest.New(t, mailtest.Options{Refuse: func(n int) error {
		if n == 1 {
			return mailtest.TryLater
		}
		return mailtest.Unknown
	}})
	s := newMailStage(t, m.URL(), io.Discard)
	s.askForReset(t, s.ada.Email)
	is := func(want string) {
		t.Helper()
		apitest.Eventually(t, "the job is "+want, func() bool {
			return one[string](t, s.Pool, `select state::text from river_job where kind = 'mail.send'`) == want
		})
	}
	is("retryable")
	s.exec(t, `update river_job set scheduled_at = now() where kind = 'mail.send'`)
	is("cancelled")
	if failures := one[string](t, s.Pool, `select errors::text from river_job where kind = 'mail.send'`); strings.Contains(failures, s.ada.Email) || !strings.Contains(failures, "550") {
		t.Errorf("the job says %s", failures)
	}
	if len(m.Mails()) != 0 || m.Asked() != 2 {
		t.Errorf("%d mails, asked %d times", len(m.Mails()), m.Asked())
	}
}

func TestUser_MailForNobodyOrForWhatIsOverIsNotSent(t *testing.T) {
	t.Parallel()
	m := mailtest.New(t, mailtest.Options{})
	s := newMailStage(t, m.URL(), io.Discard)
	ended := func(n int) {
		t.Helper()
		apitest.Eventually(t, "the jobs end", func() bool {
			return one[int](t, s.Pool, `select count(*) from river_job where kind = 'mail.send' and state = 'cancelled'`) == n
		})
	}
	s.askForReset(t, "nobody@example.com")
	s.do(t, post(authPath+"send-verification-email", `{"email":"nobody@example.com"}`, nil))
	taken := s.newAccount(t)
	s.do(t, post(authPath+"change-email", `{"newEmail":"`+taken.Email+`"}`, s.withPage(s.ada.Cookie)))
	ended(3)
	s.exec(t, `update "user" set "emailVerified" = true where "id" = $1`, taken.UserID)
	s.do(t, post(authPath+"send-verification-email", `{"email":"`+taken.Email+`"}`, nil))
	ended(4)
	if len(m.Mails()) != 0 {
		t.Errorf("sent: %+v", m.Mails())
	}
}

func TestUser_MailAndWhatItsLinkIsGoodForAreStoredTogetherOrNotAtAll(t *testing.T) {
	t.Parallel()
	s := newStage(t, apitest.Options{NoWork: true, Mail: &apitest.Mailbox{}})
	s.askForReset(t, s.ada.Email)
	const count = `select (select count(*) from "verification") || ' ' || (select count(*) from river_job where kind = 'mail.send')`
	if got := one[string](t, s.Pool, count); got != "1 1" {
		t.Fatalf("stored %s", got)
	}
	s.exec(t, `alter table audit_log rename to audit_log_gone`)
	if a := s.askForReset(t, s.ada.Email); a.status != http.StatusInternalServerError {
		t.Errorf("%d %s", a.status, a.body)
	}
	if got := one[string](t, s.Pool, count); got != "1 1" {
		t.Errorf("after one that failed: %s", got)
	}
}

func TestUser_WithoutAMailServerTheAnswersAreTheSameAndTheLogSaysWhyOnce(t *testing.T) {
	t.Parallel()
	log := &record{}
	s := newStage(t, apitest.Options{NoWork: true, LogTo: log})
	for range 3 {
		if a := s.askForReset(t, s.ada.Email); string(a.body) != string(s.askForReset(t, "nobody@example.com").body) || a.status != http.StatusOK {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	if n := strings.Count(log.String(), "EGGAPI_SMTP_URL is not set"); n != 1 {
		t.Errorf("told %d times", n)
	}
	if n := one[int](t, s.Pool, `select count(*) from river_job where kind = 'mail.send'`); n != 0 {
		t.Errorf("%d jobs wait for nobody", n)
	}
}
