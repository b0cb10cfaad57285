package auth

import (
	"encoding/hex"
	"strings"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"
)

// maxRemembered bounds the keys remembered, and on its own the digests known to be no key's.
const maxRemembered = 10_000

// record is what is remembered of one digest. The zero record says that no key has it.
type record struct {
	found       bool
	keyID       string
	userID      string
	environment string
	rights      *Rights
	role        string
	revoked     bool
	disabled    bool
	expiresAt   *time.Time // of the key, or of the secret if that ends before
	banned      *bool
	banExpires  *time.Time
	readAt      time.Time // when reading began, so that an age is never understated
}

// refusal says why the key does not work at now, or nil.
func (r record) refusal(now time.Time) error {
	switch {
	case !r.found:
		return ErrKeyInvalid
	case r.revoked:
		return errKeyRevoked
	case r.expiresAt != nil && !now.Before(*r.expiresAt):
		return errKeyExpired
	case r.disabled:
		return errKeyDisabled
	case suspended(r.banned, r.banExpires, now):
		return errUserSuspended
	}
	return nil
}

// memory remembers records while it is open, and nothing while it is closed.
type memory struct {
	ttl         time.Duration
	negativeTTL time.Duration
	keys        *otter.Cache[[32]byte, record]
	strangers   *otter.Cache[[32]byte, record] // apart, so that guessing cannot push keys out

	// Orders writes, so that a record read before a change is not kept after it.
	mu      sync.Mutex
	heard   bool
	changed uint64
}

func newMemory(ttl, negativeTTL time.Duration) *memory {
	size := &otter.Options[[32]byte, record]{MaximumSize: maxRemembered}
	return &memory{ttl: ttl, negativeTTL: negativeTTL, keys: otter.Must(size), strangers: otter.Must(size)}
}

// get gives a record younger than its time to live.
func (m *memory) get(digest [32]byte, now time.Time) (record, bool) {
	if r, ok := m.keys.GetIfPresent(digest); ok {
		return r, now.Sub(r.readAt) < m.ttl
	}
	if r, ok := m.strangers.GetIfPresent(digest); ok {
		return r, now.Sub(r.readAt) < m.negativeTTL
	}
	return record{}, false
}

// familiar tells whether a digest was a key's lately, however old what is known of it.
func (m *memory) familiar(digest [32]byte) bool {
	_, ok := m.keys.GetIfPresent(digest)
	return ok
}

// put keeps a record unless something changed since it was read, or nothing may be kept.
func (m *memory) put(digest [32]byte, r record, since uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.heard || m.changed != since {
		return
	}
	if !r.found {
		m.keys.Invalidate(digest)
		m.strangers.Set(digest, r)
		return
	}
	m.strangers.Invalidate(digest)
	m.keys.Set(digest, r)
}

// changes counts what happened that may make a record being read now out of date.
func (m *memory) changes() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changed
}

func (m *memory) isOpen() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.heard
}

func (m *memory) open()  { m.reset(true) }
func (m *memory) close() { m.reset(false) }

func (m *memory) reset(heard bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.heard = heard
	m.flush()
}

func (m *memory) flush() {
	m.changed++
	m.keys.InvalidateAll()
	m.strangers.InvalidateAll()
}

// forget drops what a notification names: "key:" and a digest in hexadecimal, or "user:" and an id.
func (m *memory) forget(payload string) {
	kind, name, _ := strings.Cut(payload, ":")
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changed++
	switch kind {
	case "key":
		raw, err := hex.DecodeString(name)
		if err != nil || len(raw) != 32 {
			m.flush()
			return
		}
		m.keys.Invalidate([32]byte(raw))
		m.strangers.Invalidate([32]byte(raw))
	case "user":
		for digest, r := range m.keys.All() {
			if r.userID == name {
				m.keys.Invalidate(digest)
			}
		}
	default:
		// From a newer version on the same database: better to forget too much.
		m.flush()
	}
}
