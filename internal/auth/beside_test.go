package auth_test

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/dbtest"
	"github.com/eggapi/eggapi/internal/pg"
)

var sqlBlock = regexp.MustCompile("(?s)```sql\n-- (\\w+)\n(.*?)```")

// promised gives the statements of docs/bring-your-own-better-auth.md by their names.
func promised(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/bring-your-own-better-auth.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := map[string]string{}
	for _, found := range sqlBlock.FindAllStringSubmatch(string(text), -1) {
		blocks[found[1]] = found[2]
	}
	return blocks
}

// newSite gives a database as a site with Better Auth has it: its four tables, a user and a session.
func newSite(t *testing.T) (pool *pgxpool.Pool, url string) {
	t.Helper()
	url = dbtest.NewURL(t)
	pool, err := pg.Connect(t.Context(), url, pg.Options{MaxConns: 4, StatementTimeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	tables, err := os.ReadFile("testdata/better-auth.sql")
	if err != nil {
		t.Fatal(err)
	}
	exec(t, pool, `drop schema public cascade`)
	exec(t, pool, `create schema public`)
	exec(t, pool, string(tables))
	addUser(t, pool, "theirUser")
	exec(t, pool, `insert into "session" ("id", "expiresAt", "token", "createdAt", "updatedAt", "userId") values ('s', '2030-01-03', 'token', '2030-01-01', '2030-01-01', 'theirUser')`)
	return pool, url
}

func TestBesideBetterAuth_ItsTablesAreAdoptedAsTheyAre(t *testing.T) {
	pool, url := newSite(t)
	if err := pg.Migrate(t.Context(), url); err == nil {
		t.Fatal("somebody else's tables were taken without a word")
	}
	sql := promised(t)
	exec(t, pool, `drop schema public cascade`)
	pool, url = newSite(t)
	exec(t, pool, sql["adopt"])
	if err := pg.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	if err := pg.RequireCurrent(t.Context(), pool); err != nil {
		t.Error(err)
	}
	exec(t, pool, sql["accounts"])
	addUser(t, pool, "another") // whom Better Auth signs up from now on
	if n := scan[int](t, pool, `select count(*) from accounts where user_id in ('theirUser', 'another')`); n != 2 {
		t.Errorf("%d accounts", n)
	}
	n := newNode(t, pool, newClock())
	if _, secret, err := n.Create(t.Context(), auth.NewKey{Actor: addUser(t, pool, "third"), Name: "a key", Environment: "live"}); err != nil || secret == "" {
		t.Errorf("a key for a user of theirs: %v", err)
	}
}

// besideRole gives a pool of a role that has the rights of a block of the page and no others.
func besideRole(t *testing.T, url, role, statements string) *pgxpool.Pool {
	t.Helper()
	name := fmt.Sprintf("%s_%d", role, time.Now().UnixNano())
	statements = strings.NewReplacer(role, name, "choose one", "a password").Replace(statements)
	if !strings.Contains(statements, "create role") {
		statements = "create role " + name + " login password 'a password';" + statements
	}
	super := dbtest.NewSuperuser(t, url)
	exec(t, super, statements)
	exec(t, super, "grant usage on schema public to "+name)
	t.Cleanup(func() {
		// t.Context() is over by now.
		if _, err := super.Exec(context.Background(), "drop owned by "+name+"; drop role "+name); err != nil {
			t.Errorf("drop the role: %v", err)
		}
	})
	under, err := pg.Connect(t.Context(), regexp.MustCompile(`//[^@]*@`).ReplaceAllString(url, "//"+name+":a%20password@"), pg.Options{MaxConns: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(under.Close)
	return under
}

func TestBesideBetterAuth_GateWorksWithTheLeastRights(t *testing.T) {
	pool, url := newSite(t)
	sql := promised(t)
	exec(t, pool, sql["adopt"])
	gate := house{pool: besideRole(t, url, "eggapi_gate", sql["rights"]), clock: newClock()}
	gate.Sessions = gate.sessions(t, auth.SessionConfig{Secrets: []string{testSecret}})
	cookie := auth.SignCookie("token", testSecret)
	p, err := gate.Authenticate(t.Context(), cookie)
	if err != nil || p.UserID != "theirUser" {
		t.Fatalf("%+v, %v", p, err)
	}
	current, cookies := gate.get(t, auth.Caller{SessionCookie: cookie}) // which has less than 6 days left
	if current == nil || len(cookies) != 1 || !current.Session.ExpiresAt.Equal(gate.clock.Now().Add(7*24*time.Hour)) {
		t.Errorf("%+v %v", current, cookies)
	}
	gate.clock.Add(8 * 24 * time.Hour)
	if current, cookies := gate.get(t, auth.Caller{SessionCookie: cookie}); current != nil || len(cookies) != 3 {
		t.Errorf("a session that ran out: %+v %v", current, cookies)
	}
	if n := scan[int](t, pool, `select count(*) from "session"`); n != 0 {
		t.Error("it is still there")
	}
	for _, forbidden := range []string{
		`select 1 from "account"`, `select 1 from "verification"`, `update "user" set "role" = 'admin'`, `update "session" set "userId" = 'x'`,
		`update "session" set "token" = 'x'`, `insert into "session" ("id") values ('x')`, `delete from "user"`, `insert into "user" ("id") values ('x')`,
	} {
		if _, err := gate.pool.Exec(t.Context(), forbidden); err == nil || !strings.Contains(err.Error(), "42501") {
			t.Errorf("%s: %v", forbidden, err)
		}
	}
}

func TestBesideBetterAuth_ItsRoleSignsUsersUpWithOneMoreRight(t *testing.T) {
	pool, url := newSite(t)
	sql := promised(t)
	exec(t, pool, sql["adopt"])
	if err := pg.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	const own = `; grant select, insert, update, delete on "user", "session", "account", "verification" to better_auth`
	theirs := besideRole(t, url, "better_auth", strings.TrimSuffix(strings.TrimSpace(sql["theirs"]), ";")+own)
	addUser(t, theirs, "fresh")
	exec(t, theirs, `update "user" set "role" = 'admin' where "id" = 'theirUser'`)
	exec(t, theirs, `delete from "user" where "id" = 'theirUser'`)
	if n := scan[int](t, pool, `select count(*) from accounts where user_id = 'fresh'`); n != 1 {
		t.Errorf("%d accounts", n)
	}
}
