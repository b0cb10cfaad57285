package mock_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"sync"
)

// lines is a log that can be read while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write adds to the log.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// link gives the link of the newest mail in the log.
func (l *lines) link() (newest string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range bytes.Lines(l.text.Bytes()) {
		var entry struct{ Msg, Link string }
		if json.Unmarshal(line, &entry) == nil && entry.Msg == "a mail" {
			newest = entry.Link
		}
	}
	return newest
}

// sessionUserStory is about a user of its own, who is deleted at the end.
func sessionUserStory() []step {
	const (
		base = "/api/auth/"
		page = "Cookie: {eve}\nOrigin: {origin}\nUser-Agent: parity"
		both = "Cookie: {eve2}\nOrigin: {origin}\nUser-Agent: parity"
	)
	signIn := func(name, password string) step {
		return post(name, signInPath, `{"email":"eve@example.com","password":"`+password+`"}`, "User-Agent: parity")
	}
	steps := []step{
		get("open the link of the welcome", "{welcome}", ""),
		post("sign up", signUpPath, `{"name":"Eve","email":"eve@example.com","password":"correct horse 1","callbackURL":"/hello"}`, "User-Agent: parity").
			keepingCookie("eve").mailing("hello"),
		post("sign up to go elsewhere", signUpPath, `{"name":"Eve","email":"e@example.com","password":"correct horse 1","callbackURL":"//x"}`, ""),
		signIn("sign in", "correct horse 1").keepingCookie("eve2"),
		get("list", base+"list-sessions", page),
		get("list by nobody", base+"list-sessions", ""),
		post("revoke nobody's", base+"revoke-session", `{"token":"x"}`, page),
		post("revoke without a token", base+"revoke-session", `{}`, page),
		post("revoke the others", base+"revoke-other-sessions", `{}`, page),
		get("list by the revoked", base+"list-sessions", both),
		post("update", base+"update-user", `{"name":"Eva","image":"https://example.com/e.png"}`, page),
		post("update nothing", base+"update-user", `{}`, page),
		post("update the address", base+"update-user", `{"email":"x@example.com"}`, page),
		get("session", sessionPath, page),
		post("ask for a verification", base+"send-verification-email", `{"email":"eve@example.com","callbackURL":"/v"}`, page).mailing("verify"),
		post("ask for another's", base+"send-verification-email", `{"email":"ada@example.com"}`, page),
		post("ask for nobody's", base+"send-verification-email", `{"email":"nobody@example.com"}`, ""),
		post("ask for no address", base+"send-verification-email", `{"email":"nobody"}`, ""),
		post("ask for a page elsewhere", base+"send-verification-email", `{"email":"a@b.co","callbackURL":"https://x.example"}`, ""),
		get("verify", "{verify}", ""),
		get("verify with nonsense", base+"verify-email?token=x", ""),
		get("verify with nonsense and a page", base+"verify-email?token=x&callbackURL=/p", ""),
		post("ask when verified", base+"send-verification-email", `{"email":"eve@example.com"}`, page),
		post("change to the same address", base+"change-email", `{"newEmail":"Eve@example.com"}`, page),
		post("change to a taken address", base+"change-email", `{"newEmail":"ada@example.com"}`, page),
		post("change to no address", base+"change-email", `{"newEmail":"x"}`, page),
		post("change the address", base+"change-email", `{"newEmail":"eva@example.com","callbackURL":"/c"}`, page).mailing("agree"),
		get("agree as another", "{agree}", "Cookie: {ada}"),
		get("agree", "{agree}", page).mailing("move"),
		get("move", "{move}", page),
		get("move again", "{move}", page),
		post("change the password wrongly", base+"change-password", `{"currentPassword":"wrong horse 1","newPassword":"another horse 2"}`, page),
		post("change to a short password", base+"change-password", `{"currentPassword":"correct horse 1","newPassword":"x"}`, page),
		post("change the password", base+"change-password", `{"currentPassword":"correct horse 1","newPassword":"another horse 2"}`, page).keepingCookie("eve2"),
		get("list by who changed", base+"list-sessions", page),
		post("forget nobody's password", base+"request-password-reset", `{"email":"nobody@example.com"}`, ""),
		post("forget no address's", base+"request-password-reset", `{"email":"nobody"}`, ""),
		post("forget to a page elsewhere", base+"request-password-reset", `{"email":"a@b.co","redirectTo":"https://x.example"}`, ""),
		post("forget the password", base+"request-password-reset", `{"email":"eva@example.com","redirectTo":"/r"}`, "").mailing("reset"),
		get("open the link", "{reset}", ""),
		get("open another link", base+"reset-password/x?callbackURL=/r", ""),
		get("open a link to elsewhere", base+"reset-password/x?callbackURL=//r", ""),
		post("reset without a token", base+"reset-password", `{"newPassword":"a third horse 3"}`, ""),
		post("reset with another token", base+"reset-password", `{"newPassword":"a third horse 3","token":"x"}`, ""),
		post("reset", base+"reset-password?token={reset token}", `{"newPassword":"a third horse 3"}`, ""),
		post("reset again", base+"reset-password?token={reset token}", `{"newPassword":"a third horse 3"}`, ""),
		get("session after the reset", sessionPath, both),
	}
	in := post("sign in with the third", signInPath, `{"email":"eva@example.com","password":"a third horse 3"}`, "User-Agent: parity").keepingCookie("eve2")
	return append(steps, in,
		post("revoke all", base+"revoke-sessions", `{}`, both), in,
		post("delete with a wrong password", base+"delete-user", `{"password":"wrong horse 1"}`, both),
		post("delete with a token", base+"delete-user", `{"token":"x"}`, both),
		post("delete by nobody", base+"delete-user", `{}`, ""),
		post("delete", base+"delete-user", `{"password":"a third horse 3"}`, both),
		step{name: "session of who is no more", method: http.MethodGet, path: sessionPath, header: both},
	)
}
