package mock

import (
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/auth"
)

// maxKept bounds each kind of thing that is remembered. The oldest is forgotten first.
const maxKept = 10_000

// memory is all the mock knows, in the rows the real service would store.
type memory struct {
	mu       sync.Mutex
	users    shelf[user]       // by id
	sessions shelf[db.Session] // by token
	keys     shelf[auth.Key]   // by id
	secrets  shelf[secret]     // of keys, by digest
	jobs     shelf[job]        // by the task's id
	claims   shelf[claim]      // by owner, environment and Idempotency-Key
	rotated  shelf[rotated]    // answers that may be lost, by owner and Idempotency-Key
	entries  shelf[entry]      // by transaction
	resets   shelf[reset]      // by token
}

// secret opens a key.
type secret struct {
	key       *auth.Key
	expiresAt *time.Time // of one that was rotated away
}

func newMemory() *memory { return &memory{} }

// user is somebody who signed up. The account of a key that nobody made here has no user.
type user struct {
	row           db.User
	passwordHash  string
	balanceMicros int64
	heldMicros    int64
	webhookSecret string // "" = none
	secretSince   time.Time
}

// job is a task with what came of it.
type job struct {
	row   db.Task
	paths []string
	usage *db.UsageRecord // once completed
	stop  func()          // ends the work on it
}

// claim is what an Idempotency-Key was used for.
type claim struct {
	fingerprint string
	job         *job
	expiresAt   time.Time
}

// reset is what the link of a password reset is good for.
type reset struct {
	userID    string
	expiresAt time.Time
}

// entry is a user's side of a transaction.
type entry struct {
	userID string
	row    db.LedgerEntry
}

// shelf keeps the newest maxKept things of a kind. The zero value is empty.
type shelf[T any] struct {
	things map[string]*T
	order  []string // oldest first; may name things that were removed
}

func (s *shelf[T]) get(key string) *T { return s.things[key] }

// put adds a thing, or replaces the one of its key, and gives the one that had to go for it, or nil.
func (s *shelf[T]) put(key string, thing *T) (forgotten *T) {
	if s.things == nil {
		s.things = map[string]*T{}
	}
	if s.things[key] == nil {
		s.order = append(s.order, key)
	}
	s.things[key] = thing
	for len(s.things) > maxKept {
		forgotten = s.things[s.order[0]]
		delete(s.things, s.order[0])
		s.order = s.order[1:]
	}
	if len(s.order) > 2*maxKept {
		s.order = slices.DeleteFunc(s.order, func(key string) bool { return s.things[key] == nil })
	}
	return forgotten
}

func (s *shelf[T]) remove(key string) { delete(s.things, key) }

// newest gives what is kept, the newest first.
func (s *shelf[T]) newest() iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for _, key := range slices.Backward(s.order) {
			if thing := s.things[key]; thing != nil && !yield(thing) {
				return
			}
		}
	}
}

// first gives the newest thing that matches, or nil.
func (s *shelf[T]) first(matches func(*T) bool) *T {
	for thing := range s.newest() {
		if matches(thing) {
			return thing
		}
	}
	return nil
}
