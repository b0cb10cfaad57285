package devdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eggapi/eggapi/internal/fault"
)

const (
	startTimeout = 2 * time.Minute  // recovery after a crash reads up to 1 GB of log
	busyTimeout  = 15 * time.Second // for a taken port or sessions of a killed server to go away
	maxLogBytes  = 8 << 20
	logTailBytes = 4 << 10
)

var (
	errPortTaken  = errors.New("the port was taken by another program")
	errStillInUse = errors.New("sessions of a killed server still use the data")
	//nolint:gosec // names of settings, no secrets
	defaultSetting = map[string]string{
		"listen_addresses":        "127.0.0.1",
		"unix_socket_directories": "",
		"max_connections":         "200",
		"shared_buffers":          "128MB",
		"timezone":                "UTC",
		"log_timezone":            "UTC",
		"log_line_prefix":         "%m [%p] ",
		"password_encryption":     "scram-sha-256",
		"logging_collector":       "off",
		"jit":                     "off",
	}
	disposableSetting = map[string]string{
		"fsync":              "off",
		"synchronous_commit": "off",
		"full_page_writes":   "off",
		// In the cluster's folder, so that throwing the folder away leaves nothing in the system's.
		"dynamic_shared_memory_type": "mmap",
	}
)

// launch starts the server on a free port.
func (d *DB) launch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	deadline := time.Now().Add(busyTimeout)
	for {
		port, err := freePort(ctx)
		if err != nil {
			return err
		}
		err = d.launchOn(ctx, port)
		again := errors.Is(err, errPortTaken) || errors.Is(err, errStillInUse)
		if !again || time.Now().After(deadline) {
			return err
		}
	}
}

// launchOn starts the server on the port and waits until it answers. On failure nothing is left running.
func (d *DB) launchOn(ctx context.Context, port int) error {
	d.port = port
	log, err := d.openLog()
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	before, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return fault.Wrap(err, "open the server's log")
	}
	// The server outlives ctx, which is only about starting it.
	cmd := d.who.command(context.WithoutCancel(ctx), d.bin.path("postgres"), d.arguments(port)...)
	cmd.Stdout, cmd.Stderr = log, log
	p, err := spawn(cmd)
	if err != nil {
		return fault.Wrap(err, "start the server")
	}
	if err := d.ready(ctx, p); err != nil {
		p.quit()
		return explain(err, log.Name(), before)
	}
	d.proc = p
	go p.watch(context.WithoutCancel(ctx), d.o.Logger)
	return nil
}

func (d *DB) arguments(port int) []string {
	settings := maps.Clone(defaultSetting)
	if d.o.Disposable {
		maps.Copy(settings, disposableSetting)
	}
	maps.Copy(settings, d.o.Settings)
	settings["port"] = fmt.Sprint(port)
	args := []string{"-D", d.cluster}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	return args
}

// ready waits until the server says in its process file that it is, then logs in once.
func (d *DB) ready(ctx context.Context, p *process) error {
	said := func() bool {
		f, err := readPIDFile(d.cluster)
		return err == nil && f.pid == p.cmd.Process.Pid && f.status == "ready"
	}
	if _, err := waitUntil(ctx, startTimeout, func() bool { return !p.running() || said() }); err != nil {
		return err
	}
	if !p.running() {
		return fmt.Errorf("the server ended: %w", p.err)
	}
	conn, err := pgx.Connect(ctx, d.address())
	if err != nil {
		return fault.Wrap(err, "log in to the server")
	}
	return fault.Wrap(conn.Close(ctx), "log out of the server")
}

// explain adds what the server wrote since offset.
func explain(err error, logPath string, offset int64) error {
	text := tail(logPath, offset)
	switch {
	case strings.Contains(text, "could not bind"), strings.Contains(text, "could not create any TCP/IP sockets"):
		return errPortTaken
	case strings.Contains(text, "is still in use"):
		return errStillInUse
	case text == "":
		return err
	}
	return fmt.Errorf("%w; its log says: %s", err, text)
}

func tail(path string, offset int64) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	if end, err := f.Seek(0, io.SeekEnd); err == nil {
		offset = max(offset, end-logTailBytes)
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return ""
	}
	text, _ := io.ReadAll(f)
	return strings.TrimSpace(string(text))
}

// openLog gives the file the server writes to. A file, because a server whose reader was killed must still be
// able to write while it shuts down.
func (d *DB) openLog() (*os.File, error) {
	path := filepath.Join(d.o.Dir, "postgres.log")
	if info, err := os.Stat(path); err == nil && info.Size() > maxLogBytes {
		_ = os.Rename(path, path+".old")
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	return f, fault.Wrap(err, "open the server's log")
}

// freePort finds a port nobody listens on now. Another program may take it before the server does.
func freePort(ctx context.Context) (int, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, fault.Wrap(err, "find a free port")
	}
	defer func() { _ = l.Close() }()
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return 0, errors.New("find a free port: no TCP address")
	}
	return addr.Port, nil
}
