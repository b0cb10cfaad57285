//go:build system

package main_test

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

var pythonBlock = regexp.MustCompile("(?s)```python\n(.*?)```")

// The receiver of the documentation, as it stands there, believes us and nobody else.
func TestSystem_DocumentedPythonVerifiesAWebhook(t *testing.T) {
	d := sharedDev(t)
	addr := freeAddr(t)
	printed := runReceiver(t, addr, d.WebhookSecret)

	taskID := submit(t, withKey(t, d.URL, d.LiveKey), "an egg in the post", "http://"+addr+"/")
	eventually(t, taskPatience, "Python has verified the webhook", func() bool {
		return strings.Contains(printed.String(), "verified ")
	})
	mustContain(t, printed.String(), `"task_id":"`+taskID+`"`, `"event":"task.completed"`, `"cost":"0.010000"`)

	forged, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr, bytes.NewReader([]byte(`{"event":"task.completed"}`)))
	if err != nil {
		t.Fatal(err)
	}
	forged.Header.Set("X-EggAPI-Timestamp", "1764000000")
	forged.Header.Set("X-EggAPI-Signature", "sha256="+strings.Repeat("0", 64))
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(forged)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusUnauthorized {
		t.Errorf("Python answered a forged webhook with %d", response.StatusCode)
	}
}

// runReceiver runs the first two Python blocks of docs/webhooks.md, and nothing else.
func runReceiver(t *testing.T, addr, secret string) *output {
	t.Helper()
	text, err := os.ReadFile("../../docs/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := pythonBlock.FindAllStringSubmatch(string(text), -1)
	if len(blocks) < 2 {
		t.Fatal("docs/webhooks.md has lost its Python")
	}
	if n := strings.Count(strings.TrimSpace(blocks[0][1]), "\n") + 1; n > 10 {
		t.Errorf("verifying takes %d lines of Python", n)
	}
	python := exec.CommandContext(t.Context(), "python3", "-")
	python.Stdin = strings.NewReader(blocks[0][1] + blocks[1][1])
	python.Env = []string{"PATH=" + os.Getenv("PATH"), "WEBHOOK_SECRET=" + secret, "PORT=" + addr[strings.LastIndexByte(addr, ':')+1:]}
	printed := &output{}
	python.Stdout, python.Stderr = printed, printed
	if err := python.Start(); err != nil {
		t.Fatalf("python3 is needed: %v", err)
	}
	t.Cleanup(func() {
		_ = python.Process.Kill()
		_ = python.Wait()
		if t.Failed() {
			t.Logf("Python printed:\n%s", printed)
		}
	})
	eventually(t, taskPatience, "Python listens", func() bool { return listens(addr) })
	return printed
}
