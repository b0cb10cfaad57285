package auth_test

import (
	"encoding/json"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/eggapi/eggapi/internal/auth"
)

// vectors were made by Better Auth 1.7.25.
type vectors struct {
	Cookies []struct{ Secret, Token, Sig, Value string }
	// Pw is a password and Hash what was stored for it.
	Passwords []struct{ Pw, Hash string }
}

func readVectors(t *testing.T) (v vectors) {
	t.Helper()
	raw, err := os.ReadFile("testdata/better-auth-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Cookies) != 4 || len(v.Passwords) != 4 {
		t.Fatalf("%d cookies and %d passwords", len(v.Cookies), len(v.Passwords))
	}
	return v
}

func TestSignCookie_MakesBetterAuthsValue(t *testing.T) {
	for _, v := range readVectors(t).Cookies {
		if got := auth.SignCookie(v.Token, v.Secret); got != v.Value {
			t.Errorf("got %s, want %s", got, v.Value)
		}
	}
	if got := auth.SignCookie("a b!~*'()é", "s"); !strings.HasPrefix(got, "a%20b!~*'()%C3%A9.") {
		t.Errorf("got %s: not as encodeURIComponent does it", got)
	}
}

func TestVerifyCookie_TakesWhatBetterAuthTakes(t *testing.T) {
	for _, v := range readVectors(t).Cookies {
		lower := strings.NewReplacer("%2B", "%2b", "%2F", "%2f", "%3D", "%3d").Replace(v.Value)
		for _, value := range []string{v.Value, v.Token + "." + v.Sig, `"` + v.Value + `"`, lower} {
			if token, ok := auth.VerifyCookie(value, "another secret", v.Secret); !ok || token != v.Token {
				t.Errorf("refused %s", value)
			}
		}
	}
}

func TestVerifyCookie_RefusesWhatBetterAuthRefuses(t *testing.T) {
	for _, v := range readVectors(t).Cookies {
		raw := v.Token + "." + v.Sig
		refused := []string{
			"", ".", v.Token, "." + v.Sig, v.Value + "x", "x" + v.Value, v.Value + "%ZZ", strings.TrimSuffix(v.Value, "%3D"),
			strings.TrimSuffix(raw, "="), raw + "=", v.Token + "." + v.Sig[:42] + "==", `"` + v.Value,
			url.QueryEscape(v.Value), v.Value + "%FF", v.Token + "." + strings.Repeat("A", 43) + "=",
			v.Token + "." + v.Sig[:10] + "\n" + v.Sig[10:],
			auth.SignCookie("", v.Secret),
		}
		if strings.ContainsAny(v.Sig, "+/") {
			refused = append(refused, v.Token+"."+strings.NewReplacer("+", "-", "/", "_").Replace(v.Sig))
		}
		for _, value := range refused {
			if _, ok := auth.VerifyCookie(value, v.Secret); ok {
				t.Errorf("accepted %q", value)
			}
		}
		for _, secrets := range [][]string{nil, {v.Secret + "x"}, {""}, {v.Secret[1:], "other"}} {
			if _, ok := auth.VerifyCookie(v.Value, secrets...); ok {
				t.Errorf("accepted under %q", secrets)
			}
		}
	}
}

func TestVerifyPassword_TakesBetterAuthsHashes(t *testing.T) {
	for _, v := range readVectors(t).Passwords {
		ok, err := auth.VerifyPassword(t.Context(), v.Pw, v.Hash)
		if err != nil || !ok {
			t.Errorf("%s: %v, %v", v.Pw, ok, err)
		}
	}
	v := readVectors(t).Passwords[0]
	if ok, err := auth.VerifyPassword(t.Context(), v.Pw+" ", v.Hash); ok || err != nil {
		t.Errorf("a wrong password: %v, %v", ok, err)
	}
}

func TestVerifyPassword_FailsOnAHashThatIsNoneOfOurs(t *testing.T) {
	key := strings.Repeat("0", 128)
	for _, hash := range []string{"", ":", "00:", ":" + key, "00:" + key[2:], "00:zz" + key[2:], "$2b$10$abc", "00:" + key + ":"} {
		if ok, err := auth.VerifyPassword(t.Context(), "correct horse 1", hash); ok || err == nil {
			t.Errorf("%q: %v, %v", hash, ok, err)
		}
	}
}

func TestHashPassword_MakesASaltedHashThatVerifies(t *testing.T) {
	hash, err := auth.HashPassword(t.Context(), "pa\u0308sswo\u0308rd 1")
	if err != nil {
		t.Fatal(err)
	}
	salt, key, _ := strings.Cut(hash, ":")
	if len(salt) != 32 || len(key) != 128 || hash != strings.ToLower(hash) {
		t.Fatalf("got %s", hash)
	}
	if ok, err := auth.VerifyPassword(t.Context(), "pässwörd 1", hash); err != nil || !ok {
		t.Fatalf("another spelling of the same password: %v, %v", ok, err)
	}
	again, err := auth.HashPassword(t.Context(), "pa\u0308sswo\u0308rd 1")
	if err != nil || again == hash {
		t.Fatalf("the same hash twice: %v", err)
	}
}

func TestFormatTime_HasThreeDigitsInUTC(t *testing.T) {
	zone := time.FixedZone("", 3600)
	for want, at := range map[string]time.Time{
		"2026-11-23T09:37:27.881Z": time.Date(2026, 11, 23, 10, 37, 27, 881_999_999, zone),
		"2026-11-23T09:37:27.000Z": time.Date(2026, 11, 23, 9, 37, 27, 0, time.UTC),
		"2026-01-02T03:04:05.060Z": time.Date(2026, 1, 2, 3, 4, 5, 60_000_000, time.UTC),
	} {
		if got := auth.FormatTime(at); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
