package auth_test

import (
	"context"
	"errors"
	"testing"

	"github.com/eggapi/eggapi/internal/auth"
)

func TestWithCall_RemembersWhatWithPrincipalAndWithCallerDo(t *testing.T) {
	t.Parallel()
	p := auth.Principal{Kind: auth.KindKey, UserID: "usr_a", KeyID: "key_a", Environment: auth.EnvironmentTest, Role: "user"}
	caller := auth.Caller{IPAddress: "192.0.2.1", UserAgent: "curl", SessionCookie: "signed", DontRemember: true}
	type otherKey struct{}
	parent := context.WithValue(t.Context(), otherKey{}, "other")
	both, cancel := context.WithCancel(auth.WithCall(parent, p, caller))
	for name, ctx := range map[string]context.Context{"one": both, "two": auth.WithCaller(auth.WithPrincipal(parent, p), caller)} {
		if auth.PrincipalFrom(ctx) != p || auth.CallerFrom(ctx) != caller || auth.ActorFrom(ctx).UserID != "usr_a" || ctx.Value(otherKey{}) != "other" {
			t.Errorf("%s: %+v, %+v, %v", name, auth.PrincipalFrom(ctx), auth.CallerFrom(ctx), ctx.Value(otherKey{}))
		}
	}
	again := auth.WithPrincipal(both, auth.Principal{UserID: "usr_b"})
	if auth.PrincipalFrom(again).UserID != "usr_b" || auth.PrincipalFrom(both) != p || auth.CallerFrom(again) != caller {
		t.Error("a principal that is remembered later is not the one that counts")
	}
	if cancel(); !errors.Is(both.Err(), context.Canceled) {
		t.Error("it does not end when it is cancelled")
	}
	if nobody := t.Context(); auth.PrincipalFrom(nobody) != (auth.Principal{}) || auth.CallerFrom(nobody) != (auth.Caller{}) {
		t.Error("somebody is remembered where nobody was")
	}
}
