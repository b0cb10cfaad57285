package auth_test

import (
	"context"
	"testing"
	"time"

	"github.com/eggapi/eggapi/internal/auth"
)

func TestUses_AreWrittenBehindOncePerKeyAndNothingIsLost(t *testing.T) {
	pool, c := newDatabase(t), newClock()
	by := addUser(t, pool, "usr_a")
	n := listening(t, pool, c)
	first, secret := create(t, n, by)
	second, other := create(t, n, by)
	for range 3 {
		for _, s := range []string{secret, other, secret} {
			if _, err := n.Authenticate(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
		c.Add(time.Second)
	}
	uses := func(keyID string) int {
		return scan[int](t, pool, `select coalesce((select requests from api_key_uses where api_key_id = $1), 0)`, keyID)
	}
	if uses(first) != 0 {
		t.Error("written on the request's path")
	}
	exec(t, pool, `alter table api_key_uses add constraint none check (false) not valid`)
	if err := n.Flush(t.Context()); err == nil {
		t.Error("the failure is not told")
	}
	exec(t, pool, `alter table api_key_uses drop constraint none`)
	for range 2 {
		if err := n.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if uses(first) != 6 || uses(second) != 3 {
		t.Errorf("%d and %d uses are written, want 6 and 3", uses(first), uses(second))
	}
	want := c.Now().Add(-time.Second)
	for _, table := range []string{"api_key_uses", "api_key_secrets"} {
		if got := scan[time.Time](t, pool, `select last_used_at from `+table+` where api_key_id = $1`, first); !got.Equal(want) {
			t.Errorf("%s: last used at %s, want %s", table, got, want)
		}
	}
	if _, err := n.Authenticate(t.Context(), newSecret(t, "live")); err == nil {
		t.Fatal("a stranger's key works")
	}
	exec(t, pool, `delete from api_keys where id = $1`, second)
	if err := n.Flush(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestUses_AreWrittenWhenTheNodeStops(t *testing.T) {
	pool, c := newDatabase(t), newClock()
	by := addUser(t, pool, "usr_a")
	n := newNode(t, pool, c)
	keyID, secret := create(t, n, by)
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() { n.Run(ctx); close(stopped) }()
	if _, err := n.Authenticate(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	stop()
	<-stopped
	if got := scan[int](t, pool, `select requests from api_key_uses where api_key_id = $1`, keyID); got != 1 {
		t.Errorf("%d uses are written", got)
	}
}

func TestRotate_UsesOfBothSecretsAreTheKeys(t *testing.T) {
	pool, c := newDatabase(t), newClock()
	by := addUser(t, pool, "usr_a")
	n := listening(t, pool, c)
	keyID, secret := create(t, n, by)
	rotated, err := n.Rotate(t.Context(), auth.Rotation{Actor: by, KeyID: keyID, Overlap: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{secret, rotated.Secret} {
		p, err := n.Authenticate(t.Context(), s)
		if err != nil || p.KeyID != keyID {
			t.Fatalf("%v: %+v", err, p)
		}
	}
	if err := n.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	key, err := n.Get(t.Context(), "usr_a", keyID)
	if err != nil || key.Requests != 2 || len(key.Secrets) != 2 || key.Secrets[0].LastUsedAt == nil || key.Secrets[1].LastUsedAt == nil {
		t.Errorf("%v: %+v", err, key)
	}
	if _, err := n.Rotate(auth.WithPrincipal(t.Context(), auth.Principal{Impersonated: true}), auth.Rotation{Actor: by, KeyID: keyID}); err == nil {
		t.Error("who impersonates may rotate")
	}
}
