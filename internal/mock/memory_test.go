package mock

import (
	"net/netip"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/fetch"
	"github.com/eggapi/eggapi/internal/provider"
	"github.com/eggapi/eggapi/internal/task"
)

func TestShelf_ForgetsTheOldestFirst(t *testing.T) {
	t.Parallel()
	var s shelf[int]
	for i := range maxKept + 3 {
		s.put(strconv.Itoa(i), &i)
	}
	if s.get("2") != nil || s.get("3") == nil || len(s.things) != maxKept {
		t.Errorf("of %d things %d are kept, 2: %v, 3: %v", maxKept+3, len(s.things), s.get("2"), s.get("3"))
	}
	if newest := *s.first(func(*int) bool { return true }); newest != maxKept+2 {
		t.Errorf("the newest is %d", newest)
	}
}

func TestShelf_StaysSmallWhileThingsComeAndGo(t *testing.T) {
	t.Parallel()
	var s shelf[int]
	for i := range 5 * maxKept {
		s.put(strconv.Itoa(i), &i)
		if i > 0 {
			s.remove(strconv.Itoa(i))
		}
	}
	if len(s.order) > 2*maxKept || s.get("0") == nil {
		t.Errorf("%d names are kept for %d things, the first: %v", len(s.order), len(s.things), s.get("0"))
	}
}

func TestMemory_DropsATaskItForgetsWithItsWorkAndItsHold(t *testing.T) {
	t.Parallel()
	m := &Mock{memory: newMemory()}
	ada := &user{balanceMicros: 100}
	m.memory.users.put("ada", ada)
	stopped := 0
	accept := func(i int) {
		row := db.Task{ID: strconv.Itoa(i), UserID: "ada", Environment: "test"}
		if i == 0 {
			row.Environment, row.UnitPriceMicros, row.NumOutputs = "live", 10, 4
		}
		if _, err := m.accept(&job{row: row, stop: func() { stopped++ }}, nil, task.Request{}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range maxKept {
		accept(i)
	}
	if ada.heldMicros != 40 || stopped != 0 {
		t.Fatalf("before: %d held, %d stopped", ada.heldMicros, stopped)
	}
	accept(maxKept)
	if ada.heldMicros != 0 || ada.balanceMicros != 100 || stopped != 1 || m.memory.jobs.get("0") != nil {
		t.Errorf("after: %d held of %d, %d stopped", ada.heldMicros, ada.balanceMicros, stopped)
	}
}

func TestFiles_ForgetTheOldestBeyondTheirLimit(t *testing.T) {
	t.Parallel()
	f := newFiles()
	if f.limitBytes != 256<<20 {
		t.Errorf("the limit is %d bytes", f.limitBytes)
	}
	f.limitBytes = 100
	picture := []provider.Image{{Data: make([]byte, 40), MIME: "image/png"}}
	var paths []string
	for i := range 4 {
		paths = append(paths, f.put("gen_"+strconv.Itoa(i), picture, time.Now())...)
	}
	var kept []bool
	for _, path := range paths {
		_, ok := f.kept[path]
		kept = append(kept, ok)
	}
	if !slices.Equal(kept, []bool{false, false, true, true}) || f.bytes != 80 {
		t.Errorf("kept: %v, %d bytes", kept, f.bytes)
	}
}

func TestPolicy_OpensLoopbackAndWhatIsNamedOnly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		url            string
		open, withMore bool
	}{
		{"http://127.0.0.1:9/", true, true},
		{"http://localhost:9/", true, true},
		{"http://[::1]:9/", true, true},
		{"http://10.1.2.3/", false, true},
		{"http://10.2.0.0/", false, false},
		{"https://93.184.215.14/", false, false},
		{"https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/", false, false},
		{"https://169.254.169.254/", false, false},
	} {
		for _, more := range []bool{false, true} {
			var networks []netip.Prefix
			want := c.open
			if more {
				networks, want = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}, c.withMore
			}
			client, err := fetch.New(policy(networks))
			if err != nil {
				t.Fatal(err)
			}
			if got := client.CheckURL(c.url) == nil; got != want {
				t.Errorf("%s with %v: allowed is %v", c.url, networks, got)
			}
		}
	}
}

func TestPolicy_ClosesEveryOtherAddress(t *testing.T) {
	t.Parallel()
	open := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	closed := policy(nil).DenyNetworks
	for _, text := range []string{
		"0.0.0.0", "1.1.1.1", "126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0", "255.255.255.255",
		"::", "::1", "::2", "2001:db8::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	} {
		addr := netip.MustParseAddr(text)
		contains := func(p netip.Prefix) bool { return p.Contains(addr) }
		if slices.ContainsFunc(closed, contains) == slices.ContainsFunc(open, contains) {
			t.Errorf("%s is both open and closed, or neither", text)
		}
	}
}

func TestConstants_AreAKeyAndASecretThatClientsTake(t *testing.T) {
	t.Parallel()
	if !auth.WellFormed(Key) {
		t.Error("the printed key is not well-formed")
	}
	if len(WebhookSecret) != len("whsec_")+44 {
		t.Errorf("the printed secret has %d characters", len(WebhookSecret))
	}
}
