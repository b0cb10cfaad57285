//go:build system

package main_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/eggapi/eggapi/internal/dbtest"
)

// canary is a secret that must be seen nowhere.
const canary = "canary7f3a91c2"

// What cannot run says why in one line, and what to type or set.
func TestSystem_RefusesToStartInOneLineThatSaysWhatToDo(t *testing.T) {
	migrated, empty, older := dbtest.NewURL(t), emptyDatabase(t), dbtest.NewURL(t)
	execute(t, older, "delete from goose_db_version where version_id = (select max(version_id) from goose_db_version)")
	secrets := newSecrets(t)
	on := func(url string, env ...string) []string {
		return slices.Concat(secrets, []string{"DATABASE_URL=" + url}, env) // the last of two counts
	}
	taken := hostOf(sharedDev(t).URL)
	production := "EGGAPI_ENV=production"

	for name, c := range map[string]struct {
		args string
		env  []string
		says []string
	}{
		"serve without a database":          {"serve", secrets, []string{"DATABASE_URL", "eggapi dev"}},
		"work without a database":           {"work", secrets, []string{"DATABASE_URL", "eggapi dev"}},
		"migrate up without a database":     {"migrate up", nil, []string{"DATABASE_URL"}},
		"migrate status without a database": {"migrate status", nil, []string{"DATABASE_URL"}},
		"top-up without a database":         {"admin top-up usr_1 5 --reference r", nil, []string{"DATABASE_URL"}},
		"check without a database":          {"admin check", nil, []string{"DATABASE_URL"}},
		"serve without secrets": {
			"serve", []string{"DATABASE_URL=" + migrated}, []string{"EGGAPI_AUTH_SECRETS", "EGGAPI_SEAL_KEYS", "eggapi admin new-secrets"},
		},
		"work without secrets": {
			"work", []string{"DATABASE_URL=" + migrated}, []string{"EGGAPI_AUTH_SECRETS", "EGGAPI_SEAL_KEYS", "eggapi admin new-secrets"},
		},
		"serve with a short secret":  {"serve", on(migrated, "EGGAPI_AUTH_SECRETS="+canary), []string{"EGGAPI_AUTH_SECRETS", "32"}},
		"serve with a broken key":    {"serve", on(migrated, "EGGAPI_SEAL_KEYS=k1:"+canary), []string{"EGGAPI_SEAL_KEYS"}},
		"serve on an empty database": {"serve", on(empty), []string{"eggapi migrate up", "DATABASE_URL"}},
		"work on an empty database":  {"work", on(empty), []string{"eggapi migrate up", "DATABASE_URL"}},
		"serve on an older schema":   {"serve", on(older), []string{"eggapi migrate up", "DATABASE_URL"}},
		"work on an older schema":    {"work", on(older), []string{"eggapi migrate up", "DATABASE_URL"}},
		"serve at a taken address":   {"serve", on(migrated, "EGGAPI_ADDR="+taken), []string{taken, "EGGAPI_ADDR"}},
		"metrics at a taken address": {"work", on(migrated, "EGGAPI_METRICS_ADDR="+taken), []string{taken, "EGGAPI_METRICS_ADDR"}},
		"production that may call private addresses": {
			"serve", on(migrated, production, "EGGAPI_EGRESS_ALLOW=10.0.0.0/8", "EGGAPI_PUBLIC_URL=https://egg.example"), []string{"EGGAPI_EGRESS_ALLOW"},
		},
		"a worker in production that may call private addresses": {
			"work", on(migrated, production, "EGGAPI_EGRESS_ALLOW=10.0.0.0/8", "EGGAPI_PUBLIC_URL=https://egg.example"), []string{"EGGAPI_EGRESS_ALLOW"},
		},
		"production without a public address": {"work", on(migrated, production), []string{"EGGAPI_PUBLIC_URL"}},
		"dev in production":                   {"dev", []string{production}, []string{"EGGAPI_ENV"}},
		"an environment that is none":         {"serve", on(migrated, "EGGAPI_ENV="+canary), []string{"EGGAPI_ENV", "production"}},
		"a number that is none":               {"serve", on(migrated, "EGGAPI_WORKERS="+canary), []string{"EGGAPI_WORKERS"}},
		"a network that is none":              {"serve", on(migrated, "EGGAPI_TRUSTED_PROXIES="+canary), []string{"EGGAPI_TRUSTED_PROXIES"}},
		"a level that is none":                {"serve", on(migrated, "EGGAPI_LOG_LEVEL="+canary), []string{"EGGAPI_LOG_LEVEL"}},
		"a malformed database address":        {"serve", on("postgres://egg:" + canary + "@127.0.0.1:port/egg"), []string{"DATABASE_URL"}},
		"a database that is not there":        {"serve", on("postgres://egg:" + canary + "@127.0.0.1:1/egg"), []string{"DATABASE_URL"}},
		"migrating what is not there":         {"migrate up", on("postgres://egg:" + canary + "@127.0.0.1:1/egg"), []string{"DATABASE_URL"}},
	} {
		t.Run(name, func(t *testing.T) {
			env := append([]string{"EGGAPI_DATA_DIR=" + t.TempDir(), "EGGAPI_ADDR=127.0.0.1:0", "EGGAPI_METRICS_ADDR=127.0.0.1:0"}, c.env...)
			code, printed := runToEnd(t, command{args: strings.Fields(c.args), env: env})
			mustRefuse(t, code, printed, c.says...)
			mustNotContain(t, printed, canary)
		})
	}
}
