//go:build system

package main_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/eggapi/eggapi/internal/apitest"
)

// clientSteps are the lines, in order and after "ok ", that the scenario of every generated client prints.
// See tools/clients/README.md.
var clientSteps = []string{
	"models", "generate", "replay", "completed", "download", "usage", "unauthorized", "not-found", "validation", "rate-limited",
}

const (
	clientsFolder = "../../tools/clients"
	// A first build fetches a generator and compiles all that it wrote, on a machine busy with other things.
	clientBuildPatience = 15 * time.Minute
	clientRunPatience   = 3 * time.Minute
)

// clientServer sets a server up behind a proxy, with a limit that a client meets within seconds and that still leaves it
// room to poll.
func clientServer(proxy *apitest.Proxy) []string {
	return []string{"EGGAPI_IP_LIMIT=0", "EGGAPI_KEY_LIMIT=15", "EGGAPI_PUBLIC_URL=" + proxy.URL}
}

// Each client has servers of its own: it uses up the limit of its key, and what it was answered fails its own test.
func TestClients_SystemGeneratedClientsWalkThroughTheAPI(t *testing.T) {
	for _, folder := range generatedClients(t) {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			buildClient(t, folder)
			t.Run("live", func(t *testing.T) {
				proxy := apitest.NewProxy(t)
				addr := freeAddr(t)
				proxy.Forward(t, "http://"+addr)
				d := startDev(t, devPlan{addr: addr, args: []string{"--no-demo"}, env: clientServer(proxy)})
				mustWalk(t, clientWalk{folder: folder, url: proxy.URL, key: d.TestKey})
			})
			t.Run("mock", func(t *testing.T) {
				proxy := apitest.NewProxy(t)
				addr := freeAddr(t)
				proxy.Forward(t, "http://"+addr)
				key := startMock(t, addr, clientServer(proxy))
				mustWalk(t, clientWalk{folder: folder, url: proxy.URL, key: key})
			})
		})
	}
}

// generatedClients lists the folders that hold a generator and a scenario. Each must be told of in docs/clients.md.
func generatedClients(t *testing.T) []string {
	t.Helper()
	scripts, err := filepath.Glob(filepath.Join(clientsFolder, "*", "run"))
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no client under %s: %v", clientsFolder, err)
	}
	told, err := os.ReadFile("../../docs/clients.md")
	if err != nil {
		t.Fatal(err)
	}
	var folders []string
	for _, script := range scripts {
		folder, err := filepath.Abs(filepath.Dir(script))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(told), filepath.Base(folder)) {
			t.Errorf("docs/clients.md does not tell of tools/clients/%s", filepath.Base(folder))
		}
		folders = append(folders, folder)
	}
	return folders
}

// buildClient builds twice: the second time nothing has changed, and nothing may be done.
func buildClient(t *testing.T, folder string) {
	t.Helper()
	for _, again := range []bool{false, true} {
		ctx, cancel := context.WithTimeout(t.Context(), clientBuildPatience)
		from := time.Now()
		printed, err := script(ctx, filepath.Join(folder, "build"))
		cancel()
		if err != nil {
			t.Fatalf("build: %v\n%s", err, printed)
		}
		if again && printed != "" {
			t.Errorf("nothing has changed, yet the second build printed:\n%s", printed)
		}
		t.Logf("build took %.1f s", time.Since(from).Seconds())
	}
}

// clientWalk is one run of a scenario.
type clientWalk struct{ folder, url, key string }

func mustWalk(t *testing.T, w clientWalk) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), clientRunPatience)
	defer cancel()
	from := time.Now()
	if err := w.take(ctx); err != nil {
		t.Error(err)
	}
	t.Logf("run took %.1f s", time.Since(from).Seconds())
}

// take runs the scenario, which must end well and have told of every step, in order.
func (w clientWalk) take(ctx context.Context) error {
	printed, err := script(ctx, filepath.Join(w.folder, "run"), "EGGAPI_URL="+w.url, "EGGAPI_KEY="+w.key)
	if err != nil {
		return fmt.Errorf("run: %w\n%s", err, printed)
	}
	var taken []string
	for line := range strings.Lines(printed) {
		if step, ok := strings.CutPrefix(strings.TrimSpace(line), "ok "); ok {
			taken = append(taken, step)
		}
	}
	if !slices.Equal(taken, clientSteps) {
		return fmt.Errorf("the steps taken are %q, not %q; printed was:\n%s", taken, clientSteps, printed)
	}
	return nil
}

// script runs a script and all that it starts, and gives what they print.
func script(ctx context.Context, path string, env ...string) (string, error) {
	cmd := exec.CommandContext(ctx, path)
	cmd.Dir = filepath.Dir(path)
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = stopPatience
	printed, err := cmd.CombinedOutput()
	return string(printed), err
}

var mockKey = regexp.MustCompile(`test key +(egg_test_\w+)`)

// startMock starts `eggapi mock` and gives the key that it printed.
func startMock(t *testing.T, addr string, env []string) string {
	t.Helper()
	p := start(t, command{args: []string{"mock"}, env: append([]string{"EGGAPI_ADDR=" + addr}, env...)})
	p.until(t, "Press Ctrl-C to stop.", startPatience)
	found := mockKey.FindStringSubmatch(p.output.String())
	if found == nil {
		t.Fatalf("the mock printed no test key:\n%s", p.output)
	}
	return found[1]
}
