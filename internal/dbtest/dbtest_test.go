package dbtest_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eggapi/eggapi/internal/dbtest"
)

func TestNew_DatabaseIsMigratedAndOnesOwn(t *testing.T) {
	began := time.Now()
	first := dbtest.New(t)
	t.Logf("first: %v", time.Since(began))
	began = time.Now()
	second := dbtest.New(t)
	t.Logf("second: %v", time.Since(began))
	if _, err := first.Exec(t.Context(), "create table note as select 1 as n"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		sql  string
		want bool
	}{
		{"queue table", "select to_regclass('river_job') is not null", true},
		{"a table of the first test", "select to_regclass('note') is not null", false},
	} {
		var got bool
		if err := second.QueryRow(t.Context(), c.sql).Scan(&got); err != nil || got != c.want {
			t.Errorf("%s: present %v, %v; want %v", c.name, got, err, c.want)
		}
	}
}

func TestNew_SessionsAreNotInUTC(t *testing.T) {
	var offset string
	err := dbtest.New(t).QueryRow(t.Context(), "select to_char(timestamptz '2026-01-15 12:00Z', 'HH24:MI')").Scan(&offset)
	if err != nil || offset != "08:30" {
		t.Errorf("noon UTC in January reads %s, %v; want 08:30", offset, err)
	}
}

func TestNewURL_DatabaseIsGoneAfterTheTest(t *testing.T) {
	var url string
	var leaked *pgx.Conn
	passed := t.Run("user", func(t *testing.T) {
		url = dbtest.NewURL(t)
		var err error
		if leaked, err = pgx.Connect(t.Context(), url); err != nil {
			t.Fatal(err)
		}
	})
	if !passed {
		return
	}
	if err := leaked.Ping(t.Context()); err == nil {
		t.Error("a forgotten session outlived the test")
	}
	if conn, err := pgx.Connect(t.Context(), url); err == nil {
		_ = conn.Close(t.Context())
		t.Error("the database outlived the test")
	}
}

func BenchmarkNewURL(b *testing.B) {
	dbtest.NewURL(b)
	for b.Loop() {
		dbtest.NewURL(b)
	}
}
