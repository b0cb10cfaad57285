//go:build system

package bench

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"math"
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

// naiveScript is one order as a transaction of its own, in pgbench's language.
//
//go:embed naive.sql
var naiveScript string

// naive runs the script over and over for a slice on some connections, without a service. The account is drawn among
// the first few, of which there may be one.
func (b *bench) naive(t *testing.T, d *database, accounts, conns int) rate {
	t.Helper()
	o := order{
		Part: "statements", DatabaseURL: d.url, Users: accounts, Conns: conns, Seconds: b.pace.slice.Seconds(),
		LeadSeconds: lead(conns).Seconds(),
	}
	before := d.count(t, "tasks")
	var r rate
	if b.pace.sqlName == "none" {
		r = d.stage.standIn(t, o)
	} else {
		r = d.stage.pgbench(t, b.pace.sqlName, o)
	}
	if grown := d.count(t, "tasks") - before; grown < r.times {
		t.Fatalf("%d rounds of the statements stored %d tasks", r.times, grown)
	}
	return r
}

// lead is how long the yardstick runs before it counts: its connections are new and plan each statement anew, which
// those of a service have done long ago.
func lead(conns int) time.Duration {
	if conns > 32 {
		return 3 * time.Second
	}
	return 2 * time.Second
}

// findPgbench gives the newest pgbench, and "none" without one. The program itself is preferred to the wrapper
// that some systems put on PATH. EGGAPI_BENCH_PGBENCH names another, or none for our stand-in.
func findPgbench() string {
	if path := os.Getenv("EGGAPI_BENCH_PGBENCH"); path != "" {
		return path
	}
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

var pgbenchProgress = regexp.MustCompile(`progress: ([\d.]+) s, ([\d.]+) tps`)

func (s *stage) pgbench(t *testing.T, path string, o order) rate {
	t.Helper()
	address, err := url.Parse(o.DatabaseURL)
	if err != nil {
		t.Fatal("the database's address is malformed")
	}
	password, _ := address.User.Password()
	draw := fmt.Sprintf("\\set task random(1, 9000000000000000000)\n\\set customer random(%s, %s)\n", firstUser, userID(o.Users-1))
	script := s.writeScript(t, draw+naiveScript)
	var out []byte
	for tries := range 3 { // on a busy machine the connections alone take longer than the lead
		seconds := int(math.Ceil(o.Seconds + o.LeadSeconds*math.Pow(3, float64(tries))))
		cmd := exec.CommandContext(t.Context(), path, "-n", "-M", "prepared", "-c", strconv.Itoa(o.Conns), "-j", "1",
			"-T", strconv.Itoa(seconds), "-P", "1", "-f", script,
			"-h", address.Hostname(), "-p", address.Port(), "-U", address.User.Username(), strings.TrimPrefix(address.Path, "/"))
		cmd.Env = append(os.Environ(), "PGPASSWORD="+password)
		if out, err = cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "ERROR") {
			break
		}
		if r := countProgress(out); r.seconds >= o.Seconds/2 {
			return r
		}
	}
	t.Fatalf("pgbench: %v\n%s", err, out)
	return rate{}
}

// countProgress adds up what pgbench told from second to second, from the second after the first in which anything
// was done.
func countProgress(out []byte) (r rate) {
	from, times, begun := 0.0, 0.0, false
	for _, m := range pgbenchProgress.FindAllSubmatch(out, -1) {
		at, _ := strconv.ParseFloat(string(m[1]), 64)
		perSecond, _ := strconv.ParseFloat(string(m[2]), 64)
		if begun {
			times += perSecond * (at - from)
			r.seconds += at - from
		}
		from, begun = at, begun || perSecond > 0
	}
	r.times = int(times)
	return r
}

func (s *stage) writeScript(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(s.dir, "statements.sql")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatalf("write the script: %v", err)
	}
	return path
}

// standIn does what pgbench does, where there is none: prepared statements on as many connections, one thread.
func (s *stage) standIn(t *testing.T, o order) rate {
	t.Helper()
	o.ScriptPath = s.writeScript(t, naiveScript)
	out, err := command(t, o).Output()
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
	script := parseScript(string(text))
	counts, errs := make([]int, o.Conns), make([]error, o.Conns)
	var wg sync.WaitGroup
	start := time.Now().Add(time.Duration(o.LeadSeconds * float64(time.Second)))
	for i := range o.Conns {
		wg.Go(func() { counts[i], errs[i] = runOn(ctx, o, script, start) })
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

// statement is one of a script, with its variables in the order of their marks.
type statement struct {
	sql       string
	variables []string
}

var (
	scriptNote     = regexp.MustCompile(`(?m)^\s*--.*$`)
	scriptVariable = regexp.MustCompile(`:(task|customer)\b`)
)

func parseScript(text string) []statement {
	var statements []statement
	for one := range strings.SplitSeq(scriptNote.ReplaceAllString(text, ""), ";") {
		var st statement
		st.sql = scriptVariable.ReplaceAllStringFunc(strings.TrimSpace(one), func(name string) string {
			if !slices.Contains(st.variables, name) {
				st.variables = append(st.variables, name)
			}
			return "$" + strconv.Itoa(slices.Index(st.variables, name)+1)
		})
		if st.sql != "" {
			statements = append(statements, st)
		}
	}
	return statements
}

// runOn runs the script on a connection of its own, and counts the rounds that end after start.
func runOn(ctx context.Context, o order, script []statement, start time.Time) (rounds int, err error) {
	conn, err := pgx.Connect(ctx, o.DatabaseURL)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	wire := conn.PgConn()
	for i, st := range script {
		if _, err := wire.Prepare(ctx, "s"+strconv.Itoa(i), st.sql, nil); err != nil {
			return 0, err
		}
	}
	for until := start.Add(o.duration()); time.Now().Before(until); {
		if err := runRound(ctx, wire, script, o.Users); err != nil {
			return rounds, err
		}
		if time.Now().After(start) {
			rounds++
		}
	}
	return rounds, nil
}

func runRound(ctx context.Context, wire *pgconn.PgConn, script []statement, users int) error {
	drawn := map[string][]byte{
		":task":     []byte(strconv.FormatInt(rand.Int64(), 10)),
		":customer": []byte(userID(rand.IntN(users))),
	}
	for i, st := range script {
		values := make([][]byte, len(st.variables))
		for n, name := range st.variables {
			values[n] = drawn[name]
		}
		if result := wire.ExecPrepared(ctx, "s"+strconv.Itoa(i), values, nil, nil).Read(); result.Err != nil {
			return result.Err
		}
	}
	return nil
}
