package auth

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/singleflight"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/coalesce"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/meter"
	"github.com/eggapi/eggapi/internal/pg"
)

const (
	authChannel = "eggapi_auth"
	// A caller waits this long for the database, not for as long as the network stays silent.
	lookupTimeout = 2 * time.Second
)

var (
	// ErrKeyInvalid is the refusal of what is nobody's key.
	ErrKeyInvalid    = fault.New(fault.Unauthorized, "Invalid API key")
	errKeyRevoked    = fault.New(fault.Unauthorized, "API key has been revoked")
	errKeyExpired    = fault.New(fault.Unauthorized, "API key has expired")
	errKeyDisabled   = fault.New(fault.Unauthorized, "API key is inactive")
	errUserSuspended = fault.New(fault.Forbidden, "User account is suspended")
)

// KeyringConfig says what a Keyring works with.
type KeyringConfig struct {
	Pool        *pgxpool.Pool
	Clock       func() time.Time
	Logger      *slog.Logger
	Sealer      Sealer        // of answers that may be lost
	TTL         time.Duration // how long a key is remembered; 0 = 10 s
	NegativeTTL time.Duration // how long it is remembered that there is no such key; 0 = 2 s, which is also the most
}

// Keyring makes, changes and checks API keys. It remembers keys in memory, by digest.
type Keyring struct {
	pool   *pgxpool.Pool
	clock  func() time.Time
	logger *slog.Logger
	known  *memory
	loads  singleflight.Group // once for all who ask for one key
	reads  *coalesce.Group[[32]byte, record]
	sealer Sealer
	uses   *uses
	days   *meter.Days
}

// NewKeyring makes a Keyring that reads every key from the database until Run listens for changes.
func NewKeyring(c KeyringConfig) *Keyring {
	const ttl, negativeTTL = 10 * time.Second, 2 * time.Second
	if c.TTL <= 0 {
		c.TTL = ttl
	}
	if c.NegativeTTL <= 0 || c.NegativeTTL > negativeTTL {
		c.NegativeTTL = negativeTTL
	}
	k := &Keyring{
		pool: c.Pool, clock: c.Clock, logger: c.Logger, known: newMemory(c.TTL, c.NegativeTTL), sealer: c.Sealer,
		uses: newUses(c.Pool, c.Logger), days: meter.NewDays(c.Pool, c.Clock, c.Logger),
	}
	k.reads = coalesce.New(coalesce.Config[[32]byte, record]{
		Run: k.loadSet, Apart: pg.RolledBack, Slots: 2, MaxSet: 256, MaxWaiting: 2048, Timeout: lookupTimeout,
	})
	return k
}

// Run listens for changes of keys and users until the context ends. While it listens, a change is
// seen here within a round trip; while it does not, nothing is remembered. It also writes down what keys were used for, and gives
// back what was taken of their days; at the end all of it.
func (k *Keyring) Run(ctx context.Context) {
	l := pg.Listener{
		Pool: k.pool, Channel: authChannel, Logger: k.logger,
		Up: k.known.open, Down: k.known.close, Notify: k.known.forget,
	}
	var wg sync.WaitGroup
	wg.Go(func() { l.Run(ctx) })
	wg.Go(func() { k.uses.run(ctx) })
	wg.Go(func() { k.days.Run(ctx) })
	wg.Go(func() { k.forget(ctx) })
	wg.Wait()
}

// Flush writes down what keys were used for, and gives back what was taken of their days.
func (k *Keyring) Flush(ctx context.Context) error {
	k.days.Return(ctx, 0)
	return k.uses.write(ctx)
}

// forget removes every minute what is kept only for some.
func (k *Keyring) forget(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := k.ForgetAnswers(ctx); err != nil && ctx.Err() == nil {
				k.logger.WarnContext(ctx, "what is kept for some minutes could not be removed; it is tried again", "error", err)
			}
		}
	}
}

// Listening tells whether changes are being heard of now.
func (k *Keyring) Listening() bool { return k.known.isOpen() }

// Authenticate tells whose key token is. It fails with Unauthorized for a token that is no key or a
// key that no longer works, Forbidden when its owner is suspended, and ServiceUnavailable when the
// database cannot be asked within 2 s. A token with a wrong checksum never reaches the database.
func (k *Keyring) Authenticate(ctx context.Context, token string) (Principal, error) {
	if !WellFormed(token) {
		return Principal{}, ErrKeyInvalid
	}
	digest := sha256.Sum256([]byte(token))
	r, err := k.find(ctx, digest)
	if err != nil {
		return Principal{}, pg.Public(fault.Wrap(err, "look up an API key"))
	}
	return k.principal(digest, r)
}

// Recall tells how well a key is remembered.
type Recall int

// A key is fresh in memory when what is known of it is sure enough to answer by, stale when it was one lately.
const (
	RecallNone Recall = iota
	RecallStale
	RecallFresh
)

// Recall is Authenticate from memory alone: what it says of a token counts only when it is fresh. It asks nobody. A
// token with a wrong checksum is always fresh.
func (k *Keyring) Recall(token string) (Principal, Recall, error) {
	if !WellFormed(token) {
		return Principal{}, RecallFresh, ErrKeyInvalid
	}
	digest := sha256.Sum256([]byte(token))
	if r, ok := k.known.get(digest, k.clock()); ok {
		p, err := k.principal(digest, r)
		return p, RecallFresh, err
	}
	if k.known.familiar(digest) {
		return Principal{}, RecallStale, nil
	}
	return Principal{}, RecallNone, nil
}

func (k *Keyring) principal(digest [32]byte, r record) (Principal, error) {
	if err := r.refusal(k.clock()); err != nil {
		return Principal{}, err
	}
	k.uses.note(digest, k.clock())
	return Principal{
		Kind: KindKey, UserID: r.userID, KeyID: r.keyID, Environment: r.environment, Role: r.role, Rights: r.rights,
	}, nil
}

// CountRequest counts a request of a key that has a limit of requests per day. It fails with QUOTA_EXCEEDED when the day has
// none left, and SERVICE_UNAVAILABLE when the database cannot be asked within 2 s.
func (k *Keyring) CountRequest(ctx context.Context, p Principal) error {
	if p.Rights == nil || p.Rights.RequestsPerDay == nil {
		return nil
	}
	return k.days.Take(ctx, p.KeyID, *p.Rights.RequestsPerDay, p.Rights.TimeZone)
}

// Left tells what is left of a key's limits.
func (k *Keyring) Left(ctx context.Context, p Principal) (meter.Left, error) {
	left, err := k.days.LeftOf(ctx, meter.Key{ID: p.KeyID, UserID: p.UserID, Environment: p.Environment})
	return left, pg.Public(fault.Wrap(err, "see what is left of the limits of an API key"))
}

// find gives what is remembered of a digest or reads it, once for all who ask at the same time.
func (k *Keyring) find(ctx context.Context, digest [32]byte) (record, error) {
	now := k.clock()
	if r, ok := k.known.get(digest, now); ok {
		return r, nil
	}
	since := k.known.changes()
	// Who asks after a change must not be given what was read before it.
	flight := fmt.Sprintf("%x %d", digest, since)
	loaded := k.loads.DoChan(flight, func() (any, error) {
		// The others wait for this answer, too, even when the first caller hangs up.
		loadCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookupTimeout)
		defer cancel()
		r, err := k.reads.Do(loadCtx, digest)
		if err != nil {
			return record{}, err
		}
		r.readAt = now
		k.known.put(digest, r, since)
		return r, nil
	})
	select {
	case <-ctx.Done():
		return record{}, ctx.Err()
	case res := <-loaded:
		r, _ := res.Val.(record)
		return r, res.Err
	}
}

// loadSet reads the keys with some digests. The zero record stands for one that is no key's.
func (k *Keyring) loadSet(ctx context.Context, digests [][32]byte) ([]coalesce.Reply[record], error) {
	asked := make([][]byte, len(digests))
	for i := range digests {
		asked[i] = digests[i][:]
	}
	rows, err := pg.Q.APIKeyBySecretSetAnyOwner(ctx, k.pool, asked)
	if err != nil {
		return nil, err
	}
	found := make(map[[32]byte]record, len(rows))
	for _, row := range rows {
		found[[32]byte(row.SecretDigest)] = toRecord(row)
	}
	replies := make([]coalesce.Reply[record], len(digests))
	for i, digest := range digests {
		replies[i].Answer = found[digest]
	}
	return replies, nil
}

func toRecord(row db.APIKeyBySecretSetAnyOwnerRow) record {
	key := row.APIKey
	return record{
		found: true, keyID: key.ID, userID: key.UserID, environment: key.Environment, role: roleOf(row.Role),
		revoked: key.RevokedAt != nil, disabled: key.DisabledAt != nil, expiresAt: earlier(key.ExpiresAt, row.SecretExpiresAt),
		banned: row.Banned, banExpires: row.BanExpires,
		rights: &Rights{
			Scopes: key.Scopes, Models: key.Models, Networks: key.Networks, RequestsPerSecond: key.RequestsPerSecond,
			RequestsPerDay: row.RequestsPerDay, TimeZone: row.TimeZone, Metered: row.Metered,
		},
	}
}

// earlier gives the first of two moments, of which nil is never.
func earlier(a, b *time.Time) *time.Time {
	if a == nil || b != nil && b.Before(*a) {
		return b
	}
	return a
}
