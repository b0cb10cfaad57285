package auth_test

import (
	"encoding/hex"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/audit"
	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/fault"
)

func TestCreate_StoresNeitherTheKeyNorRepeatsIt(t *testing.T) {
	pool, c := newDatabase(t), newClock()
	by := addUser(t, pool, "usr_a")
	n := newNode(t, pool, c)
	row, secret, err := n.Create(t.Context(), auth.NewKey{Actor: by, Name: "a key", Environment: "live"})
	if err != nil {
		t.Fatal(err)
	}
	if row.UserID != "usr_a" || row.Name != "a key" || row.Environment != "live" || row.Hint != secret[:13]+"…"+secret[43:] {
		t.Errorf("got %+v", row)
	}
	stored := scan[string](t, pool, `select coalesce(string_agg(a::text, ''), '') || (select string_agg(k::text, '') from api_keys k) from audit_log a`)
	if body := secret[13:41]; strings.Contains(stored, body) {
		t.Error("the key is in the database")
	}
	audited := scan[string](t, pool, `select action || ' ' || target || ' ' || user_id || ' ' || ip_address || ' ' || user_agent || details::text from audit_log`)
	if !strings.Contains(audited, "api_key.create "+row.ID+" usr_a 192.0.2.1 test") || strings.Contains(audited, hex.EncodeToString(row.Digest)) {
		t.Errorf("audited %s", audited)
	}
}

func TestCreate_HappensOnlyTogetherWithItsAuditRow(t *testing.T) {
	pool, c := newDatabase(t), newClock()
	by := addUser(t, pool, "usr_a")
	n := newNode(t, pool, c)
	keyID, _ := create(t, n, by)
	exec(t, pool, `alter table audit_log add constraint none check (false) not valid`)
	if _, secret, err := n.Create(t.Context(), auth.NewKey{Actor: by, Name: "x", Environment: "live"}); err == nil || secret != "" {
		t.Error("created without an audit row")
	}
	if _, err := n.Revoke(t.Context(), by, keyID); err == nil {
		t.Error("revoked without an audit row")
	}
	if _, err := n.Update(t.Context(), auth.ChangeKey{Actor: by, ID: keyID, Name: ptr("y")}); err == nil {
		t.Error("changed without an audit row")
	}
	if got := scan[string](t, pool, `select string_agg(name || (revoked_at is null)::text, ',') from api_keys`); got != "a keytrue" {
		t.Errorf("keys: %s", got)
	}
}

func TestCreate_TheHundredAndFirstOpenKeyIsRefused(t *testing.T) {
	pool, c := newDatabase(t), newClock()
	by := addUser(t, pool, "usr_a")
	n := newNode(t, pool, c)
	exec(t, pool, `insert into api_keys (id, user_id, environment, name, digest, hint, revoked_at)
		select 'key_' || i, 'usr_a', 'live', 'k', sha256(i::text::bytea), '', case when i > 99 then now() end from generate_series(1, 120) i`)
	var made, refused atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			switch _, _, err := n.Create(t.Context(), auth.NewKey{Actor: by, Name: "x", Environment: "live"}); fault.CodeOf(err) {
			case fault.Conflict:
				refused.Add(1)
			default:
				made.Add(1)
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if made.Load() != 1 || refused.Load() != 7 {
		t.Fatalf("%d made, %d refused", made.Load(), refused.Load())
	}
	other := addUser(t, pool, "usr_b")
	create(t, n, other)
}

func TestCreateAndUpdate_RefuseAnExpiryThatIsNotInTheFuture(t *testing.T) {
	pool, c := newDatabase(t), newClock()
	by := addUser(t, pool, "usr_a")
	n := newNode(t, pool, c)
	keyID, _ := create(t, n, by)
	for _, at := range []time.Time{c.Now(), c.Now().Add(-time.Hour), {}} {
		_, _, err := n.Create(t.Context(), auth.NewKey{Actor: by, Name: "x", Environment: "live", ExpiresAt: &at})
		_, changeErr := n.Update(t.Context(), auth.ChangeKey{Actor: by, ID: keyID, SetExpiry: true, ExpiresAt: &at})
		for _, err := range []error{err, changeErr} {
			f, ok := fault.As(err)
			if !ok || f.Code != fault.ValidationError || len(f.Fields) != 1 || f.Fields[0].In != "body" || f.Fields[0].Name != "expires_at" {
				t.Errorf("%v: %v", at, err)
			}
		}
	}
}

func TestCreate_IsNotForWhoImpersonates(t *testing.T) {
	pool, c := newDatabase(t), newClock()
	by := addUser(t, pool, "usr_a")
	n := newNode(t, pool, c)
	ctx := auth.WithPrincipal(t.Context(), auth.Principal{Kind: auth.KindSession, UserID: "usr_a", Impersonated: true})
	_, _, err := n.Create(ctx, auth.NewKey{Actor: by, Name: "x", Environment: "live"})
	if fault.CodeOf(err) != fault.Forbidden {
		t.Fatalf("got %v", err)
	}
}

func TestUpdate_ChangesOnlyWhatIsNamed(t *testing.T) {
	pool, c := newDatabase(t), newClock()
	by := addUser(t, pool, "usr_a")
	n := newNode(t, pool, c)
	keyID, _ := create(t, n, by)
	end := c.Now().Add(time.Hour)
	type state struct {
		Name, Status string
		Expires      bool
	}
	for _, tt := range []struct {
		change auth.ChangeKey
		want   state
	}{
		{auth.ChangeKey{Name: ptr("new")}, state{"new", "active", false}},
		{auth.ChangeKey{Disabled: ptr(true)}, state{"new", "disabled", false}},
		{auth.ChangeKey{SetExpiry: true, ExpiresAt: &end}, state{"new", "disabled", true}},
		{auth.ChangeKey{}, state{"new", "disabled", true}},
		{auth.ChangeKey{Disabled: ptr(false)}, state{"new", "active", true}},
		{auth.ChangeKey{SetExpiry: true}, state{"new", "active", false}},
	} {
		tt.change.Actor, tt.change.ID = by, keyID
		row, err := n.Update(t.Context(), tt.change)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, state{row.Name, row.Status(c.Now()), row.ExpiresAt != nil}); diff != "" {
			t.Error(diff)
		}
	}
	names := scan[string](t, pool, `select details->'before'->>'name' || '>' || (details->'after'->>'name')
		from audit_log where action = 'api_key.update' order by created_at limit 1`)
	if names != "a key>new" {
		t.Errorf("audited %s", names)
	}
}

func TestUpdateAndRevoke_AForeignKeyLooksMissing(t *testing.T) {
	pool, c := newDatabase(t), newClock()
	owner, stranger := addUser(t, pool, "usr_a"), addUser(t, pool, "usr_b")
	n := newNode(t, pool, c)
	keyID, secret := create(t, n, owner)
	for _, id := range []string{keyID, "key_none", ""} {
		_, err := n.Update(t.Context(), auth.ChangeKey{Actor: stranger, ID: id, Disabled: ptr(true)})
		wantFault(t, err, fault.NotFound, "API key not found")
		_, err = n.Revoke(t.Context(), stranger, id)
		wantFault(t, err, fault.NotFound, "API key not found")
	}
	if _, err := n.Authenticate(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
}

func TestRevoke_IsForGoodAndRepeatable(t *testing.T) {
	pool, c := newDatabase(t), newClock()
	by := addUser(t, pool, "usr_a")
	n := newNode(t, pool, c)
	keyID, _ := create(t, n, by)
	first, err := n.Revoke(t.Context(), by, keyID)
	if err != nil || first.Status(c.Now()) != "revoked" {
		t.Fatal(err, first)
	}
	second, err := n.Revoke(t.Context(), by, keyID)
	if diff := cmp.Diff(first, second); err != nil || diff != "" {
		t.Fatal(err, diff)
	}
	if got := scan[int](t, pool, `select count(*) from audit_log where action = 'api_key.revoke'`); got != 1 {
		t.Errorf("%d audit rows", got)
	}
	_, err = n.Update(t.Context(), auth.ChangeKey{Actor: by, ID: keyID, Disabled: ptr(false)})
	wantFault(t, err, fault.Conflict, "API key has been revoked")
}

func TestStatus_IsTheFirstThatHolds(t *testing.T) {
	now := newClock().Now()
	for want, row := range map[string]db.APIKey{
		"active":   {ExpiresAt: ptr(now.Add(1))},
		"disabled": {DisabledAt: &now, ExpiresAt: ptr(now.Add(1))},
		"expired":  {DisabledAt: &now, ExpiresAt: &now},
		"revoked":  {DisabledAt: &now, ExpiresAt: &now, RevokedAt: &now},
	} {
		if got := (auth.Key{APIKey: row}).Status(now); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestActorFrom_JoinsPrincipalAndCaller(t *testing.T) {
	ctx := auth.WithPrincipal(t.Context(), auth.Principal{UserID: "usr_a"})
	ctx = auth.WithCaller(ctx, auth.Caller{IPAddress: "192.0.2.1", UserAgent: "curl\xff\x00"})
	want := audit.Actor{UserID: "usr_a", IPAddress: "192.0.2.1", UserAgent: "curl"}
	if diff := cmp.Diff(want, auth.ActorFrom(ctx)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(audit.Actor{}, auth.ActorFrom(t.Context())); diff != "" {
		t.Error(diff)
	}
}

func TestPrincipal_HasOneOfTheRolesJoinedByCommas(t *testing.T) {
	p := auth.Principal{Role: "user, admin"}
	if !p.HasRole("admin") || !p.HasRole("user") || p.HasRole("adm") || p.HasRole("") || (auth.Principal{}).HasRole("") {
		t.Error("roles")
	}
}
