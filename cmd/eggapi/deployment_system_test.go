//go:build system

package main_test

import (
	"crypto/rand"
	"net/http"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/eggapi/eggapi/gen/apiclient"
	"github.com/eggapi/eggapi/internal/dbtest"
)

// deployment is what the processes of one service share: a database, secrets, a folder and an address.
type deployment struct {
	databaseURL string
	url         string // where the first `serve` listens
	env         []string
}

// newDeployment prepares one on a migrated database, with the secrets that the program itself proposes.
func newDeployment(t *testing.T, env ...string) deployment {
	t.Helper()
	d := deployment{databaseURL: dbtest.NewURL(t), url: "http://" + freeAddr(t)}
	d.env = append([]string{
		"DATABASE_URL=" + d.databaseURL, "EGGAPI_PUBLIC_URL=" + d.url, "EGGAPI_DATA_DIR=" + folder(t),
		"EGGAPI_SANDBOX_FOR_LIVE=true", "EGGAPI_EGRESS_ALLOW=127.0.0.0/8", "EGGAPI_TEST_KEY_LIMIT=0", // tests wait by asking often
	}, newSecrets(t)...)
	d.env = append(d.env, env...)
	return d
}

func newSecrets(t *testing.T) []string {
	t.Helper()
	code, printed := runToEnd(t, command{args: []string{"admin", "new-secrets"}})
	if code != 0 {
		t.Fatalf("admin new-secrets: %d %s", code, printed)
	}
	return strings.Fields(printed)
}

// node is one running process of a deployment.
type node struct {
	*process
	url     string // "" for `work`
	metrics string
}

// serve starts an API process at addr and waits until it is ready.
func (d deployment) serve(t *testing.T, addr string, env ...string) node {
	t.Helper()
	n := node{url: "http://" + addr, metrics: "http://" + freeAddr(t) + "/metrics"}
	n.process = start(t, d.command("serve", append(env, "EGGAPI_ADDR="+addr, "EGGAPI_METRICS_ADDR="+hostOf(n.metrics))))
	n.until(t, `"msg":"serving"`, startPatience)
	eventually(t, startPatience, n.url+" is ready", func() bool {
		status, _, _ := get(t, n.url+"/readyz")
		return status == http.StatusOK
	})
	return n
}

// work starts a worker process and waits until it works.
func (d deployment) work(t *testing.T, env ...string) node {
	t.Helper()
	n := node{metrics: "http://" + freeAddr(t) + "/metrics"}
	n.process = start(t, d.command("work", append(env, "EGGAPI_METRICS_ADDR="+hostOf(n.metrics))))
	n.until(t, `"msg":"working"`, startPatience)
	return n
}

func (d deployment) command(role string, env []string) command {
	return command{args: []string{role}, env: append(append([]string{}, d.env...), env...)}
}

func hostOf(url string) string {
	host, _, _ := strings.Cut(strings.TrimPrefix(url, "http://"), "/")
	return host
}

// customer is a user of a deployment with $10.
type customer struct {
	session         *apiclient.ClientWithResponses
	cookie          *http.Cookie
	email, password string
	userID          string
	liveKey         string
	testKey         string
	webhookSecret   string
}

// newCustomer signs a user up, has the operator add to his balance, and makes what he calls with.
func (d deployment) newCustomer(t *testing.T) customer {
	t.Helper()
	c := customer{email: strings.ToLower(rand.Text()) + "@example.com", password: "pw-" + rand.Text()}
	up, err := anonymous(t, d.url).SignUpEmailWithResponse(t.Context(), apiclient.SignUpRequest{Name: "Ada", Email: c.email, Password: c.password})
	if err != nil {
		t.Fatal(err)
	}
	if up.JSON200 == nil {
		t.Fatalf("sign up: %s %s", up.Status(), up.Body)
	}
	c.userID = up.JSON200.User.ID
	c.session, c.cookie = withCookieOf(t, d.url, up.HTTPResponse, up.Body)
	code, printed := runToEnd(t, command{args: []string{"admin", "top-up", c.userID, "10000000", "--reference", "invoice 1"}, env: d.env})
	if code != 0 {
		t.Fatalf("top up: %d %s", code, printed)
	}
	c.liveKey = newKey(t, c.session, apiclient.EnvironmentLive)
	c.testKey = newKey(t, c.session, apiclient.EnvironmentTest)
	secret, err := c.session.ReplaceWebhookSecretWithResponse(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if secret.JSON201 == nil {
		t.Fatalf("make a webhook secret: %s", secret.Body)
	}
	c.webhookSecret = secret.JSON201.Data.Secret
	return c
}

func newKey(t *testing.T, session *apiclient.ClientWithResponses, e apiclient.Environment) string {
	t.Helper()
	got, err := session.CreateAPIKeyWithResponse(t.Context(), apiclient.CreateAPIKeyRequest{Name: "a key", Environment: &e})
	if err != nil {
		t.Fatal(err)
	}
	if got.JSON201 == nil {
		t.Fatalf("make a key: %s", got.Body)
	}
	return got.JSON201.Data.Secret
}

// execute runs a statement in a database.
func execute(t *testing.T, databaseURL, statement string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	if _, err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// emptyDatabase is one that nobody has migrated.
func emptyDatabase(t *testing.T) string {
	t.Helper()
	url := dbtest.NewURL(t)
	execute(t, url, "drop schema public cascade; create schema public")
	return url
}
