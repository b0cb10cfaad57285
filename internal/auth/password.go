package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/scrypt"
	"golang.org/x/text/unicode/norm"

	"github.com/eggapi/eggapi/internal/fault"
)

// Better Auth's scrypt: 32 MiB and some hundred milliseconds of one core for each hash.
const (
	scryptN        = 16384
	scryptR        = 16
	scryptP        = 1
	scryptKeyBytes = 64
	saltBytes      = 16
)

// The bounds of a password's length, in UTF-16 code units as JavaScript counts them.
const (
	minPasswordUnits = 8
	maxPasswordUnits = 128
)

var errHashingBusy = fault.New(fault.RateLimited, "Too many people are signing in; try again in a moment").After(2 * time.Second)

// hashing is one for the process, because the memory and the cores it protects are.
var hashing = newHashQueue(2, 20)

// HashPassword gives the hash that Better Auth would store: salt and key in hexadecimal with a colon
// between, where the key is scrypt of the NFKC form of the password with the salt's hexadecimal text as
// the salt. It fails with a Problem when the password has fewer than 8 or more than 128 UTF-16 code
// units, and RateLimited when 2 passwords are being hashed and 20 are waiting.
func HashPassword(ctx context.Context, password string) (string, error) {
	if err := checkPassword(password); err != nil {
		return "", err
	}
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt)
	saltHex := hex.EncodeToString(salt)
	key, err := deriveKey(ctx, password, saltHex)
	if err != nil {
		return "", err
	}
	return saltHex + ":" + hex.EncodeToString(key), nil
}

// VerifyPassword tells whether hash was made of password, comparing in constant time. It fails when
// hash is not one of Better Auth's, and as HashPassword does when too many wait.
func VerifyPassword(ctx context.Context, password, hash string) (bool, error) {
	saltHex, keyHex, ok := strings.Cut(hash, ":")
	want, err := hex.DecodeString(keyHex)
	if !ok || saltHex == "" || err != nil || len(want) != scryptKeyBytes {
		return false, errors.New("a stored password hash is malformed")
	}
	if utf16Units(password) > maxPasswordUnits {
		return false, nil
	}
	key, err := deriveKey(ctx, password, saltHex)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(key, want) == 1, nil
}

// wasteTime takes as long as verifying a password, so that an unknown address cannot be told from a known one.
func wasteTime(ctx context.Context, password string) error {
	_, err := deriveKey(ctx, password, strings.Repeat("0", 2*saltBytes))
	return err
}

func deriveKey(ctx context.Context, password, saltHex string) ([]byte, error) {
	done, err := hashing.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	// The 32 MiB of each hash are garbage at once. At its own pace the collector lets a burst of sign-ins
	// grow the process by 135 MB; collected here, by 80 MB, for 3% more work.
	defer runtime.GC()
	key, err := scrypt.Key(norm.NFKC.Bytes([]byte(password)), []byte(saltHex), scryptN, scryptR, scryptP, scryptKeyBytes)
	return key, fault.Wrap(err, "hash a password")
}

func checkPassword(password string) error {
	switch units := utf16Units(password); {
	case units < minPasswordUnits:
		return problemPasswordShort
	case units > maxPasswordUnits:
		return problemPasswordLong
	}
	return nil
}

func utf16Units(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0xFFFF {
			n++
		}
	}
	return n
}

// hashQueue lets few in at a time, and turns away who would wait behind too many.
type hashQueue struct {
	slots      chan struct{}
	maxWaiting int32
	waiting    atomic.Int32
}

func newHashQueue(slots int, maxWaiting int32) *hashQueue {
	return &hashQueue{slots: make(chan struct{}, slots), maxWaiting: maxWaiting}
}

// enter waits for a slot and gives what frees it.
func (q *hashQueue) enter(ctx context.Context) (leave func(), err error) {
	leave = func() { <-q.slots }
	select {
	case q.slots <- struct{}{}:
		return leave, nil
	default:
	}
	defer q.waiting.Add(-1)
	if q.waiting.Add(1) > q.maxWaiting {
		return nil, errHashingBusy
	}
	select {
	case q.slots <- struct{}{}:
		return leave, nil
	case <-ctx.Done():
		return nil, errHashingBusy.Because(ctx.Err())
	}
}
