package webhook

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"time"
)

const defaultJitter = 0.2

// DefaultSchedule gives the delay before each try of an event, the first first: ten tries over about 75 hours,
// after the example in the Standard Webhooks specification.
func DefaultSchedule() []time.Duration {
	return []time.Duration{
		0, 5 * time.Second, 5 * time.Minute, 30 * time.Minute,
		2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
	}
}

// schedule says when an event is tried again.
type schedule struct {
	delays []time.Duration
	jitter float64 // each delay is lengthened or shortened by up to this part
}

func newSchedule(delays []time.Duration, jitter float64) schedule {
	if len(delays) == 0 {
		delays = DefaultSchedule()
	}
	if jitter == 0 {
		jitter = defaultJitter
	}
	return schedule{delays: slices.Clone(delays), jitter: min(max(jitter, 0), 1)}
}

// last tells whether no try follows the n-th, counted from 1.
func (s schedule) last(n int32) bool { return int(n) >= len(s.delays) }

// after gives the delay between the failed n-th try and the next one. A receiver that asked for a pause
// gets it, within the delay and twice the delay: it can neither park us nor make us hammer it.
func (s schedule) after(eventID string, n int32, asked time.Duration) time.Duration {
	base := float64(s.delays[n])
	delay := time.Duration(base + base*s.jitter*spread(eventID, n))
	return min(max(asked, delay), 2*delay)
}

// spread gives a number in [-1, 1) that looks random but is the same for the same try.
func spread(eventID string, n int32) float64 {
	sum := sha256.Sum256([]byte(eventID + "/" + strconv.Itoa(int(n))))
	return float64(binary.BigEndian.Uint64(sum[:8]))/math.MaxUint64*2 - 1
}

// ownDelay is the pause after trouble of our own, such as a lost database: 5 s doubling up to 10 minutes.
func ownDelay(attempt int) time.Duration {
	return min(5*time.Second<<min(max(attempt-1, 0), 7), 10*time.Minute)
}
