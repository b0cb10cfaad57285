//go:build system

package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/eggapi/eggapi/internal/apitest"
)

// The first page in a real browser, as its own script walks through it. What the browser is answered is held
// against the contract.
func TestSystem_FirstPageShowsAnImageAndItsCost(t *testing.T) {
	browser := findBrowser(t)
	d := startDevBehindProxy(t)
	kept, err := os.MkdirTemp("", "eggapi-page-") //nolint:usetesting // it stays after a failure
	if err != nil {
		t.Fatal(err)
	}
	screenshot := filepath.Join(kept, "first-page.png")
	node := exec.CommandContext(t.Context(), "node", "web/e2e/first-page.mjs")
	node.Dir = "../.."
	node.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "TMPDIR=" + t.TempDir(), "CHROMIUM=" + browser,
		"EGGAPI_DEV_JSON=" + filepath.Join(d.dir, "dev.json"), "SCREENSHOT=" + screenshot,
	}
	out, err := node.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("%v; the page as it was last seen: %s (missing when no image was shown; make node-web brings what the script needs)", err, screenshot)
	}
	if info, err := os.Stat(screenshot); err != nil || info.Size() == 0 {
		t.Errorf("no screenshot was taken: %v", err)
	}
	if err := os.RemoveAll(kept); err != nil {
		t.Error(err)
	}
}

// startDevBehindProxy starts a service all of whose answers, to its own demo too, are held against the contract.
func startDevBehindProxy(t *testing.T, env ...string) *dev {
	t.Helper()
	proxy, addr := apitest.NewProxy(t), freeAddr(t)
	proxy.Forward(t, "http://"+addr)
	return startDev(t, devPlan{addr: addr, env: append(env, "EGGAPI_PUBLIC_URL="+proxy.URL)})
}

func findBrowser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("no Chromium on this machine: type tools/setup, which installs it or tells how")
	return ""
}
