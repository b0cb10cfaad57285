//go:build system

package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// sqlRunner runs the statements of a request over and over for a second, without a service.
type sqlRunner interface {
	name() string
	run(t *testing.T) rate
}

// newSQLRunner takes pgbench where there is one. EGGAPI_BENCH_PGBENCH names another, or none for our stand-in.
func newSQLRunner(t *testing.T, s *stage, statements []statement) sqlRunner {
	t.Helper()
	path := os.Getenv("EGGAPI_BENCH_PGBENCH")
	if path == "" {
		path = findPgbench()
	}
	if path != "none" {
		return newPgbench(t, s, path, statements)
	}
	text, err := json.Marshal(statements)
	if err != nil {
		t.Fatalf("write the statements: %v", err)
	}
	script := filepath.Join(s.dir, "statements.json")
	if err := os.WriteFile(script, text, 0o600); err != nil {
		t.Fatalf("write the statements: %v", err)
	}
	return standIn{order{Part: "statements", DatabaseURL: s.db.URL(), ScriptPath: script, Users: users, Conns: conns, Seconds: 1}}
}

// findPgbench gives the newest pgbench, and "none" without one. The program itself is preferred to the wrapper
// that some systems put on PATH.
func findPgbench() string {
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin/pgbench", "/usr/pgsql-*/bin/pgbench", "/usr/local/bin/pgbench"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return found[len(found)-1]
		}
	}
	if path, err := exec.LookPath("pgbench"); err == nil {
		return path
	}
	return "none"
}

type pgbench struct {
	path string
	args []string
	env  []string
}

func newPgbench(t *testing.T, s *stage, path string, statements []statement) pgbench {
	t.Helper()
	address, err := url.Parse(s.db.URL())
	if err != nil {
		t.Fatal("the database's address is malformed")
	}
	password, _ := address.User.Password()
	p := pgbench{path: path, env: append(os.Environ(), "PGPASSWORD="+password)}
	script, values := pgbenchScript(statements)
	file := filepath.Join(s.dir, "pgbench.sql")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		t.Fatalf("write the script: %v", err)
	}
	p.args = append(values, "-n", "-M", "prepared", "-c", strconv.Itoa(conns), "-j", "1", "-f", file,
		"-h", address.Hostname(), "-p", address.Port(), "-U", address.User.Username())
	return p
}

var placeholder = regexp.MustCompile(`\$(\d+)`)

// pgbenchScript writes the statements in pgbench's language: each parameter is a variable, whose value stands on
// the command line unless it is drawn. A variable cannot be null, so a null stands in the statement itself.
func pgbenchScript(statements []statement) (script string, values []string) {
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "\\set task random(1, 9000000000000000000)\n\\set customer random(%s, %s)\n", firstUser, userID(users-1))
	for i, st := range statements {
		sql := placeholder.ReplaceAllStringFunc(st.SQL, func(mark string) string {
			n, _ := strconv.Atoi(mark[1:]) // digits by the pattern
			switch p := st.Params[n-1]; {
			case p.Null:
				return "null"
			case p.Task:
				return ":task"
			case p.User:
				return ":customer"
			default:
				name := fmt.Sprintf("s%dp%d", i, n)
				if value := name + "=" + p.Text; !slices.Contains(values, value) {
					values = append(values, "-D", value)
				}
				return ":" + name
			}
		})
		_, _ = fmt.Fprintf(&b, "%s;\n", strings.TrimRight(sql, "; \n"))
	}
	return b.String(), values
}

func (p pgbench) name() string { return "pgbench" }

var (
	pgbenchRounds = regexp.MustCompile(`transactions actually processed: (\d+)`)
	pgbenchRate   = regexp.MustCompile(`tps = ([\d.]+)`)
)

func (p pgbench) run(t *testing.T) rate {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), p.path, append(slices.Clone(p.args), "-T", "1", "eggapi")...)
	cmd.Env = p.env
	out, err := cmd.CombinedOutput()
	times, perSecond := pgbenchRounds.FindSubmatch(out), pgbenchRate.FindSubmatch(out)
	if err != nil || times == nil || perSecond == nil || strings.Contains(string(out), "ERROR") {
		t.Fatalf("pgbench: %v\n%s", err, out)
	}
	n, _ := strconv.Atoi(string(times[1]))
	wanted, _ := strconv.ParseFloat(string(perSecond[1]), 64)
	return rate{times: n, seconds: float64(n) / wanted}
}

// standIn does what pgbench does, where there is none: prepared statements on as many connections, one thread.
type standIn struct{ order order }

func (s standIn) name() string { return "own loop of prepared statements" }

func (s standIn) run(t *testing.T) rate {
	t.Helper()
	out, err := command(t, s.order).Output()
	if err != nil {
		t.Fatalf("run the statements: %v", err)
	}
	return readRate(t, out)
}

// runStatements is the part of the process that stands in for pgbench.
func runStatements(ctx context.Context, o order) error {
	text, err := os.ReadFile(o.ScriptPath)
	if err != nil {
		return err
	}
	var statements []statement
	if err := json.Unmarshal(text, &statements); err != nil {
		return err
	}
	counts, errs := make([]int, o.Conns), make([]error, o.Conns)
	var wg sync.WaitGroup
	start := time.Now()
	until := start.Add(time.Duration(o.Seconds * float64(time.Second)))
	for i := range o.Conns {
		wg.Go(func() { counts[i], errs[i] = runOn(ctx, o, statements, until) })
	}
	wg.Wait()
	total := 0
	for _, n := range counts {
		total += n
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return writeRate(rate{times: total, seconds: time.Since(start).Seconds()})
}

func runOn(ctx context.Context, o order, statements []statement, until time.Time) (rounds int, err error) {
	conn, err := pgx.Connect(ctx, o.DatabaseURL)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	wire := conn.PgConn()
	for i, st := range statements {
		if _, err := wire.Prepare(ctx, "s"+strconv.Itoa(i), st.SQL, nil); err != nil {
			return 0, err
		}
	}
	for time.Now().Before(until) {
		if err := runRound(ctx, wire, statements, o.Users); err != nil {
			return rounds, err
		}
		rounds++
	}
	return rounds, nil
}

func runRound(ctx context.Context, wire *pgconn.PgConn, statements []statement, users int) error {
	task := []byte(strconv.FormatInt(rand.Int64(), 10))
	user := []byte(userID(rand.IntN(users)))
	for i, st := range statements {
		values := make([][]byte, len(st.Params))
		for n, p := range st.Params {
			switch {
			case p.Null:
			case p.Task:
				values[n] = task
			case p.User:
				values[n] = user
			default:
				values[n] = []byte(p.Text)
			}
		}
		if result := wire.ExecPrepared(ctx, "s"+strconv.Itoa(i), values, nil, nil).Read(); result.Err != nil {
			return result.Err
		}
	}
	return nil
}
