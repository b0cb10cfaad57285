package ddl

import (
	"slices"
	"testing"
)

func names(s *Schema) []string {
	var out []string
	for _, c := range s.Constraints() {
		out = append(out, c.AutomaticName()+" "+c.Kind)
	}
	return out
}

func TestApply_FindsEveryConstraintAndNothingElse(t *testing.T) {
	tests := map[string]struct {
		sql  string
		want []string
	}{
		"named table constraints": {
			`create table a (id text not null, n int, constraint a_pkey primary key (id), constraint a_n_check check (n > 0 and n in (1, 2)));`,
			[]string{"a_pkey primary key", "a_n_check check"},
		},
		"named column constraints": {
			`create table a (id text constraint a_pkey primary key, b text not null constraint a_b_fkey references b (id) on delete set null);`,
			[]string{"a_pkey primary key", "a_b_fkey foreign key"},
		},
		"unnamed ones get the automatic name": {
			`create table "user" ("id" text primary key, "email" text not null unique, check (id <> ''), unique (id, email), foreign key (email) references b);`,
			[]string{"user_pkey primary key", "user_email_key unique", "user_check check", "user_id_key unique", "user_email_fkey foreign key"},
		},
		"words in comments, strings and bodies are not constraints": {
			"create table a (id text default 'primary key' /* unique */); -- it's a check (x)\n" +
				"create function f() returns text as $$ create table b (id text primary key); $$ language sql;\n" +
				"create function g() returns text as $x$ it's $y$ unique $x$ language sql;",
			nil,
		},
		"a default with parentheses hides nothing": {
			`create table a (id text default lower('X'), t numeric(10,2) not null default coalesce(1, 2) constraint a_t_check check (t > 0));`,
			[]string{"a_t_check check"},
		},
		"unique indexes count, plain ones do not": {
			`create unique index a_key on a (id) where id is not null; create index a_idx on a (id); create unique index concurrently if not exists b_key on b (id);`,
			[]string{"a_key unique", "b_key unique"},
		},
		"an unnamed index is reported": {
			`create index on a (id);`,
			[]string{"a_ index"},
		},
		"alter table adds, drops and renames": {
			`create table a (id text, constraint a_one unique (id), constraint a_two unique (id));
			 alter table only a add constraint a_three check (id <> ''), drop constraint a_one;
			 alter table a rename constraint a_two to a_deux; alter table a add column b text references b (id);`,
			[]string{"a_deux unique", "a_three check", "a_b_fkey foreign key"},
		},
		"dropped tables take their constraints with them": {
			`create table a (id text primary key); create table b (id text primary key); create unique index b_x on b (id); drop table if exists b, c cascade;`,
			[]string{"a_pkey primary key"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := &Schema{}
			s.Apply("x.sql", tt.sql)
			if got := names(s); !slices.Equal(got, tt.want) {
				t.Errorf("got %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestApply_FoldsColumnsAndEnums(t *testing.T) {
	s := &Schema{}
	s.Apply("x.sql", `
		create type state as enum ('a', 'c');
		alter type state add value if not exists 'b' after 'a';
		create unlogged table j (id bigserial primary key, args jsonb, tags varchar(255)[], n double precision default 1);
		alter table j alter column args set not null, add column if not exists bits bit(8);
		alter table j rename column n to m;
		alter table j drop column tags;
		alter table j alter column bits type text using bits::text;`)
	if got := s.Enums[0].Values; !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("enum values %q", got)
	}
	var got []string
	for _, c := range s.Table("j").Columns {
		text := c.Name + " " + c.Type
		if c.NotNull {
			text += " not null"
		}
		got = append(got, text)
	}
	want := []string{"id bigserial not null", "args jsonb not null", "m double precision", "bits text"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestUp_LeavesTheWayDownOutAndKeepsLineNumbers(t *testing.T) {
	s := &Schema{}
	s.Apply("x.sql", Up("-- head\n-- +goose Up\ncreate table a (\n id text primary key);\n-- +goose Down\ncreate table b (id text primary key);\n"))
	got := s.Constraints()
	if len(got) != 1 || got[0].Table != "a" || got[0].Line != 4 {
		t.Errorf("got %+v", got)
	}
}
