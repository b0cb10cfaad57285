//go:build system

package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/eggapi/eggapi/internal/devdb"
)

// dev is a running `eggapi dev`.
type dev struct {
	*process
	dir  string
	took time.Duration // from the start to the welcome
	account
}

// account is what dev.json tells.
type account struct {
	URL           string `json:"url"`
	Email         string `json:"email"`
	Password      string `json:"password"`
	LiveKey       string `json:"live_key"`
	TestKey       string `json:"test_key"`
	WebhookSecret string `json:"webhook_secret"`
}

// devPlan says how to start one. Empty members get a fresh folder and a free address.
type devPlan struct {
	dir, addr string
	args      []string
	env       []string
	user      *syscall.Credential
}

func (d devPlan) command(t *testing.T) (command, string) {
	t.Helper()
	if d.dir == "" {
		d.dir = filepath.Join(folder(t), "data")
	}
	if d.addr == "" {
		d.addr = freeAddr(t)
	}
	env := append([]string{"EGGAPI_DATA_DIR=" + d.dir, "EGGAPI_ADDR=" + d.addr}, d.env...)
	return command{args: append([]string{"dev"}, d.args...), env: env, user: d.user}, d.dir
}

// startDev starts one and waits for its welcome.
func startDev(t *testing.T, plan devPlan) *dev {
	t.Helper()
	c, dir := plan.command(t)
	from := time.Now()
	return welcomed(t, start(t, c), dir, from)
}

// welcomed waits until a process that was started says that it is ready.
func welcomed(t *testing.T, p *process, dir string, from time.Time) *dev {
	t.Helper()
	d := &dev{process: p, dir: dir}
	d.until(t, "EggAPI is ready", startPatience)
	d.took = time.Since(from)
	d.until(t, "Follow it", taskPatience)
	text, err := os.ReadFile(filepath.Join(dir, "dev.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &d.account); err != nil {
		t.Fatal(err)
	}
	return d
}

// settled waits until the demo is over and nothing but requests is going on.
func (d *dev) settled(t *testing.T) {
	t.Helper()
	d.until(t, "Press Ctrl-C to stop.", taskPatience)
}

// shared is one instance for the tests that only ask it for something.
var shared struct {
	sync.Mutex
	dev  *dev
	root string
}

func sharedDev(t *testing.T) *dev {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.dev != nil {
		return shared.dev
	}
	root := filepath.Join(filepath.Dir(binary), "shared")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	c, dir := devPlan{dir: filepath.Join(root, "data"), args: []string{"--no-demo"}}.command(t)
	from := time.Now()
	p, err := launch(c)
	if err != nil {
		t.Fatal(err)
	}
	shared.dev = &dev{process: p} // so that it is stopped even when it never gets ready
	shared.dev = welcomed(t, p, dir, from)
	return shared.dev
}

func stopShared() {
	if shared.dev == nil {
		return
	}
	shared.dev.end()
	if code := shared.dev.cmd.ProcessState.ExitCode(); code != 0 {
		fmt.Fprintf(os.Stderr, "the shared instance ended with %d after printing:\n%s\n", code, shared.dev.output)
	}
}

// fetchedPostgres names the server that this machine has fetched already, so that no test has to fetch it for
// another account. It is empty before the first fetch.
func fetchedPostgres(t *testing.T) []string {
	t.Helper()
	cache, err := devdb.CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	found, _ := filepath.Glob(filepath.Join(cache, "postgresql-*", "bin"))
	if len(found) == 0 {
		return nil
	}
	return []string{"EGGAPI_POSTGRES_BIN=" + found[len(found)-1]}
}
