package auth_test

import (
	"crypto/sha256"
	"hash/crc32"
	"math/big"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/fault"
)

var keyShape = regexp.MustCompile(`^egg_(live|test)_[0-9A-Za-z]{38}$`)

func newSecret(t *testing.T, environment string) string {
	t.Helper()
	secret, _, _, err := auth.NewSecret(environment)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

func TestNewSecret_HundredThousandAreDistinctAndWellFormed(t *testing.T) {
	seen := make(map[string]bool, 100_000)
	var digits [256]int
	for i := range 100_000 {
		environment := []string{"live", "test"}[i%2]
		secret, digest, hint, err := auth.NewSecret(environment)
		if err != nil {
			t.Fatal(err)
		}
		if seen[secret] || !keyShape.MatchString(secret) || !auth.WellFormed(secret) || !strings.HasPrefix(secret, "egg_"+environment+"_") {
			t.Fatalf("key %d is repeated or malformed", i)
		}
		if digest != sha256.Sum256([]byte(secret)) {
			t.Fatal("the digest is not SHA-256 of the whole key")
		}
		if want := secret[:13] + "…" + secret[43:]; hint != want {
			t.Fatalf("hint %q, want %q", hint, want)
		}
		seen[secret] = true
		for _, c := range []byte(secret[9:41]) {
			digits[c]++
		}
	}
	// 3.2 million draws: each of 62 comes up 51613 times, give or take 227; a modulo bias would give some 25% more.
	for c, n := range digits {
		if n != 0 && (n < 50_000 || n > 53_200) {
			t.Errorf("digit %q came up %d times", string(rune(c)), n)
		}
	}
}

func TestNewSecret_ChecksumIsCRC32OfAllBeforeIt(t *testing.T) {
	const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	for range 1000 {
		secret := newSecret(t, "live")
		n, sixtyTwo, digit := new(big.Int), big.NewInt(62), new(big.Int)
		for _, c := range []byte(secret[41:]) {
			n.Mul(n, sixtyTwo).Add(n, digit.SetInt64(int64(strings.IndexByte(base62, c))))
		}
		if n.Cmp(big.NewInt(int64(crc32.ChecksumIEEE([]byte(secret[:41]))))) != 0 {
			t.Fatalf("checksum of %q", secret)
		}
	}
}

func TestNewSecret_RefusesAnUnknownEnvironment(t *testing.T) {
	for _, environment := range []string{"", "prod", "Live"} {
		if secret, _, _, err := auth.NewSecret(environment); err == nil || secret != "" {
			t.Errorf("%q made a key", environment)
		}
	}
}

// closedPool fails any statement, so a test that gets another answer made none.
func closedPool(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), "postgres://nobody@127.0.0.1:1/none")
	if err != nil {
		t.Fatal(err)
	}
	pool.Close()
	return pool
}

func TestAuthenticate_AnyChangedCharacterIsRefusedWithoutAQuery(t *testing.T) {
	k := auth.NewKeyring(auth.KeyringConfig{Pool: closedPool(t), Clock: time.Now, Logger: quiet})
	for range 100 {
		secret := newSecret(t, "test")
		for i := range secret {
			other := byte('x')
			if secret[i] == other {
				other = 'y'
			}
			flipped := secret[:i] + string(other) + secret[i+1:]
			if auth.WellFormed(flipped) {
				t.Fatalf("well-formed with character %d changed", i)
			}
			_, err := k.Authenticate(t.Context(), flipped)
			wantFault(t, err, fault.Unauthorized, "Invalid API key")
		}
		// The pool does fail: the unchanged key gets as far as the database.
		_, err := k.Authenticate(t.Context(), secret)
		if fault.CodeOf(err) != fault.ServiceUnavailable {
			t.Fatalf("got %v, want %s", err, fault.ServiceUnavailable)
		}
	}
}

func TestAuthenticate_RefusesWhatIsNoKeyWithoutAQuery(t *testing.T) {
	k := auth.NewKeyring(auth.KeyringConfig{Pool: closedPool(t), Clock: time.Now, Logger: quiet})
	secret := newSecret(t, "live")
	for _, token := range []string{
		"", "egg_live_", secret + "A", secret[:46], " " + secret, secret + "\n", strings.ToUpper(secret),
		strings.Repeat("a", 10_240), "egg_live_" + strings.Repeat("\x00", 38), "' or 1=1 --", "egg_live_é" + secret[11:],
		strings.Replace(secret, "live", "test", 1), strings.Replace(secret, "egg", "sk0", 1),
	} {
		_, err := k.Authenticate(t.Context(), token)
		wantFault(t, err, fault.Unauthorized, "Invalid API key")
	}
}
