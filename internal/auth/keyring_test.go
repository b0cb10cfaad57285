package auth_test

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/fault"
)

func TestAuthenticate_SaysWhoseKeyItIs(t *testing.T) {
	pool, c := newDatabase(t), newClock()
	by := addUser(t, pool, "usr_a")
	exec(t, pool, `update "user" set "role" = 'admin' where "id" = 'usr_a'`)
	n := listening(t, pool, c)
	row, secret, err := n.Create(t.Context(), auth.NewKey{Actor: by, Name: "a key", Environment: "test"})
	if err != nil {
		t.Fatal(err)
	}
	want := auth.Principal{Kind: auth.KindKey, UserID: "usr_a", KeyID: row.ID, Environment: "test", Role: "admin", Rights: &auth.Rights{
		Scopes: auth.Scopes(), Models: []string{}, Networks: []netip.Prefix{}, TimeZone: "UTC",
	}}
	for range 2 { // from the database, then from memory
		got, err := n.Authenticate(t.Context(), secret)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Fatal(err, diff)
		}
	}
}

func TestAuthenticate_SaysWhyAKeyDoesNotWork(t *testing.T) {
	pool, c := newDatabase(t), newClock()
	n := newNode(t, pool, c)
	past, future := c.Now().Add(-time.Hour), c.Now().Add(time.Hour)
	const revoked, expired, disabled = `update api_keys set revoked_at = $2 where user_id = $1`,
		`update api_keys set expires_at = $2 where user_id = $1`, `update api_keys set disabled_at = $2 where user_id = $1`
	const banned = `update "user" set "banned" = true, "banExpires" = $2 where "id" = $1`
	for name, tt := range map[string]struct {
		changes []string
		at      time.Time
		code    fault.Code
		message string
	}{
		"revoked before all else":  {[]string{revoked, expired, disabled, banned}, past, fault.Unauthorized, "API key has been revoked"},
		"expired before disabled":  {[]string{expired, disabled, banned}, past, fault.Unauthorized, "API key has expired"},
		"disabled before banned":   {[]string{disabled, banned}, future, fault.Unauthorized, "API key is inactive"},
		"banned for a while":       {[]string{banned}, future, fault.Forbidden, "User account is suspended"},
		"banned until an hour ago": {[]string{banned}, past, "", ""},
		"expires in an hour":       {[]string{expired}, future, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			by := addUser(t, pool, name)
			_, secret := create(t, n, by)
			for _, change := range tt.changes {
				exec(t, pool, change, name, tt.at)
			}
			_, err := n.Authenticate(t.Context(), secret)
			if tt.code == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			wantFault(t, err, tt.code, tt.message)
			// A key that differs in one random character learns nothing of that.
			_, err = n.Authenticate(t.Context(), newSecret(t, "live"))
			wantFault(t, err, fault.Unauthorized, "Invalid API key")
		})
	}
}

func TestAuthenticate_ExpiresOnTheMillisecondWithAWarmMemory(t *testing.T) {
	pool, c := newDatabase(t), newClock()
	by := addUser(t, pool, "usr_a")
	n := listening(t, pool, c)
	end := c.Now().Add(5 * time.Second)
	_, secret, err := n.Create(t.Context(), auth.NewKey{Actor: by, Name: "short", Environment: "live", ExpiresAt: &end})
	if err != nil {
		t.Fatal(err)
	}
	authenticate := func() error { _, err := n.Authenticate(t.Context(), secret); return err }
	if err := authenticate(); err != nil {
		t.Fatal(err)
	}
	before := n.queries.n.Load()
	c.Set(end.Add(-time.Millisecond))
	if err := authenticate(); err != nil {
		t.Fatal(err)
	}
	c.Set(end)
	wantFault(t, authenticate(), fault.Unauthorized, "API key has expired")
	if n.queries.n.Load() != before {
		t.Fatal("the memory was not warm")
	}
}

func TestAuthenticate_ChangesAreSeenOnAnotherNodeWithinASecond(t *testing.T) {
	pool, c := newDatabase(t), newClock()
	by := addUser(t, pool, "usr_a")
	a, b := newNode(t, pool, c), listening(t, pool, c)
	for name, tt := range map[string]struct {
		change  func(t *testing.T, keyID string) error
		message string
	}{
		"revoke": {func(t *testing.T, keyID string) error {
			_, err := a.Revoke(t.Context(), by, keyID)
			return err
		}, "API key has been revoked"},
		"disable": {func(t *testing.T, keyID string) error {
			_, err := a.Update(t.Context(), auth.ChangeKey{Actor: by, ID: keyID, Disabled: ptr(true)})
			return err
		}, "API key is inactive"},
		"delete": {func(t *testing.T, keyID string) error {
			_, err := pool.Exec(t.Context(), `delete from api_keys where id = $1`, keyID)
			return err
		}, "Invalid API key"},
		"suspend the owner": {func(t *testing.T, _ string) error {
			_, err := pool.Exec(t.Context(), `update "user" set "banned" = true where "id" = 'usr_a'`)
			return err
		}, "User account is suspended"},
	} {
		t.Run(name, func(t *testing.T) {
			exec(t, pool, `update "user" set "banned" = false where "id" = 'usr_a'`)
			keyID, secret := create(t, a, by)
			eventually(t, 5*time.Second, "the key is remembered", func() bool {
				before := b.queries.n.Load()
				_, err := b.Authenticate(t.Context(), secret)
				return err == nil && b.queries.n.Load() == before
			})
			if err := tt.change(t, keyID); err != nil {
				t.Fatal(err)
			}
			took := eventually(t, time.Second, "the change is seen", func() bool {
				_, err := b.Authenticate(t.Context(), secret)
				f, ok := fault.As(err)
				return ok && f.Message == tt.message
			})
			t.Logf("seen after %v", took)
		})
	}
}

func TestAuthenticate_RemembersOnlyWhileListening(t *testing.T) {
	pool, c := newDatabase(t), newClock()
	by := addUser(t, pool, "usr_a")
	n := newNode(t, pool, c)
	_, secret := create(t, n, by)
	n.queries.n.Store(0)
	for i := range 3 {
		if _, err := n.Authenticate(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
		if got := n.queries.n.Load(); got != int64(i+1) {
			t.Fatalf("%d queries after %d calls", got, i+1)
		}
	}
}

func TestAuthenticate_ForgetsAllWhenTheListenerIsCut(t *testing.T) {
	pool, c := newDatabase(t), newClock()
	by := addUser(t, pool, "usr_a")
	n := listening(t, pool, c)
	keyID, secret := create(t, n, by)
	authenticate := func() error { _, err := n.Authenticate(t.Context(), secret); return err }
	// Only the loss of the connection can tell: the change is silent, and time stands still.
	exec(t, pool, `alter table api_keys disable trigger api_keys_changed`)
	if err := authenticate(); err != nil {
		t.Fatal(err)
	}
	exec(t, pool, `update api_keys set revoked_at = now() where id = $1`, keyID)
	if err := authenticate(); err != nil {
		t.Fatalf("not from memory: %v", err)
	}
	cut := scan[int](t, pool, `select count(pg_terminate_backend(pid)) from pg_stat_activity
		where datname = current_database() and query ilike 'listen %'`)
	if cut != 1 {
		t.Fatalf("cut %d listeners", cut)
	}
	eventually(t, 2*time.Second, "the revoked key is refused", func() bool { return authenticate() != nil })
	wantFault(t, authenticate(), fault.Unauthorized, "API key has been revoked")
	eventually(t, 10*time.Second, "the keyring listens again", n.Listening)
}

func TestAuthenticate_ALostNotificationIsMadeUpForInTenSeconds(t *testing.T) {
	pool, c := newDatabase(t), newClock()
	by := addUser(t, pool, "usr_a")
	n := listening(t, pool, c)
	keyID, secret := create(t, n, by)
	if _, err := n.Authenticate(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	exec(t, pool, `alter table api_keys disable trigger api_keys_changed`)
	exec(t, pool, `update api_keys set revoked_at = now() where id = $1`, keyID)
	c.Add(10*time.Second - time.Nanosecond)
	if _, err := n.Authenticate(t.Context(), secret); err != nil {
		t.Fatalf("not from memory: %v", err)
	}
	c.Add(time.Nanosecond)
	_, err := n.Authenticate(t.Context(), secret)
	wantFault(t, err, fault.Unauthorized, "API key has been revoked")
}

func TestAuthenticate_AnUnknownKeyIsRememberedForTwoSeconds(t *testing.T) {
	pool, c := newDatabase(t), newClock()
	n := listening(t, pool, c)
	secret := newSecret(t, "live")
	for _, tt := range []struct {
		step time.Duration
		want int64
	}{{0, 1}, {2*time.Second - 1, 1}, {1, 2}, {0, 2}} {
		c.Add(tt.step)
		_, err := n.Authenticate(t.Context(), secret)
		wantFault(t, err, fault.Unauthorized, "Invalid API key")
		if got := n.queries.n.Load(); got != tt.want {
			t.Fatalf("%d queries, want %d", got, tt.want)
		}
	}
}

func TestAuthenticate_ManyAtOnceAskTheDatabaseOnce(t *testing.T) {
	pool, c := newDatabase(t), newClock()
	by := addUser(t, pool, "usr_a")
	_, secret := create(t, newNode(t, pool, c), by)
	n := listening(t, pool, c) // only now, so that the news of the key cannot come in between
	locked, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = locked.Rollback(context.WithoutCancel(t.Context())) }()
	if _, err := locked.Exec(t.Context(), `lock table api_keys in access exclusive mode`); err != nil {
		t.Fatal(err)
	}
	// The first of them hangs up, which must not spoil the answer for the others.
	impatient, hangUp := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() { _, err := n.Authenticate(impatient, secret); gone <- err }()
	eventually(t, 5*time.Second, "a query waits", func() bool { return n.queries.n.Load() == 1 })
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := n.Authenticate(t.Context(), secret); err != nil {
				t.Error(err)
			}
		})
	}
	hangUp()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("who hung up got %v", err)
	}
	if err := locked.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	if got := n.queries.n.Load(); got != 1 {
		t.Fatalf("%d queries", got)
	}
}

func TestAuthenticate_ANewKeyWorksOnAnotherNodeAtOnce(t *testing.T) {
	pool, c := newDatabase(t), newClock()
	by := addUser(t, pool, "usr_a")
	a, b := listening(t, pool, c), listening(t, pool, c)
	for range 20 {
		_, secret := create(t, a, by)
		if _, err := b.Authenticate(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAuthenticate_ALostDatabaseIsUnavailable(t *testing.T) {
	pool, c := newDatabase(t), newClock()
	n := newNode(t, pool, c)
	exec(t, pool, `alter table api_keys rename to elsewhere`)
	_, err := n.Authenticate(t.Context(), newSecret(t, "live"))
	if fault.CodeOf(err) != fault.Internal {
		t.Errorf("a wrong schema: %v", err)
	}
	lost := auth.NewKeyring(auth.KeyringConfig{Pool: closedPool(t), Clock: c.Now, Logger: quiet})
	_, err = lost.Authenticate(t.Context(), newSecret(t, "live"))
	if fault.CodeOf(err) != fault.ServiceUnavailable {
		t.Errorf("a lost database: %v", err)
	}
}

func TestRecall_TellsHowSureItIsAndAsksNobody(t *testing.T) {
	pool, c := newDatabase(t), newClock()
	by := addUser(t, pool, "usr_a")
	n := listening(t, pool, c)
	keyID, secret := create(t, n, by)
	stranger := newSecret(t, "live")
	wants := func(what, token string, want auth.Recall, wantKey string, refused bool) {
		t.Helper()
		before := n.queries.n.Load()
		p, recall, err := n.Recall(token)
		if recall != want || p.KeyID != wantKey || errors.Is(err, auth.ErrKeyInvalid) != refused || n.queries.n.Load() != before {
			t.Errorf("%s: %v %+v %v", what, recall, p, err)
		}
	}
	wants("never asked about", stranger, auth.RecallNone, "", false)
	wants("no key at all", "egg_live_nonsense", auth.RecallFresh, "", true)
	for _, token := range []string{secret, stranger} {
		_, _ = n.Authenticate(t.Context(), token)
	}
	wants("a key", secret, auth.RecallFresh, keyID, false)
	wants("nobody's", stranger, auth.RecallFresh, "", true)
	c.Add(time.Minute)
	wants("a key a minute ago", secret, auth.RecallStale, "", false)
	wants("nobody's a minute ago", stranger, auth.RecallNone, "", false)
}
