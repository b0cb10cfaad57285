//go:build system

package bench

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// orderBody is what every order says.
const orderBody = `{"model":"nanobanana","prompt":"A lighthouse made of eggshell at dawn, seen from a small boat","aspect_ratio":"16:9","num_outputs":1,"resolution":"1k"}`

// requestsEnd stands between the requests of a file; no request contains it.
const requestsEnd = "\x1e"

const askedTasks = 1000 // of those that have ended

// writeRequests lays down what is asked, in whole requests of HTTP/1.1.
func (s *stage) writeRequests(t *testing.T, requests []string) (path string) {
	t.Helper()
	file, err := os.CreateTemp(s.dir, "requests-*")
	if err != nil {
		t.Fatalf("write the requests: %v", err)
	}
	defer func() { _ = file.Close() }()
	if _, err := file.WriteString(strings.Join(requests, requestsEnd)); err != nil {
		t.Fatalf("write the requests: %v", err)
	}
	return filepath.Join(s.dir, filepath.Base(file.Name()))
}

// gets asks for each of some tasks that have ended.
func (s *stage) gets(t *testing.T) (path string) {
	t.Helper()
	var requests []string
	for n := range askedTasks {
		requests = append(requests, fmt.Sprintf("GET /v1/tasks/gen_%d HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\n\r\n", n+1, s.keys[0]))
	}
	return s.writeRequests(t, requests)
}

// posts holds an order of each of some keys, in an order that is the same in every run. With hooks, each names one of
// them to be told.
func (s *stage) posts(t *testing.T, keys, hooks []string) (path string) {
	t.Helper()
	var requests []string
	for i, n := range rand.New(rand.NewPCG(1, 2)).Perm(len(keys)) {
		body := orderBody
		if len(hooks) > 0 {
			body = strings.TrimSuffix(body, "}") + fmt.Sprintf(`,"webhook_url":%q}`, hooks[i%len(hooks)])
		}
		requests = append(requests, fmt.Sprintf("POST /v1/generate HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			keys[n], len(body), body))
	}
	return s.writeRequests(t, requests)
}
