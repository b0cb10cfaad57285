package auth_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/pg"
)

func TestWarnOfExpiry_EachOwnerIsToldOnceInTimeAndOnceMore(t *testing.T) {
	pool, c := newDatabase(t), newClock()
	by := addUser(t, pool, "usr_a")
	n := newNode(t, pool, c)
	const day = 24 * time.Hour
	ids := map[string]string{}
	for name, life := range map[string]time.Duration{"month": 30 * day, "week": 7*day + time.Hour, "soon": 3 * day, "hour": time.Hour, "revoked": 10 * day, "for ever": 0} {
		key := auth.NewKey{Actor: by, Name: name, Environment: "live"}
		if life > 0 {
			end := c.Now().Add(life)
			key.ExpiresAt = &end
		}
		made, _, err := n.Create(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		ids[name] = made.ID
	}
	if _, err := n.Revoke(t.Context(), by, ids["revoked"]); err != nil {
		t.Fatal(err)
	}
	told := func(want ...string) {
		t.Helper()
		got := []string{}
		err := n.WarnOfExpiry(t.Context(), func(_ context.Context, _ pg.Tx, e auth.Expiring) error {
			got = append(got, fmt.Sprintf("%s %d", e.Name, e.Days))
			return nil
		})
		slices.Sort(got)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v; want (-), got (+)\n%s", c.Now(), err, diff)
		}
	}
	told([]string{}...) // who makes a key for three days knows
	c.Add(time.Hour)
	told("week 7")
	told([]string{}...)
	c.Add(2 * day)
	told("soon 1")
	c.Add(4*day + time.Hour)
	told("week 1")
	end := c.Now().Add(20 * day)
	if _, err := n.Update(t.Context(), auth.ChangeKey{Actor: by, ID: ids["week"], SetExpiry: true, ExpiresAt: &end}); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Update(t.Context(), auth.ChangeKey{Actor: by, ID: ids["month"], Name: ptr("renamed")}); err != nil {
		t.Fatal(err)
	}
	told([]string{}...)
	c.Add(17 * day) // more than seven days are left of neither
	told("renamed 7", "week 7")
	c.Add(2*day + time.Hour)
	told("week 1")
}

func TestWarnOfExpiry_WhatCouldNotBeToldIsToldLater(t *testing.T) {
	pool, c := newDatabase(t), newClock()
	by := addUser(t, pool, "usr_a")
	n := newNode(t, pool, c)
	end := c.Now().Add(10 * 24 * time.Hour)
	if _, _, err := n.Create(t.Context(), auth.NewKey{Actor: by, Name: "x", Environment: "live", ExpiresAt: &end}); err != nil {
		t.Fatal(err)
	}
	c.Add(4 * 24 * time.Hour)
	full := errors.New("the queue is full")
	err := n.WarnOfExpiry(t.Context(), func(context.Context, pg.Tx, auth.Expiring) error { return full })
	if !errors.Is(err, full) {
		t.Errorf("told %v", err)
	}
	told := 0
	err = n.WarnOfExpiry(t.Context(), func(context.Context, pg.Tx, auth.Expiring) error { told++; return nil })
	if err != nil || told != 1 {
		t.Errorf("%d were told, %v", told, err)
	}
}
