package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/eggapi/eggapi/internal/config"
)

const canary = "canary-4d1e"

func TestSecret_NeverPrints(t *testing.T) {
	c := config.Config{DatabaseURL: canary, RedisURL: canary, AuthSecrets: []config.Secret{canary, canary}}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%T %[1]v", "%10.3s"} {
		for _, value := range []any{c, &c, c.DatabaseURL, &c.AuthSecrets, c.AuthSecrets, map[string]any{"s": c.DatabaseURL}} {
			mustHide(t, format, fmt.Sprintf(format, value))
		}
	}
	encoded, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	mustHide(t, "JSON", string(encoded))
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewJSONHandler(&log, nil), slog.NewTextHandler(&log, nil)} {
		slog.New(h).Info("settings", "all", c, "one", c.DatabaseURL, "list", c.AuthSecrets)
	}
	mustHide(t, "logs", log.String())
	if got := c.DatabaseURL.Reveal(); got != canary {
		t.Errorf("the secret itself is %q", got)
	}
}

func mustHide(t *testing.T, how, text string) {
	t.Helper()
	for _, form := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), canary[:3]} {
		if strings.Contains(text, form) {
			t.Errorf("printed with %s: %s", how, text)
		}
	}
}

func TestLoad_NamesTheVariableAndNeverItsValue(t *testing.T) {
	for _, name := range []string{
		"EGGAPI_ENV", "EGGAPI_TRUSTED_PROXIES", "EGGAPI_IP_LIMIT", "EGGAPI_KEY_LIMIT", "EGGAPI_SANDBOX_FOR_LIVE", "EGGAPI_EGRESS_ALLOW",
		"EGGAPI_WORKERS", "EGGAPI_WEBHOOK_WORKERS", "EGGAPI_DATABASE_CONNS", "EGGAPI_LOG_LEVEL", "EGGAPI_DRAIN_SECONDS",
		"EGGAPI_SHUTDOWN_SECONDS", "EGGAPI_TASK_LEASE_SECONDS", "EGGAPI_MAX_REQUESTS",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, canary)
			_, err := config.Load()
			if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), canary) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestLoad_RefusesNumbersOutOfBounds(t *testing.T) {
	for name, value := range map[string]string{
		"EGGAPI_WORKERS": "0", "EGGAPI_WEBHOOK_WORKERS": "0", "EGGAPI_DATABASE_CONNS": "3", "EGGAPI_IP_LIMIT": "-1", "EGGAPI_KEY_LIMIT": "-1", "EGGAPI_SIGN_IN_LIMIT": "-1",
		"EGGAPI_TEST_KEY_LIMIT": "-1", "EGGAPI_NEW_KEY_LIMIT": "-1", "EGGAPI_UNKNOWN_KEY_LIMIT": "-1",
		"EGGAPI_SESSION_SECONDS": "59", "EGGAPI_SESSION_UPDATE_SECONDS": "0", "EGGAPI_SESSION_MAX_SECONDS": "-1",
		"EGGAPI_DRAIN_SECONDS": "-1", "EGGAPI_SHUTDOWN_SECONDS": "0", "EGGAPI_TASK_LEASE_SECONDS": "2", "EGGAPI_MAX_REQUESTS": "-1",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, value)
			if c, err := config.Load(); err == nil {
				t.Errorf("%s=%s was taken: %+v", name, value, c)
			}
		})
	}
}

func TestTestKeys_MakeNoMoreRequestsThanOtherKeys(t *testing.T) {
	for _, tt := range []struct{ keys, testKeys, want float64 }{
		{100, 25, 25}, {15, 25, 15}, {100, 0, 100}, {0, 25, 25}, {0, 0, 0},
	} {
		if got := (config.Config{KeyLimit: tt.keys, TestKeyLimit: tt.testKeys}).TestKeys(); got != tt.want {
			t.Errorf("%v of keys and %v of test keys: got %v, want %v", tt.keys, tt.testKeys, got, tt.want)
		}
	}
}

func TestParseSealKeys_TakesNothingButNamedKeysOf32Bytes(t *testing.T) {
	const good = "k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	keys, err := config.ParseSealKeys([]config.Secret{good})
	if err != nil || len(keys) != 1 || keys[0].ID != "k1" || string(keys[0].Key[:]) != "0123456789abcdef0123456789abcdef" {
		t.Errorf("%v %v", keys, err)
	}
	for _, bad := range []config.Secret{"", "k1", "k1:", ":MDEyMw==", "k1:" + canary, "k1:MDEyMw=="} {
		if _, err := config.ParseSealKeys([]config.Secret{good, bad}); err == nil || !strings.Contains(err.Error(), "EGGAPI_SEAL_KEYS entry 2") ||
			strings.Contains(err.Error(), canary) {
			t.Errorf("%q: %v", bad.Reveal(), err)
		}
	}
}

// row is a setting in the table of docs/operations.md: name, default, meaning.
var row = regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\| ([^|]*) \\| ([^|]*) \\|$")

func TestOperations_DescribeEverySettingAndItsDefault(t *testing.T) {
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	described := map[string][]string{}
	for _, found := range row.FindAllStringSubmatch(string(text), -1) {
		if described[found[1]] != nil {
			t.Errorf("%s is described twice", found[1])
		}
		described[found[1]] = found[2:]
	}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[config.Config]()) {
		name, standard := field.Tag.Get("env"), field.Tag.Get("envDefault")
		cells := described[name]
		delete(described, name)
		switch {
		case cells == nil:
			t.Errorf("docs/operations.md does not describe %s", name)
		case len(strings.Fields(cells[1])) < 3:
			t.Errorf("docs/operations.md does not say what %s means", name)
		case standard != "" && strings.TrimSpace(cells[0]) != "`"+standard+"`":
			t.Errorf("docs/operations.md gives %s the default %s, it is `%s`", name, cells[0], standard)
		}
	}
	for name := range described {
		t.Errorf("docs/operations.md describes %s, which is no setting", name)
	}
}
