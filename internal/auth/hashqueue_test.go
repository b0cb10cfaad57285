package auth

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/eggapi/eggapi/internal/fault"
)

func TestHashQueue_TwoAtOnceTwentyWaitingAndNoMore(t *testing.T) {
	q := newHashQueue(2, 20)
	var leaves []func()
	for range 2 {
		leave, err := q.enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, leave)
	}
	ctx, cancel := context.WithCancel(t.Context())
	type result struct {
		leave func()
		err   error
	}
	results := make(chan result, 20)
	for range 20 {
		go func() { leave, err := q.enter(ctx); results <- result{leave, err} }()
	}
	for start := time.Now(); q.waiting.Load() != 20; runtime.Gosched() {
		if time.Since(start) > 5*time.Second {
			t.Fatalf("%d wait", q.waiting.Load())
		}
	}
	patient, giveUp := context.WithTimeout(t.Context(), time.Second)
	defer giveUp()
	_, err := q.enter(patient)
	f, ok := fault.As(err)
	if !ok || f.Code != fault.RateLimited || f.RetryAfter <= 0 || patient.Err() != nil {
		t.Fatalf("got %v", err)
	}
	leaves[0]()
	admitted := <-results
	if admitted.err != nil {
		t.Fatal(admitted.err)
	}
	cancel()
	for range 19 {
		if r := <-results; fault.CodeOf(r.err) != fault.RateLimited || !errors.Is(r.err, context.Canceled) {
			t.Fatalf("got %v", r.err)
		}
	}
	admitted.leave()
	leaves[1]()
	if q.waiting.Load() != 0 || len(q.slots) != 0 {
		t.Fatalf("%d wait, %d are in", q.waiting.Load(), len(q.slots))
	}
}

func TestUTF16Units_CountsAsJavaScriptDoes(t *testing.T) {
	for s, want := range map[string]int{"": 0, "abc": 3, "é": 1, "e\u0301": 2, "鍵": 1, "😀": 2, "\uFFFF": 1} {
		if got := utf16Units(s); got != want {
			t.Errorf("%q: %d, want %d", s, got, want)
		}
	}
}

func TestNormalEmail_TakesAndRefusesWhatBetterAuthDoes(t *testing.T) {
	for email, want := range map[string]string{
		"Ada@Example.TEST": "ada@example.test", "a@b.co": "a@b.co", "a.b'c+d-e_f@x-y.z1.org": "a.b'c+d-e_f@x-y.z1.org",
		"1@1.aa": "1@1.aa", "a@b-.co": "a@b-.co",
	} {
		if got, ok := normalEmail(email); !ok || got != want {
			t.Errorf("%s: got %s, %v", email, got, ok)
		}
	}
	for _, email := range []string{
		"", "@", "a", "a@", "@b.co", "a@b", "a@b.c", "a@b.c1", "a@-b.co", "a@b..co", "a@.co", "a@b.co.", ".a@b.co", "a.@b.co",
		"a..b@c.co", "a'@b.co", "a@b@c.co", "a b@c.co", " a@b.co", "a@b.co\n", "ä@b.co", "a@bücher.co", "a@[127.0.0.1]", `"a"@b.co`, "a@b.co\x00",
	} {
		if got, ok := normalEmail(email); ok {
			t.Errorf("%q became %q", email, got)
		}
	}
}

func TestStorable_CutsBetweenCharacters(t *testing.T) {
	long := make([]byte, 0, 600)
	for len(long) < 513 {
		long = append(long, "x€"...)
	}
	got := storable(string(long))
	if len(got) > 512 || len(got) < 509 || string(long[:len(got)]) != got {
		t.Errorf("%d bytes", len(got))
	}
}
