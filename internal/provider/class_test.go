package provider

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestClassOf_ReadsEveryKindOfError(t *testing.T) {
	limited := &Error{Class: RateLimited, RetryAfter: 7 * time.Second}
	tests := []struct {
		name  string
		err   error
		class Class
		wait  time.Duration
	}{
		{"nil", nil, "", 0},
		{"typed", limited, RateLimited, 7 * time.Second},
		{"wrapped", fmt.Errorf("submit: %w", limited), RateLimited, 7 * time.Second},
		{"typed wins over its cause", &Error{Class: RetrySame, Err: context.DeadlineExceeded}, RetrySame, 0},
		{"without class", &Error{}, Fallback, 0},
		{"deadline", fmt.Errorf("x: %w", context.DeadlineExceeded), Ambiguous, 0},
		{"canceled", fmt.Errorf("x: %w", context.Canceled), Canceled, 0},
		{"unknown", errors.New("odd"), Fallback, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			class, wait := ClassOf(tt.err)
			if class != tt.class || wait != tt.wait {
				t.Errorf("got %q after %v, want %q after %v", class, wait, tt.class, tt.wait)
			}
		})
	}
}

func TestClass_OnlyTheCallersFaultsAreFinal(t *testing.T) {
	for _, c := range Classes() {
		want := c == UserContent || c == UserInvalid
		if c.Final() != want {
			t.Errorf("%s: final %v", c, c.Final())
		}
	}
}

func TestPublicFailure_IsAFixedTextForEveryClass(t *testing.T) {
	for _, c := range Classes() {
		f := PublicFailure(c)
		want := "provider_unavailable"
		switch c {
		case UserContent:
			want = "content_rejected"
		case UserInvalid:
			want = "invalid_input"
		}
		if f.Code != want || f.Message == "" || f.Retryable == c.Final() {
			t.Errorf("%s: %+v", c, f)
		}
	}
	const text = "Content moderation: prompt contains prohibited content"
	if got := PublicFailure(UserContent).Message; got != text {
		t.Errorf("content block says %q", got)
	}
	if TimeoutFailure.Code != "timeout" || InputImageFailure.Code != "invalid_image_url" {
		t.Errorf("got %q and %q", TimeoutFailure.Code, InputImageFailure.Code)
	}
}

func TestError_TextNamesClassStatusAndCause(t *testing.T) {
	cause := errors.New("cause")
	e := &Error{Class: RouteAuth, HTTPStatus: 400, Code: "INVALID_ARGUMENT", Msg: "no", Err: cause}
	const want = "provider: route_auth, http 400, INVALID_ARGUMENT: no: cause"
	if e.Error() != want || !errors.Is(e, cause) {
		t.Errorf("got %q", e.Error())
	}
}
