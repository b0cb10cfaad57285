package handlers_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eggapi/eggapi/gen/apiclient"
	"github.com/eggapi/eggapi/internal/apitest"
)

// class says who may call an operation, and whether a browser needs a trusted Origin for it.
type class int

const (
	eitherRead   class = iota // key or session
	eitherWrite               // key or session
	keyRead                   // key only
	sessionRead               // session only
	sessionWrite              // session only
	open                      // everybody
	authRead                  // everybody, in Better Auth's format
	authWrite                 // everybody, in Better Auth's format
	authOwnRead               // session only, in Better Auth's format
	authOwnWrite              // session only, in Better Auth's format
)

// operation is one row of the list that is kept by hand, so that nothing enters the contract unnoticed.
type operation struct {
	id     string
	class  class
	method string
	path   string
	body   string // one that is accepted
	want   verdict
}

// verdict is an answer in short. The zero code means no refusal.
type verdict struct {
	status  int
	code    string
	message string
}

var (
	ok       = verdict{status: http.StatusOK}
	created  = verdict{status: http.StatusCreated}
	accepted = verdict{status: http.StatusAccepted}
	// Past the gate, and refused before a password is hashed.
	shortPassword = verdict{http.StatusBadRequest, "PASSWORD_TOO_SHORT", "Password too short"}
	noToken       = verdict{http.StatusNotFound, "INVALID_TOKEN", "Invalid token"}
	badAddress    = verdict{http.StatusBadRequest, "VALIDATION_ERROR", "[body.email] Invalid email address"}
	malformedLink = verdict{http.StatusBadRequest, "BAD_REQUEST", "request is malformed"} // for want of its query
	invalidEmail  = verdict{http.StatusBadRequest, "INVALID_EMAIL", "Invalid email"}
)

const (
	prompt     = `{"model":"nanobanana","prompt":"a fox"}`
	badSignUp  = `{"name":"Ada","email":"ada@example.com","password":"short"}`
	badSignIn  = `{"email":"ada","password":"correct horse 1"}`
	getMethod  = http.MethodGet
	postMethod = http.MethodPost
)

var operations = []operation{
	{"generate", eitherWrite, postMethod, "/v1/generate", prompt, accepted},
	{"listTasks", eitherRead, getMethod, "/v1/tasks", "", ok},
	{"getTask", eitherRead, getMethod, "/v1/tasks/{id}", "", ok},
	{"listUsage", keyRead, getMethod, "/v1/usage", "", ok},
	{"summarizeUsage", keyRead, getMethod, "/v1/usage/summary", "", ok},
	{"listModels", open, getMethod, "/v1/models", "", ok},
	{"listAPIKeys", sessionRead, getMethod, "/v1/api-keys", "", ok},
	{"createAPIKey", sessionWrite, postMethod, "/v1/api-keys", `{"name":"new"}`, created},
	{"getAPIKey", sessionRead, getMethod, "/v1/api-keys/{id}", "", ok},
	{"updateAPIKey", sessionWrite, http.MethodPatch, "/v1/api-keys/{id}", `{"name":"renamed"}`, ok},
	{"rotateAPIKey", sessionWrite, postMethod, "/v1/api-keys/{id}/rotate", `{"overlap_seconds":0}`, ok},
	{"revokeAPIKey", sessionWrite, http.MethodDelete, "/v1/api-keys/{id}", "", ok},
	{"getMe", keyRead, getMethod, "/v1/me", "", ok},
	{"listAuditLog", sessionRead, getMethod, "/v1/audit-log", "", ok},
	{"getAccount", sessionRead, getMethod, "/v1/account", "", ok},
	{"getBalance", sessionRead, getMethod, "/v1/account/balance", "", ok},
	{"listTransactions", sessionRead, getMethod, "/v1/account/transactions", "", ok},
	{"getWebhookSecret", sessionRead, getMethod, "/v1/webhooks/secret", "", ok},
	{"replaceWebhookSecret", sessionWrite, postMethod, "/v1/webhooks/secret", "", created},
	{"removeWebhookSecret", sessionWrite, http.MethodDelete, "/v1/webhooks/secret", "", ok},
	{"signUpEmail", authWrite, postMethod, "/api/auth/sign-up/email", badSignUp, shortPassword},
	{"signInEmail", authWrite, postMethod, "/api/auth/sign-in/email", badSignIn, invalidEmail},
	{"listSessions", authOwnRead, getMethod, "/api/auth/list-sessions", "", ok},
	{"revokeSession", authOwnWrite, postMethod, "/api/auth/revoke-session", `{"token":"nobodys"}`, ok},
	{"revokeOtherSessions", authOwnWrite, postMethod, "/api/auth/revoke-other-sessions", "{}", ok},
	{"changePassword", authOwnWrite, postMethod, "/api/auth/change-password", `{"currentPassword":"correct horse 1","newPassword":"short"}`, shortPassword},
	{"changeEmail", authOwnWrite, postMethod, "/api/auth/change-email", `{"newEmail":"new@example.com"}`, ok},
	{"updateUser", authOwnWrite, postMethod, "/api/auth/update-user", `{"name":"Ada"}`, ok},
	{"deleteUser", authOwnWrite, postMethod, "/api/auth/delete-user", `{"token":"nobodys"}`, noToken},
	{"requestPasswordReset", authWrite, postMethod, "/api/auth/request-password-reset", `{"email":"nobody"}`, badAddress},
	{"resetPasswordCallback", authRead, getMethod, "/api/auth/reset-password/{token}", "", malformedLink},
	{"resetPassword", authWrite, postMethod, "/api/auth/reset-password", `{"newPassword":"short","token":"nobodys"}`, shortPassword},
	{"sendVerificationEmail", authWrite, postMethod, "/api/auth/send-verification-email", `{"email":"nobody"}`, badAddress},
	{"verifyEmail", authRead, getMethod, "/api/auth/verify-email", "", malformedLink},
	{"revokeSessions", authOwnWrite, postMethod, "/api/auth/revoke-sessions", "{}", ok}, // the last that needs a session
	{"signOut", authWrite, postMethod, "/api/auth/sign-out", "{}", ok},
	{"getSession", authRead, getMethod, "/api/auth/get-session", "", ok},
	{"getHealth", open, getMethod, "/healthz", "", ok},
	{"getReadiness", open, getMethod, "/readyz", "", ok},
	{"getContractYAML", open, getMethod, "/openapi.yaml", "", ok},
	{"getContractJSON", open, getMethod, "/openapi.json", "", ok},
}

func TestOperations_ListKeptByHandIsTheContracts(t *testing.T) {
	t.Parallel()
	var declared, listed []string
	for path, item := range apitest.Contract().Paths.Map() {
		for method, op := range item.Operations() {
			declared = append(declared, strings.Join([]string{op.OperationID, method, path}, " "))
		}
	}
	for _, op := range operations {
		listed = append(listed, strings.Join([]string{op.id, op.method, op.path}, " "))
	}
	slices.Sort(declared)
	slices.Sort(listed)
	if diff := cmp.Diff(declared, listed); diff != "" {
		t.Errorf("contract (-), list by hand (+): say in handlers/operations_test.go who may call what is new\n%s", diff)
	}
}

func (o operation) hasBody() bool { return o.body != "" }

func (o operation) betterAuth() bool { return o.class >= authRead }

// own tells whether the operation is Better Auth's and needs a session.
func (o operation) own() bool { return o.class == authOwnRead || o.class == authOwnWrite }

// asksNothing tells whether the operation is answered without a look into any table.
func (o operation) asksNothing() bool {
	return slices.Contains([]string{"getHealth", "getReadiness", "getContractYAML", "getContractJSON"}, o.id)
}

// props are things of Ada's that operations with an id can be called for.
type props map[string]string // the {id} of each operation that has one

func (s *stage) newProps(t testing.TB) props {
	t.Helper()
	spare, _ := s.newKey(t, newLiveKey(s.ada.UserID)) // keys that nobody needs
	turning, _ := s.newKey(t, newLiveKey(s.ada.UserID))
	return props{
		"getTask":   s.Generate(t, s.ada.LiveKey, apiclient.GenerateRequest{Prompt: "a fox"}).ID,
		"getAPIKey": s.ada.LiveID, "updateAPIKey": s.ada.LiveID, "revokeAPIKey": spare, "rotateAPIKey": turning,
	}
}

// request gives a request that is accepted from a caller who may.
func (o operation) request(p props, header http.Header) request {
	thing, known := p[o.id]
	if strings.Contains(o.path, "{id}") && !known {
		panic("handlers/operations_test.go: newProps has to say what of Ada's " + o.id + " can be called for")
	}
	r := request{method: o.method, path: strings.NewReplacer("{id}", thing, "{token}", "nobodys").Replace(o.path), body: o.body}
	if o.hasBody() {
		r = r.with(http.Header{"Content-Type": {"application/json"}})
	}
	return r.with(header)
}

// allowed gives a credential that the operation takes, of the account.
func (s *stage) allowed(t testing.TB, o operation, a apitest.Account) http.Header {
	t.Helper()
	switch o.class {
	case eitherRead, eitherWrite, keyRead:
		return withKey(a.LiveKey)
	case sessionRead, sessionWrite:
		return s.withPage(a.Cookie)
	case authRead, authWrite, authOwnRead, authOwnWrite:
		return s.withPage(a.Cookie)
	case open:
	}
	return http.Header{}
}
