package devdb

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func start(t *testing.T, o Options) *DB {
	t.Helper()
	o.Progress = func(line string) { t.Log(line) }
	began := time.Now()
	d, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("started in %v as %s", time.Since(began).Round(time.Millisecond), d.who.name)
	t.Cleanup(func() { _ = d.Stop(context.Background()) })
	return d
}

// pristine is a stopped cluster, made once because making one is most of what a test would wait for.
var pristine = sync.OnceValues(func() (string, error) {
	base, err := ScratchDir()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(base, "devdb-pristine-")
	if err != nil {
		return "", err
	}
	d, err := Start(context.Background(), Options{Dir: dir})
	if err != nil {
		return dir, err
	}
	return dir, d.Stop(context.Background())
})

// madeDir is a folder with a cluster of its own that has been stopped.
func madeDir(t *testing.T) string {
	t.Helper()
	from, err := pristine()
	if err != nil {
		t.Fatal(err)
	}
	dir := scratch(t)
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"postgres": 0o700, "postgres.password": 0o600} {
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func stop(t *testing.T, d *DB) {
	t.Helper()
	if err := d.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// ask runs one statement and gives the first column of its first row, "" when it has none.
func ask(t *testing.T, url, statement string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	rows, err := conn.Query(t.Context(), statement)
	if err != nil {
		t.Fatal(err)
	}
	values, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

func remember(t *testing.T, url string) {
	t.Helper()
	ask(t, url, "create table memory as select 'kept' as word")
}

func wantMemory(t *testing.T, url string) {
	t.Helper()
	if got := ask(t, url, "select word from memory"); got != "kept" {
		t.Errorf("memory holds %q, want %q", got, "kept")
	}
}

func TestStart_DataOutlivesAStop(t *testing.T) {
	dir := scratch(t)
	d := start(t, Options{Dir: dir})
	remember(t, d.URL())
	stop(t, d)
	began := time.Now()
	d = start(t, Options{Dir: dir})
	wantMemory(t, d.URL())
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("the second start took %v, want at most 2 s", took)
	}
	stop(t, d)
	stop(t, d) // a second stop does nothing
	if err := d.RestartImmediate(t.Context()); err == nil {
		t.Error("a stopped database restarted")
	}
}

func TestStart_ServerIsPrivateAndDurable(t *testing.T) {
	d := start(t, Options{Dir: scratch(t), Settings: map[string]string{"work_mem": "7MB"}})
	for setting, want := range map[string]string{
		"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "on", "synchronous_commit": "on",
		"TimeZone": "UTC", "server_encoding": "UTF8", "lc_messages": "C", "password_encryption": "scram-sha-256",
		"max_connections": "200", "work_mem": "7MB",
	} {
		if got := ask(t, d.URL(), "show "+setting); got != want {
			t.Errorf("%s is %q, want %q", setting, got, want)
		}
	}
	info, err := os.Stat(filepath.Join(d.o.Dir, "postgres.password"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the password file: %v %v, want mode 0600", info.Mode(), err)
	}
	server := d.proc.cmd.Process.Pid
	if group, err := syscall.Getpgid(server); err != nil || group != server {
		t.Errorf("the server is in process group %d, %v; want its own, which Ctrl-C does not reach", group, err)
	}
	conn, err := pgx.Connect(t.Context(), strings.Replace(d.URL(), d.password, "wrong", 1))
	if err == nil {
		_ = conn.Close(t.Context())
		t.Error("a wrong password was accepted")
	}
}

func TestStart_SecondProcessIsToldWhoHasTheFolder(t *testing.T) {
	dir := madeDir(t)
	d := start(t, Options{Dir: dir})
	second := startChild(t, childOrder{Dir: dir}, nil)
	if second.Busy != os.Getpid() {
		t.Errorf("the second process was told of process %d, want %d (error %q)", second.Busy, os.Getpid(), second.Err)
	}
	_, err := Start(t.Context(), Options{Dir: dir})
	var busy *BusyError
	if !errors.As(err, &busy) || busy.Dir != d.o.Dir {
		t.Errorf("a second start gives %v, want a BusyError for %s", err, d.o.Dir)
	}
	wantAlive(t, d)
}

func TestStart_AfterKillOfTheOwnerNothingCommittedIsLost(t *testing.T) {
	dir := madeDir(t)
	c := startChild(t, childOrder{Dir: dir}, nil)
	remember(t, c.URL)
	c.kill()
	d := start(t, Options{Dir: dir})
	wantMemory(t, d.URL())
	if serves(t.Context(), c.Server, d.cluster) {
		t.Error("the killed owner's server still runs")
	}
}

func TestStart_StopsAServerThatOutlivedItsOwner(t *testing.T) {
	dir := madeDir(t)
	d := start(t, Options{Dir: dir})
	remember(t, d.URL())
	d.proc.expected.Store(true)
	orphan := d.proc
	d.lock.release()
	second := start(t, Options{Dir: dir})
	if orphan.running() {
		t.Error("the first server still runs")
	}
	wantMemory(t, second.URL())
}

func TestStart_StaleProcessFileNamingAStrangerIsNoObstacle(t *testing.T) {
	dir := madeDir(t)
	d := start(t, Options{Dir: dir})
	remember(t, d.URL())
	d.proc.expected.Store(true)
	_ = d.proc.cmd.Process.Kill()
	<-d.proc.exited
	stop(t, &DB{lock: d.lock})
	stranger := exec.CommandContext(t.Context(), "sleep", "60")
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stranger.Process.Kill(); _ = stranger.Wait() })
	text, err := os.ReadFile(pidPath(d.cluster))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n")
	text = []byte(strconv.Itoa(stranger.Process.Pid) + "\n" + rest)
	if err := os.WriteFile(pidPath(d.cluster), text, 0o600); err != nil {
		t.Fatal(err)
	}
	wantMemory(t, start(t, Options{Dir: dir}).URL())
	if err := stranger.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the stranger was hurt: %v", err)
	}
}

func TestStart_EmptyProcessFileIsNoObstacle(t *testing.T) {
	dir := madeDir(t)
	d := start(t, Options{Dir: dir})
	stop(t, d)
	if err := os.WriteFile(pidPath(d.cluster), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wantAlive(t, start(t, Options{Dir: dir}))
}

func TestStart_LostPasswordIsReplaced(t *testing.T) {
	dir := madeDir(t)
	d := start(t, Options{Dir: dir})
	remember(t, d.URL())
	stop(t, d)
	if err := os.Remove(filepath.Join(dir, "postgres.password")); err != nil {
		t.Fatal(err)
	}
	wantMemory(t, start(t, Options{Dir: dir}).URL())
}

func TestStart_CutShortWhileMakingTheClusterIsDoneAgain(t *testing.T) {
	dir := scratch(t)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Start(ctx, Options{Dir: dir, Progress: func(line string) {
		if strings.HasPrefix(line, "Making") {
			cancel()
		}
	}})
	if err == nil {
		t.Fatal("a start whose context ended succeeded")
	}
	wantAlive(t, start(t, Options{Dir: dir}))
	if left, _ := filepath.Glob(filepath.Join(dir, "postgres-new-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestRestartImmediate_KeepsTheURLAndWhatWasCommitted(t *testing.T) {
	d := start(t, Options{Dir: madeDir(t)})
	remember(t, d.URL())
	url := d.URL()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.RestartImmediate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("a session outlived the crash")
	}
	if d.URL() != url {
		t.Errorf("the URL changed to %s", d.URL())
	}
	wantMemory(t, url)
}

func TestStop_EndsTheServerEvenWhenTheContextIsOver(t *testing.T) {
	dir := madeDir(t)
	d := start(t, Options{Dir: dir})
	proc := d.proc
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = d.Stop(ctx)
	if proc.running() {
		t.Error("the server runs on")
	}
	wantAlive(t, start(t, Options{Dir: dir}))
}

func TestLaunch_TakenPortIsReportedAsSuch(t *testing.T) {
	first := start(t, Options{Dir: madeDir(t)})
	second := start(t, Options{Dir: scratch(t), Disposable: true})
	second.proc.quit()
	if err := second.launchOn(t.Context(), first.port); !errors.Is(err, errPortTaken) {
		t.Errorf("starting on a taken port gives %v, want %v", err, errPortTaken)
	}
}

func TestDisposable_OnlyACleanEndKeepsData(t *testing.T) {
	dir := scratch(t)
	d := start(t, Options{Dir: dir, Disposable: true})
	remember(t, d.URL())
	if got := ask(t, d.URL(), "show fsync"); got != "off" {
		t.Errorf("fsync is %q, want off", got)
	}
	d.proc.quit()
	d.lock.release()
	fresh := start(t, Options{Dir: dir, Disposable: true})
	if got := ask(t, fresh.URL(), "select coalesce(to_regclass('memory')::text, 'gone')"); got != "gone" {
		t.Error("data of an unclean end was kept")
	}
	remember(t, fresh.URL())
	stop(t, fresh)
	wantMemory(t, start(t, Options{Dir: dir, Disposable: true}).URL())
}

func wantAlive(t *testing.T, d *DB) {
	t.Helper()
	if got := ask(t, d.URL(), "select 'alive'"); got != "alive" {
		t.Errorf("the server answers %q", got)
	}
}
