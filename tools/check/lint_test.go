package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const house = "github.com/eggapi/eggapi/"

// importLaw is the table of the architecture: what each room may and may not import.
var importLaw = map[string]struct{ may, never []string }{
	"handlers": {
		may: []string{"errors", house + "gen/api", house + "gen/db", house + "internal/auth", house + "internal/fault", house + "internal/task", house + "internal/ledger", house + "internal/webhook", house + "internal/money", house + "internal/pg"},
		never: []string{
			"github.com/labstack/echo/v4", "net/http", "github.com/jackc/pgx/v5", "github.com/jackc/pgx/v5/pgxpool",
			"os", house + "internal/provider", house + "internal/server", house + "internal/storage", house + "gen/apiclient", house + "internal/apitest", house + "internal/app",
		},
	},
	"internal/server": {
		may:   []string{"net/http", "github.com/labstack/echo/v4", "github.com/getkin/kin-openapi/openapi3", house + "gen", house + "gen/api", house + "internal/auth", house + "internal/fault", house + "internal/ratelimit", house + "internal/config"},
		never: []string{house + "handlers", house + "gen/db", house + "gen/apiclient", house + "internal/task", house + "internal/ledger", house + "internal/webhook", house + "internal/provider", "github.com/jackc/pgx/v5"},
	},
	"internal/task": {
		may:   []string{house + "internal/ledger", house + "internal/webhook", house + "internal/provider", house + "internal/storage", house + "internal/fetch", house + "gen/db", house + "internal/pg", house + "internal/fault", "github.com/riverqueue/river"},
		never: []string{house + "gen/api", "github.com/labstack/echo/v4", house + "handlers", house + "internal/server", house + "internal/auth", "net/http"},
	},
	"internal/ledger": {
		may:   []string{house + "gen/db", house + "internal/pg", house + "internal/fault"},
		never: []string{house + "internal/auth", house + "internal/webhook", house + "internal/task", house + "gen/api", "github.com/labstack/echo/v4", "github.com/riverqueue/river"},
	},
	"internal/auth": {
		may:   []string{house + "gen/db", house + "internal/pg", house + "internal/fault"},
		never: []string{house + "internal/ledger", house + "internal/webhook", house + "internal/task", house + "gen/api", "github.com/labstack/echo/v4"},
	},
	"internal/mock": {
		may: []string{
			house + "gen", house + "gen/api", house + "gen/db", house + "handlers", house + "internal/server", house + "internal/task",
			house + "internal/webhook", house + "internal/provider", house + "internal/auth", house + "internal/fetch",
		},
		never: []string{
			house + "internal/pg", house + "internal/app", house + "internal/config", house + "internal/storage",
			"github.com/jackc/pgx/v5", "github.com/riverqueue/river", "os",
		},
	},
	"internal/webhook": {
		may:   []string{house + "gen/db", house + "internal/pg", house + "internal/fault", house + "internal/fetch", "github.com/riverqueue/river"},
		never: []string{house + "internal/ledger", house + "internal/auth", house + "internal/task", house + "gen/api", "github.com/labstack/echo/v4"},
	},
	"internal/provider": {
		may:   []string{"net/http", house + "internal/fault", house + "internal/fetch"},
		never: []string{house + "gen/db", house + "gen/api", house + "internal/pg", house + "internal/task", house + "internal/ledger"},
	},
	"internal/app":       {may: []string{house + "handlers", house + "internal/server", house + "internal/task"}, never: []string{house + "cmd/eggapi", house + "internal/dbtest"}},
	"internal/money":     {may: []string{"fmt"}, never: []string{house + "internal/ledger", house + "internal/app"}},
	"internal/storage":   {may: []string{"gocloud.dev/blob", house + "internal/fault"}, never: []string{house + "internal/task", house + "gen/db", house + "internal/pg"}},
	"internal/fetch":     {may: []string{"code.dny.dev/ssrf", house + "internal/fault"}, never: []string{house + "internal/webhook", house + "gen/api"}},
	"internal/ratelimit": {may: []string{"github.com/throttled/throttled/v2", "github.com/redis/go-redis/v9", house + "internal/fault", house + "internal/coalesce"}, never: []string{house + "internal/auth", house + "gen/db"}},
	"internal/pg":        {may: []string{"github.com/jackc/pgx/v5", house + "gen/db", house + "internal/fault", house + "sql"}, never: []string{house + "internal/ledger", house + "internal/auth", house + "internal/config"}},
	"internal/fault":     {may: []string{"errors", "time"}, never: []string{"net/http", house + "internal/id", "github.com/google/uuid"}},
	"internal/config":    {may: []string{"github.com/caarlos0/env/v11", "os"}, never: []string{house + "internal/pg", house + "cmd/eggapi"}},
	"cmd/eggapi":         {may: []string{house + "handlers", house + "internal/server", house + "internal/task", house + "internal/config", house + "gen/apiclient"}, never: []string{house + "internal/dbtest"}},
}

// TestImportLaw_IsWhatTheArchitectureSays writes, for each room, a file with every import of the
// table, and compares what depguard refuses with what the table says.
func TestImportLaw_IsWhatTheArchitectureSays(t *testing.T) {
	for room, law := range importLaw {
		t.Run(room, func(t *testing.T) {
			t.Parallel()
			refused := lint(t, room, append(slices.Clone(law.may), law.never...))
			for _, p := range law.may {
				if refused[p] {
					t.Errorf("%s may import %s, and the linter refuses it", room, p)
				}
			}
			for _, p := range law.never {
				if !refused[p] {
					t.Errorf("%s must never import %s, and the linter lets it", room, p)
				}
			}
			if refused["_test"] {
				t.Errorf("a test of %s was refused", room)
			}
		})
	}
}

// lint plants a room that imports the given packages, and returns those that depguard refuses;
// "_test" when it refuses something in the room's test.
func lint(t *testing.T, room string, imports []string) map[string]bool {
	t.Helper()
	out := golangci(t, "depguard", map[string]string{
		room + "/x.go":      "package x\n\nimport (\n\t_ \"" + strings.Join(imports, "\"\n\t_ \"") + "\"\n)\n",
		room + "/x_test.go": "package x\n\nimport (\n\t_ \"testing\"\n\t_ \"" + house + "internal/dbtest\"\n)\n",
	})
	refused := map[string]bool{}
	for _, m := range regexp.MustCompile(`x(_test)?\.go:\d+:\d+: import '([^']+)' is not allowed`).FindAllStringSubmatch(out, -1) {
		refused[m[1]+m[2]] = true
		refused["_test"] = refused["_test"] || m[1] != ""
	}
	if len(refused) == 0 {
		t.Fatalf("the linter found nothing:\n%s", out)
	}
	return refused
}

// golangci runs one linter of the project's configuration over the given files, and returns what it prints.
func golangci(t *testing.T, linter string, files map[string]string) string {
	t.Helper()
	config, err := os.ReadFile("../../.golangci.yml")
	if err != nil {
		t.Fatal(err)
	}
	tools, err := filepath.Abs("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	files[".golangci.yml"] = string(config)
	files["go.mod"] += "module github.com/eggapi/eggapi\n\ngo 1.26\n"
	cmd := exec.CommandContext(t.Context(), "go", "tool", "-modfile="+tools, "golangci-lint",
		"run", "--enable-only="+linter, "--show-stats=false", "--allow-parallel-runners", "./...")
	cmd.Dir = t.TempDir()
	write(t, cmd.Dir, files)
	out, _ := cmd.CombinedOutput() // it fails when it finds something, which is the point
	return string(out)
}

// forbidden maps a file to the words that are refused in it; the same words stand in all of them.
var forbidden = map[string][]string{
	"internal/task/x.go":      {"context.Background", "fmt.Println", "http.Get", "os.Getenv", "pgconn.PgError", "pgx.ErrNoRows", "slog.Default", "time.Now"},
	"internal/server/x.go":    {"context.Background", "fmt.Println", "http.Get", "os.Getenv", "pgconn.PgError", "pgx.ErrNoRows", "slog.Default"},
	"internal/pg/x.go":        {"context.Background", "fmt.Println", "http.Get", "os.Getenv", "slog.Default"},
	"internal/config/x.go":    {"context.Background", "fmt.Println", "http.Get", "pgconn.PgError", "pgx.ErrNoRows", "slog.Default"},
	"cmd/eggapi/x.go":         {"fmt.Println", "http.Get", "os.Getenv", "pgconn.PgError", "pgx.ErrNoRows", "slog.Default"},
	"internal/task/x_test.go": {"fmt.Println", "http.Get", "pgconn.PgError", "pgx.ErrNoRows", "slog.Default"},
}

func TestForbiddenWords_AreRefusedExactlyWhereTheArchitectureSays(t *testing.T) {
	const code = `package x

import (
	"context"
	"fmt"
	"log/slog"
	clock "time"
	"net/http"
	"os"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func f%s() {
	_ = context.Background()
	_, _ = http.Get("")
	fmt.Println(
		clock.Now(),
		os.Getenv("X"),
		slog.Default(),
		pgx.ErrNoRows,
		pgconn.PgError{},
	)
}
`
	files := map[string]string{
		"go.mod":               "require github.com/jackc/pgx/v5 v5.0.0\nreplace github.com/jackc/pgx/v5 => ./pgx\n",
		"pgx/go.mod":           "module github.com/jackc/pgx/v5\n",
		"pgx/pgx.go":           "package pgx\n\nvar ErrNoRows error\n",
		"pgx/pgconn/pgconn.go": "package pgconn\n\ntype PgError struct{}\n",
	}
	for file := range forbidden {
		files[file] = fmt.Sprintf(code, strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "x"), ".go"))
	}
	out := golangci(t, "forbidigo", files)
	got := map[string][]string{}
	for _, m := range regexp.MustCompile("(?m)^(\\S+):\\d+:\\d+: use of `([^`]+)` forbidden").FindAllStringSubmatch(out, -1) {
		got[m[1]] = append(got[m[1]], strings.Replace(m[2], "clock.", "time.", 1))
	}
	for file, want := range forbidden {
		slices.Sort(got[file])
		if !slices.Equal(got[file], want) {
			t.Errorf("%s: refused %q\nwant %q", file, got[file], want)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}
