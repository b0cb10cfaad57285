package main

import (
	"strings"
	"testing"

	"github.com/eggapi/eggapi/tools/internal/ddl"
)

func TestGoName_KeepsInitialismsAndSplitsHumps(t *testing.T) {
	for in, want := range map[string]string{
		"api_keys_user_id_fkey": "APIKeysUserIDFkey",
		"session_userId_fkey":   "SessionUserIDFkey",
		"files_sha256_key":      "FilesSHA256Key",
	} {
		if got := goName(in); got != want {
			t.Errorf("goName(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestRender_GivesOneConstantPerRuleOfTheFinalSchema(t *testing.T) {
	s := &ddl.Schema{}
	s.Apply("0001_a.sql", `create table a (id text, constraint a_pkey primary key (id), constraint a_old check (id <> ''));
		create unique index a_name_key on a (id); create index a_idx on a (id);`)
	s.Apply("0002_b.sql", `alter table a drop constraint a_old;`)
	got, err := render(s)
	if err != nil {
		t.Fatal(err)
	}
	for want, n := range map[string]int{`"a_pkey"`: 1, `"a_name_key"`: 1, `a_old`: 0, `a_idx`: 0} {
		if strings.Count(got, want) != n {
			t.Errorf("%s stands %d times, want %d:\n%s", want, strings.Count(got, want), n, got)
		}
	}
}

func TestRender_RefusesTwoRulesOfOneName(t *testing.T) {
	s := &ddl.Schema{}
	s.Apply("0001_a.sql", `create table a (n int constraint positive check (n > 0)); create table b (n int constraint positive check (n > 0));`)
	if _, err := render(s); err == nil {
		t.Fatal("two rules of one name were accepted")
	}
}
