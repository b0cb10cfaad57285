package dbtest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eggapi/eggapi/internal/devdb"
)

// userEnv makes this binary a user of a cluster, as a second test binary would be.
const userEnv = "DBTEST_TEST_USER"

func TestMain(m *testing.M) {
	if text, ok := os.LookupEnv(userEnv); ok {
		userMain(text)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func userMain(text string) {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		panic(err)
	}
	m, err := join(context.Background(), o)
	if err != nil {
		panic(err)
	}
	_, _ = io.WriteString(os.Stdout, m.url+"\n")
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent closes it or dies
}

// startUser runs a user and gives a function that waits for the address it was told.
func startUser(t *testing.T, o order) (cmd *exec.Cmd, url func() string) {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), userEnv+"="+string(text))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	return cmd, func() string {
		line, err := bufio.NewReader(stdout).ReadString('\n')
		if err != nil {
			t.Fatalf("the user was told no address: %v", err)
		}
		return strings.TrimSpace(line)
	}
}

// newOrder is a cluster of the test's own, whose guard is gone when the test ends.
func newOrder(t *testing.T) order {
	t.Helper()
	base, err := devdb.ScratchDir()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(base, "dbtest-test-") //nolint:usetesting // in memory, like the real one
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	o := order{Dir: dir, Idle: 400 * time.Millisecond}
	t.Cleanup(func() {
		waitFor(t, "the guard to end", func() bool { return !guarded(o) })
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return o
}

func joinNow(t *testing.T, o order) *member {
	t.Helper()
	m, err := join(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.leave)
	return m
}

// guarded tells whether a guard has the cluster's folder.
func guarded(o order) bool {
	f, err := os.Open(filepath.Join(o.Dir, "lock"))
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil
}

func waitFor(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-deadline.C:
			t.Fatalf("waited in vain for %s", what)
		case <-tick.C:
		}
	}
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func TestJoin_ManyProcessesAtOnceShareOneCluster(t *testing.T) {
	t.Parallel()
	o := newOrder(t)
	var urls []func() string
	for range 5 {
		_, url := startUser(t, o)
		urls = append(urls, url)
	}
	m := joinNow(t, o)
	for _, url := range urls {
		if got := url(); got != m.url {
			t.Errorf("a process was sent to %s, another to %s", got, m.url)
		}
	}
	connect(t, m.url)
}

func TestGuard_StopsTheServerOnlyWhenTheLastUserHasGone(t *testing.T) {
	t.Parallel()
	o := newOrder(t)
	user, url := startUser(t, o)
	address := url()
	m := joinNow(t, o)
	if err := user.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = user.Wait()
	outlast(t, o, address)
	m.leave()
	waitFor(t, "the guard to end", func() bool { return !guarded(o) })
	if conn, err := pgx.Connect(t.Context(), address); err == nil {
		_ = conn.Close(t.Context())
		t.Error("the server outlived its guard")
	}
}

// outlast asserts that the server stays for several times the idle timeout.
func outlast(t *testing.T, o order, url string) {
	t.Helper()
	conn := connect(t, url)
	end := time.Now().Add(3 * o.Idle)
	waitFor(t, "time to pass", func() bool {
		if err := conn.Ping(t.Context()); err != nil {
			t.Fatalf("the server left while it was in use: %v", err)
		}
		return time.Now().After(end)
	})
}

func TestJoin_KilledGuardIsReplaced(t *testing.T) {
	t.Parallel()
	o := newOrder(t)
	m := joinNow(t, o)
	text, err := os.ReadFile(filepath.Join(o.Dir, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	guard, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(guard, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the server to notice", func() bool {
		_, ok := answering(t.Context(), o)
		return !ok
	})
	again := joinNow(t, o)
	connect(t, again.url)
	if again.url == m.url {
		t.Error("the address of the dead server was given out again")
	}
}

func TestJoin_FailureSaysWhy(t *testing.T) {
	t.Parallel()
	o := newOrder(t)
	if err := os.WriteFile(filepath.Join(o.Dir, "postgres"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := join(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("joining a cluster that cannot start gives %v, want the guard's words", err)
	}
}

func TestGuard_DropsWhatEarlierRunsLeft(t *testing.T) {
	t.Parallel()
	o := newOrder(t)
	m := joinNow(t, o)
	conn := connect(t, m.url)
	var statements []string
	for i := range templatesKept + 2 {
		statements = append(statements, fmt.Sprintf("create database testdb_tpl_%d is_template true", i))
	}
	statements = append(statements, "create database testdb_tpl_5_inst_1", "create database bystander")
	for _, s := range statements {
		if _, err := conn.Exec(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	_ = conn.Close(t.Context())
	m.leave()
	waitFor(t, "the guard to end", func() bool { return !guarded(o) })
	conn = connect(t, joinNow(t, o).url)
	rows, err := conn.Query(t.Context(), "select datname from pg_database where datname ~ '^(testdb|bystander)' order by oid")
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	want := "testdb_tpl_2 testdb_tpl_3 testdb_tpl_4 testdb_tpl_5 bystander"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("left are %s, want %s", got, want)
	}
}

func TestSweep_SparesYoungAndUsedDatabases(t *testing.T) {
	t.Parallel()
	o := newOrder(t)
	m := joinNow(t, o)
	conn := connect(t, m.url)
	for _, name := range []string{"testdb_tpl_1_inst_old", "testdb_tpl_1_inst_used", "testdb_tpl_1_inst_young"} {
		if _, err := conn.Exec(t.Context(), "create database "+name); err != nil {
			t.Fatal(err)
		}
	}
	connect(t, strings.Replace(m.url, "/eggapi?", "/testdb_tpl_1_inst_used?", 1))
	for _, name := range []string{"testdb_tpl_1_inst_old", "testdb_tpl_1_inst_used"} {
		var oid string
		if err := conn.QueryRow(t.Context(), "select oid::text from pg_database where datname = $1", name).Scan(&oid); err != nil {
			t.Fatal(err)
		}
		past := time.Now().Add(-2 * leftoverAge)
		if err := os.Chtimes(filepath.Join(o.Dir, "postgres", "base", oid, "PG_VERSION"), past, past); err != nil {
			t.Fatal(err)
		}
	}
	if err := sweep(t.Context(), m.url); err != nil {
		t.Fatal(err)
	}
	var left string
	err := conn.QueryRow(t.Context(), "select string_agg(datname, ' ' order by datname) from pg_database where datname like 'testdb%'").Scan(&left)
	if want := "testdb_tpl_1_inst_used testdb_tpl_1_inst_young"; err != nil || left != want {
		t.Errorf("left are %s, %v; want %s", left, err, want)
	}
}

func TestConfig_KeepsWhatTheAddressSays(t *testing.T) {
	c, err := config("postgres://me:p%40ss+w%20d@db.example:6543/app?sslmode=require")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := pgx.ParseConfig(c.URL())
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(parsed.User, parsed.Password, parsed.Host, parsed.Port, parsed.Database, parsed.RuntimeParams["options"], parsed.TLSConfig != nil)
	if want := fmt.Sprint("me", "p@ss+w d", "db.example", 6543, "app", "-c timezone="+zone, true); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if _, err := config("postgres://me:secret@/%zz"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a malformed address gives %v, want an error without the password", err)
	}
}
