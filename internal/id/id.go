// Package id makes public identifiers.
//
// Owns: the prefixes and the shape prefix + 26 lower-case characters of a ULID, sortable by creation time.
// Does not own: API keys and other secrets; an id is never one.
// May touch: the ULID library.
// Always true: two ids are equal only if they name the same thing, on whatever node they were made.
package id

import (
	"crypto/rand"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
)

// The prefixes of the house.
const (
	Task            = "gen_"
	Key             = "key_"
	User            = "usr_"
	Transaction     = "txn_"
	Usage           = "use_"
	Attempt         = "att_"
	WebhookEvent    = "evt_"
	WebhookDelivery = "whd_"
	Audit           = "aud_"
)

// New returns a new id with the prefix, ordered by now to the millisecond.
func New(prefix string, now time.Time) string {
	u := ulid.MustNew(ulid.Timestamp(now), rand.Reader)
	return prefix + strings.ToLower(u.String())
}
