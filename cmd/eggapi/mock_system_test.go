//go:build system

package main_test

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// mockPatience is how soon after the process began the mock answers, as the median of some starts.
const (
	mockStarts   = 5
	mockPatience = 500 * time.Millisecond
)

// launchMock starts a mock with nothing but an empty folder, and gives how long it took to be ready.
func launchMock(t *testing.T, home string, flags ...string) (p *process, url string, took time.Duration) {
	t.Helper()
	addr := freeAddr(t)
	url = "http://" + addr
	from := time.Now()
	p = start(t, command{
		args: append([]string{"mock", "--addr", addr}, flags...),
		env:  []string{"HOME=" + home, "TMPDIR=" + home, "EGGAPI_DATA_DIR=" + filepath.Join(home, "data"), "DATABASE_URL=postgres://127.0.0.1:1/nowhere"},
	})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		response, err := client.Get(url + "/readyz")
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode != http.StatusOK {
				t.Fatalf("the mock is not ready: %s", response.Status)
			}
			return p, url, time.Since(from)
		}
		if !p.running() {
			t.Fatal("the mock ended before it was ready")
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func TestSystem_MockIsReadyInHalfASecond(t *testing.T) {
	var times []time.Duration
	for range mockStarts {
		p, _, took := launchMock(t, t.TempDir())
		times = append(times, took)
		p.stop(t, syscall.SIGTERM)
	}
	slices.Sort(times)
	t.Logf("ready after %s", times)
	if median := times[len(times)/2]; median > mockPatience {
		t.Errorf("the median start takes %s; at most %s was promised", median, mockPatience)
	}
}

func TestSystem_MockDoesTheMainJobWithWhatItPrints(t *testing.T) {
	p, url, _ := launchMock(t, t.TempDir(), "--latency", "20ms")
	p.until(t, "Ctrl-C", startPatience)
	key := regexp.MustCompile(`egg_test_\w{38}`).FindString(p.output.String())
	secret := regexp.MustCompile(`whsec_\S{44}`).FindString(p.output.String())
	hooks := receive(t, func() string { return secret })
	c := withKey(t, url, key)
	taskID := submit(t, c, "an egg without a database", hooks.url)
	task := completed(t, c, taskID)
	mustBeImage(t, task.Output.URL)
	hooks.mustVerify(t, `"task_id":"`+taskID+`"`, `"url":"`+task.Output.URL+`"`)
	if !strings.Contains(p.output.String(), "in memory") {
		t.Error("the mock does not say that its state is in memory")
	}
}

func TestSystem_MockWritesNoFileAndEndsInOrder(t *testing.T) {
	home := t.TempDir()
	p, url, _ := launchMock(t, home)
	p.until(t, "Ctrl-C", startPatience)
	c := withKey(t, url, regexp.MustCompile(`egg_test_\w{38}`).FindString(p.output.String()))
	completed(t, c, submit(t, c, "an egg in memory", ""))
	submit(t, c, "[[slow:10m]]", "") // under way when the end comes
	planted := filepath.Join(t.TempDir(), "planted")
	file, err := os.Create(planted)
	if err != nil {
		t.Fatal(err)
	}
	if seen := openFiles(t, os.Getpid()); seen != nil && !slices.Contains(seen, planted) {
		t.Errorf("an open file goes unnoticed among %v", seen)
	}
	_ = file.Close()
	for _, file := range openFiles(t, p.cmd.Process.Pid) {
		t.Errorf("the mock has %s open", file)
	}
	if code, took := p.stop(t, syscall.SIGTERM); code != 0 || took > 3*time.Second {
		t.Errorf("ended with %d after %s", code, took)
	}
	left, err := os.ReadDir(home)
	if err != nil || len(left) > 0 {
		t.Errorf("the mock left %v behind (%v)", left, err)
	}
}

// openFiles names the files of a process that are neither devices, pipes nor sockets. Only Linux tells.
func openFiles(t *testing.T, pid int) []string {
	t.Helper()
	dir := filepath.Join("/proc", strconv.Itoa(pid), "fd")
	links, err := os.ReadDir(dir)
	if err != nil {
		t.Logf("open files cannot be listed here: %v", err)
		return nil
	}
	var files []string
	for _, link := range links {
		target, err := os.Readlink(filepath.Join(dir, link.Name()))
		if err == nil && strings.HasPrefix(target, "/") && !strings.HasPrefix(target, "/dev/") && !strings.HasPrefix(target, "/sys/") && !strings.HasPrefix(target, "/proc/") {
			files = append(files, target)
		}
	}
	return files
}

func TestSystem_MockSaysInOneLineWhyItDoesNotStart(t *testing.T) {
	_, url, _ := launchMock(t, t.TempDir())
	taken := strings.TrimPrefix(url, "http://")
	for name, c := range map[string]struct {
		command command
		says    string
	}{
		"taken address":  {command{args: []string{"mock", "--addr", taken}}, "choose another with --addr"},
		"production":     {command{args: []string{"mock", "--addr", "127.0.0.1:0"}, env: []string{"EGGAPI_ENV=production"}}, "not for EGGAPI_ENV=production"},
		"negative times": {command{args: []string{"mock", "--addr", "127.0.0.1:0", "--latency=-1s"}}, "must not be negative"},
		"no network":     {command{args: []string{"mock", "--addr", "127.0.0.1:0", "--egress", "everywhere"}}, "egress"},
	} {
		code, printed := runToEnd(t, c.command)
		if code == 0 || !strings.Contains(printed, c.says) || strings.Count(printed, "\n") != 1 {
			t.Errorf("%s: %d %s", name, code, printed)
		}
	}
}
