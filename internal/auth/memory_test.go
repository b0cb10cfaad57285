package auth

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/eggapi/eggapi/internal/dbtest"
)

func digestOf(i int) [32]byte {
	return sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i)))
}

func openMemory() *memory {
	m := newMemory(10*time.Second, 2*time.Second)
	m.open()
	return m
}

func TestMemory_StrangersAreBoundedAndPushOutNoKey(t *testing.T) {
	m, now := openMemory(), time.Unix(0, 0)
	for i := range 1000 {
		m.put(digestOf(-i-1), record{found: true, readAt: now}, m.changes())
	}
	for i := range 50_000 {
		m.put(digestOf(i), record{readAt: now}, m.changes())
	}
	m.strangers.CleanUp()
	if n := m.strangers.EstimatedSize(); n > maxRemembered {
		t.Errorf("%d strangers", n)
	}
	for i := range 1000 {
		if r, ok := m.get(digestOf(-i-1), now); !ok || !r.found {
			t.Fatalf("key %d was pushed out", i)
		}
	}
}

func TestMemory_KeysAreBounded(t *testing.T) {
	m, now := openMemory(), time.Unix(0, 0)
	for i := range 50_000 {
		m.put(digestOf(i), record{found: true, readAt: now}, m.changes())
	}
	m.keys.CleanUp()
	if n := m.keys.EstimatedSize(); n > maxRemembered {
		t.Errorf("%d keys", n)
	}
}

func TestMemory_KeepsNothingReadBeforeAChange(t *testing.T) {
	digest := digestOf(1)
	named := hex.EncodeToString(digest[:])
	for name, change := range map[string]func(m *memory){
		"the key changed":            func(m *memory) { m.forget("key:" + named) },
		"its owner changed":          func(m *memory) { m.forget("user:usr_a") },
		"something unknown happened": func(m *memory) { m.forget("tenant:1") },
		"the listener was lost":      func(m *memory) { m.close() },
		"the listener came back":     func(m *memory) { m.close(); m.open() },
	} {
		m, now := openMemory(), time.Unix(0, 0)
		since := m.changes()
		change(m)
		m.put(digest, record{found: true, userID: "usr_a", readAt: now}, since)
		if _, ok := m.get(digest, now); ok {
			t.Error(name)
		}
	}
}

func TestMemory_ForgetsWhatANotificationNames(t *testing.T) {
	a, b := digestOf(1), digestOf(2)
	for payload, left := range map[string]int{
		"key:" + hex.EncodeToString(a[:]): 1,
		"key:" + strings.Repeat("00", 32): 2,
		"user:usr_a":                      1,
		"user:usr_":                       2,
		"user:":                           2,
		"key:nonsense":                    0,
		"key:00":                          0,
		"tenant:1":                        0,
		"":                                0,
	} {
		m, now := openMemory(), time.Unix(0, 0)
		m.put(a, record{found: true, userID: "usr_a", readAt: now}, m.changes())
		m.put(b, record{found: true, userID: "usr_b", readAt: now}, m.changes())
		m.forget(payload)
		n := 0
		for _, digest := range [][32]byte{a, b} {
			if _, ok := m.get(digest, now); ok {
				n++
			}
		}
		if n != left {
			t.Errorf("%q left %d", payload, n)
		}
	}
}

func TestMemory_AStrangerThatBecomesAKeyIsOne(t *testing.T) {
	m, now, digest := openMemory(), time.Unix(0, 0), digestOf(1)
	for _, found := range []bool{false, true, false} {
		m.put(digest, record{found: found, readAt: now}, m.changes())
		if r, ok := m.get(digest, now); !ok || r.found != found {
			t.Fatalf("found %v, %v", r.found, ok)
		}
	}
	m.put(digest, record{found: true, readAt: now}, m.changes())
	m.keys.Invalidate(digest) // as when it is pushed out
	if r, ok := m.get(digest, now); ok {
		t.Fatalf("found %v after all", r.found)
	}
}

func TestNewKeyring_RemembersStrangersForTwoSecondsAtMost(t *testing.T) {
	for given, want := range map[time.Duration]time.Duration{0: 2 * time.Second, time.Hour: 2 * time.Second, time.Second: time.Second} {
		k := NewKeyring(KeyringConfig{NegativeTTL: given})
		if k.known.negativeTTL != want || k.known.ttl != 10*time.Second {
			t.Errorf("%v: got %v and %v", given, k.known.negativeTTL, k.known.ttl)
		}
	}
}

// The classic mistake is to remember, or to look up, by the beginning of a key.
func TestAuthenticate_KeysThatShareFortyCharactersAreTwo(t *testing.T) {
	pool, now := dbtest.New(t), time.Now()
	k := NewKeyring(KeyringConfig{Pool: pool, Clock: func() time.Time { return now }})
	k.known.open()
	body := livePrefix + random(randomChars-1)
	var secrets []string
	for _, last := range []string{"A", "B", "C"} {
		secrets = append(secrets, body+last+checksum(body+last))
	}
	for i, user := range []string{"usr_a", "usr_b"} {
		digest := sha256.Sum256([]byte(secrets[i]))
		if _, err := pool.Exec(t.Context(), `insert into "user" ("id", "name", "email", "emailVerified") values ($1, '', $1, true)`, user); err != nil {
			t.Fatal(err)
		}
		if _, err := pool.Exec(t.Context(), `insert into api_keys (id, user_id, environment, name, digest, hint)
			values ($1, $1, 'live', '', $2, '')`, user, digest[:]); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // cold, then warm
		for i, user := range []string{"usr_a", "usr_b"} {
			if p, err := k.Authenticate(t.Context(), secrets[i]); err != nil || p.UserID != user {
				t.Fatalf("got %+v, %v, want %s", p, err, user)
			}
		}
		if _, err := k.Authenticate(t.Context(), secrets[2]); !errors.Is(err, ErrKeyInvalid) {
			t.Fatalf("got %v", err)
		}
	}
}
