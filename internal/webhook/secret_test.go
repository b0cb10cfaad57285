package webhook_test

import (
	"encoding/base64"
	"strings"
	"sync"
	"testing"

	"github.com/eggapi/eggapi/internal/audit"
	"github.com/eggapi/eggapi/internal/webhook"
)

func TestNewSealer_RefusesUnusableKeys(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string][]webhook.SealKey{
		"none":     nil,
		"no id":    {sealKey("", 1)},
		"all zero": {sealKey("k1", 0)},
		"same id":  {sealKey("k1", 1), sealKey("k1", 2)},
	} {
		if _, err := webhook.NewSealer(keys...); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestSealer_OpensOnlyWhatWasSealedForTheUserWithAKnownKey(t *testing.T) {
	t.Parallel()
	old, err := webhook.NewSealer(sealKey("k1", 1))
	must(t, err)
	rotated, err := webhook.NewSealer(sealKey("k2", 2), sealKey("k1", 1))
	must(t, err)
	keyID, sealed := old.Seal(alice, goldenSecret)
	again, err := rotated.Open(alice, keyID, sealed)
	must(t, err)
	wantText(t, "the secret", again, goldenSecret)
	newID, _ := rotated.Seal(alice, goldenSecret)
	wantText(t, "the key in use", newID, "k2")

	changed := append([]byte(nil), sealed...)
	changed[len(changed)/2] ^= 1
	for name, open := range map[string]func() (string, error){
		"another user":     func() (string, error) { return old.Open(bob, keyID, sealed) },
		"an unknown key":   func() (string, error) { return old.Open(alice, "k2", sealed) },
		"another key":      func() (string, error) { return rotated.Open(alice, "k2", sealed) },
		"a changed byte":   func() (string, error) { return old.Open(alice, keyID, changed) },
		"too few bytes":    func() (string, error) { return old.Open(alice, keyID, sealed[:5]) },
		"nothing at all":   func() (string, error) { return old.Open(alice, keyID, nil) },
		"a cut-off secret": func() (string, error) { return old.Open(alice, keyID, sealed[:len(sealed)-1]) },
	} {
		if got, err := open(); err == nil || got != "" {
			t.Errorf("%s opens: %q, %v", name, got, err)
		}
	}
	if _, second := old.Seal(alice, goldenSecret); string(second) == string(sealed) {
		t.Error("sealing twice gives the same bytes")
	}
}

func TestSecrets_ReplaceShowsANewSecretAndLogsTheAct(t *testing.T) {
	t.Parallel()
	b := setup(t)
	before, err := b.secrets.Ensure(t.Context(), alice)
	must(t, err)
	secret, row, err := b.secrets.Replace(t.Context(), audit.Actor{UserID: alice, IPAddress: "192.0.2.1", UserAgent: "ua"})
	must(t, err)
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	must(t, err)
	if len(key) != 32 || !strings.HasPrefix(secret, "whsec_") || secret == before || row.UserID != alice || row.CreatedAt.IsZero() {
		t.Errorf("replaced %q by %q, row of %q", before, secret, row.UserID)
	}
	after, err := b.secrets.Ensure(t.Context(), alice)
	must(t, err)
	wantText(t, "the secret in use", after, secret)
	wantText(t, "the log", one[string](t, b.pool,
		`select action || ' ' || target || ' ' || ip_address from audit_log where user_id = $1`, alice),
		"webhook_secret.replace usr_alice 192.0.2.1")
	everything := one[string](t, b.pool, `select string_agg(s::text, '') || (select string_agg(a::text, '') from audit_log a)
		|| (select string_agg(encode(ciphertext, 'escape'), '') from webhook_secrets) from webhook_secrets s`)
	if strings.Contains(everything, strings.TrimPrefix(secret, "whsec_")) {
		t.Error("the database holds the secret in the clear")
	}
}

func TestSecrets_ReplaceFailsWholeForAnUnknownUser(t *testing.T) {
	t.Parallel()
	b := setup(t)
	secret, _, err := b.secrets.Replace(t.Context(), audit.Actor{UserID: "usr_nobody"})
	if err == nil || secret != "" {
		t.Errorf("gave %q, %v", secret, err)
	}
	if n := one[int](t, b.pool, `select count(*) from audit_log`); n != 0 {
		t.Errorf("%d acts logged", n)
	}
}

func TestSecrets_RemoveForgetsOnceAndLogsOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first, err := b.secrets.Ensure(t.Context(), alice)
	must(t, err)
	for i, want := range []bool{true, false} {
		removed, err := b.secrets.Remove(t.Context(), audit.Actor{UserID: alice})
		must(t, err)
		if removed != want {
			t.Errorf("removal %d gave %v", i, removed)
		}
	}
	if n := one[int](t, b.pool, `select count(*) from audit_log where action = 'webhook_secret.remove'`); n != 1 {
		t.Errorf("%d acts logged, want 1", n)
	}
	second, err := b.secrets.Ensure(t.Context(), alice)
	must(t, err)
	if first == second {
		t.Error("the removed secret came back")
	}
}

func TestSecrets_ConcurrentEnsureGivesOneSecretPerUser(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const callers = 12
	secrets := make([]string, callers)
	errs := make([]error, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() { secrets[i], errs[i] = b.secrets.Ensure(t.Context(), alice) })
	}
	wg.Wait()
	for i := range callers {
		must(t, errs[i])
		wantText(t, "a secret", secrets[i], secrets[0])
	}
	other, err := b.secrets.Ensure(t.Context(), bob)
	must(t, err)
	if other == secrets[0] {
		t.Error("two users share a secret")
	}
}
