package main

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sound is a small tree without a fault.
var sound = map[string]string{
	"README.md": "Run `make run`. See http://127.0.0.1:8080/work and $HOME/work.\n",
	"gen/openapi.yaml": `
tags: [{name: tasks}, {name: api_keys}]
paths:
  /v1/tasks: {get: {operationId: listTasks, tags: [tasks]}}
  /v1/keys: {parameters: [], post: {operationId: createAPIKey, tags: [api_keys]}}
`,
	"gen/api/api.gen.go": `package api
type StrictServerInterface interface {
	// List.
	// (GET /v1/tasks)
	ListTasks()
	// (POST /v1/keys)
	CreateAPIKey()
}`,
	"openapi/openapi.yaml":           "paths: {/v1/tasks: {$ref: 'paths/tasks.yaml#/tasks'}, /v1/keys: {$ref: './paths/api_keys.yaml#/keys'}}\n",
	"openapi/paths/tasks.yaml":       "tasks: {get: {operationId: listTasks, tags: [tasks], x: {$ref: '../schemas/tasks.yaml#/Task'}}}\n",
	"openapi/paths/api_keys.yaml":    "keys: {post: {operationId: createAPIKey, tags: [api_keys]}}\n",
	"openapi/schemas/tasks.yaml":     "Task: {properties: {status: {$ref: '#/Status'}}}\nStatus: {type: string}\n",
	"handlers/handlers.go":           charterOf("handlers"),
	"handlers/tasks.go":              "package handlers\nfunc (t tasks) ListTasks() {}\n",
	"handlers/api_keys.go":           "package handlers\n",
	"handlers/api_keys_create.go":    "package handlers\nfunc (k apiKeys) CreateAPIKey() {}\n",
	"internal/ledger/ledger.go":      charterOf("ledger"),
	"internal/ledger/hold.go":        "package ledger\n",
	"internal/ledger/ledger_test.go": "package ledger\n",
	"cmd/eggapi/main.go":             strings.Replace(charterOf("eggapi"), "package eggapi", "package main", 1),
	"sql/0001_auth.sql":              "-- +goose Up\ncreate table \"user\" (id text primary key);\n-- +goose Down\ndrop table \"user\";\n",
	"sql/0002_tasks.sql":             "-- +goose Up\ncreate table tasks (id text not null, user_id text, constraint tasks_pkey primary key (id));\n-- +goose Down\ndrop table tasks;\n",
	"queries/tasks.sql":              "-- name: TaskGet :one\n-- One task.\nselect 1;\n",
	"queries/ledger.sql":             "-- name: HoldInsert :exec\n-- A hold.\nselect 1;\n",
	"sqlc.vet.yaml":                  "rule: from (tasks|holds)\n",
	"web/package-lock.json":          `{"version": "1"}`,
}

func charterOf(name string) string {
	return "// Package " + name + " is a room.\n//\n// Owns: a.\n// Does not own: b.\n// May touch: c.\n// Always true: d.\npackage " + name + "\n"
}

// plant writes the sound tree with the given files changed; an empty text removes a file.
func plant(t *testing.T, changed map[string]string) *Tree {
	t.Helper()
	root := t.TempDir()
	files := maps.Clone(sound)
	maps.Copy(files, changed)
	maps.DeleteFunc(files, func(_, text string) bool { return text == "" })
	write(t, root, files)
	tree, err := ReadTree(root)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// write puts texts into files below root.
func write(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for p, text := range files {
		full := filepath.Join(root, p)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// faultsOf runs all checks.
func faultsOf(t *testing.T, tree *Tree) []string {
	t.Helper()
	var out []string
	for _, c := range checks {
		faults, err := c.Run(tree)
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		for _, f := range faults {
			out = append(out, f.String())
		}
	}
	return out
}

func TestChecks_FindNothingInASoundTree(t *testing.T) {
	if got := faultsOf(t, plant(t, nil)); len(got) > 0 {
		t.Errorf("faults in the sound tree:\n%s", strings.Join(got, "\n"))
	}
}

func TestChecks_FindEachPlantedFaultAndNothingElse(t *testing.T) {
	long := strings.Repeat("// x\n", 401)
	home := "/ro" + "ot/go" // cut, so that this file stays free of what it plants
	tests := map[string]struct {
		changed map[string]string
		want    string
	}{
		"a long Go file":        {map[string]string{"internal/ledger/hold.go": "package ledger\n" + long}, "internal/ledger/hold.go: 402 lines, at most 400"},
		"a long test":           {map[string]string{"internal/ledger/ledger_test.go": "package ledger\n" + long + long}, "ledger_test.go: 803 lines, at most 600"},
		"a long README":         {map[string]string{"README.md": strings.Repeat("x\n", 151)}, "README.md: 151 lines, at most 150"},
		"a long query file":     {map[string]string{"queries/tasks.sql": strings.Repeat("\n", 601)}, "queries/tasks.sql: 601 lines"},
		"no file for a tag":     {map[string]string{"handlers/tasks.go": ""}, `handlers/tasks.go: missing: tag "tasks" needs it`},
		"an unknown paths file": {map[string]string{"openapi/paths/jobs.yaml": "{}\n"}, "openapi/paths/jobs.yaml: is named after no tag"},
		"an operation in the wrong file": {
			map[string]string{"openapi/paths/api_keys.yaml": "keys: {post: {operationId: createAPIKey, tags: [tasks]}}\n"},
			`openapi/paths/api_keys.yaml:1: createAPIKey has the tag "tasks"`,
		},
		"a method in the wrong file": {
			map[string]string{"handlers/api_keys_create.go": "", "handlers/tasks_more.go": "package handlers\nfunc (k apiKeys) CreateAPIKey() {}\n"},
			"handlers/api_keys.go: CreateAPIKey belongs here, and not in tasks_more.go",
		},
		"no method":                     {map[string]string{"handlers/tasks.go": "package handlers\n"}, "handlers/tasks.go: ListTasks has no method here"},
		"a method only in a test":       {map[string]string{"handlers/tasks.go": "package handlers\n", "handlers/tasks_test.go": "package handlers\nfunc (t tasks) ListTasks() {}\n"}, "handlers/tasks.go: ListTasks has no method here"},
		"a stale server":                {map[string]string{"gen/api/api.gen.go": "package api\ntype StrictServerInterface interface {\n// (GET /v1/tasks)\nListTasks()\n}\n"}, "createAPIKey is not there: run make generate"},
		"an unused part":                {map[string]string{"openapi/schemas/tasks.yaml": "Task: {properties: {status: {$ref: '#/Status'}}}\nStatus: {type: string}\nOld: {type: string}\n"}, "openapi/schemas/tasks.yaml:3: nothing refers to Old"},
		"an unknown query file":         {map[string]string{"queries/things.sql": "-- name: ThingGet :one\n-- One.\nselect 1;\n"}, "queries/things.sql: is named after no tag"},
		"a gap in the numbers":          {map[string]string{"sql/0002_tasks.sql": "", "sql/0003_tasks.sql": sound["sql/0002_tasks.sql"]}, "sql/0003_tasks.sql: should have the number 0002"},
		"a number twice":                {map[string]string{"sql/0002_more.sql": "-- +goose Up\n-- +goose Down\n"}, "sql/0002_tasks.sql: should have the number 0003"},
		"a badly named migration":       {map[string]string{"sql/3-more.sql": "-- +goose Up\n-- +goose Down\n"}, "sql/3-more.sql: is not named like"},
		"no way down":                   {map[string]string{"sql/0002_tasks.sql": "-- +goose Up\ncreate table tasks (id text);\n"}, "sql/0002_tasks.sql: has no line -- +goose Down"},
		"an unnamed key":                {map[string]string{"sql/0002_tasks.sql": "-- +goose Up\ncreate table tasks (\n id text primary key);\n-- +goose Down\n"}, "sql/0002_tasks.sql:3: a primary key of tasks has no name: write constraint tasks_pkey"},
		"an unnamed reference":          {map[string]string{"sql/0002_tasks.sql": "-- +goose Up\ncreate table tasks (\n id text references \"user\" (id));\n-- +goose Down\n"}, "sql/0002_tasks.sql:3: a foreign key of tasks has no name"},
		"an unnamed index":              {map[string]string{"sql/0002_tasks.sql": "-- +goose Up\ncreate table tasks (id text);\ncreate index on tasks (id);\n-- +goose Down\n"}, "sql/0002_tasks.sql:3: an index on tasks has no name"},
		"an owned table without a rule": {map[string]string{"sqlc.vet.yaml": "rule: from (all_tasks|holds)\n"}, "sqlc.vet.yaml: the owner rule does not name the table tasks"},
		"a query without words":         {map[string]string{"queries/tasks.sql": "-- name: TaskGet :one\nselect 1;\n"}, "queries/tasks.sql:1: TaskGet has no comment below its name"},
		"a misspelt query name":         {map[string]string{"queries/tasks.sql": "-- name: TaskGet\n-- One.\nselect 1;\n"}, "queries/tasks.sql:1: is not of the form"},
		"no charter":                    {map[string]string{"internal/ledger/ledger.go": "package ledger\n"}, "internal/ledger: has 0 package documents"},
		"two package documents":         {map[string]string{"internal/ledger/hold.go": "// Package ledger holds.\npackage ledger\n"}, "internal/ledger: has 2 package documents"},
		"half a charter":                {map[string]string{"internal/ledger/ledger.go": "// Package ledger is money.\n//\n// Owns: a.\n// Does not own: b.\n// Always true: d.\npackage ledger\n"}, `internal/ledger: the charter's line 3 is "May touch: "`},
		"an empty charter line":         {map[string]string{"internal/ledger/ledger.go": strings.Replace(charterOf("ledger"), "May touch: c.", "May touch:", 1)}, `internal/ledger: the charter's line 3`},
		"a charter for another":         {map[string]string{"cmd/eggapi/main.go": charterOf("main")}, "cmd/eggapi: the charter opens with Package eggapi or Command eggapi"},
		"an empty name":                 {map[string]string{"internal/utils/a.go": charterOf("utils")}, `internal/utils: a package called "utils" says nothing`},
		"a path of one machine":         {map[string]string{"docs/a.md": "First\nrun `" + home + "` there.\n"}, "docs/a.md:2: names a path of one machine"},
		"such a path in a script":       {map[string]string{"tools/setup": "cd " + home + "\n"}, "tools/setup:1: names a path of one machine"},
		"a mirror in a lock file":       {map[string]string{"web/package-lock.json": "{\n\"resolved\": \"https://example.test/a.tgz\"}"}, "web/package-lock.json:2: names an address"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := faultsOf(t, plant(t, tt.changed))
			if len(got) != 1 || !strings.Contains(got[0], tt.want) {
				t.Errorf("got %q\nwant one fault with %q", got, tt.want)
			}
		})
	}
}
