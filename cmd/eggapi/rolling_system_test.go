//go:build system

package main_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	rollingLoad     = 50 // requests per second
	rollingSeconds  = 5
	rollingStopsAt  = 1 * time.Second
	rollingDrain    = "2" // seconds
	rollingWritesIn = 10  // every n-th request asks for an image
)

// One of two API processes is stopped under load, as in an upgrade: no request fails but those that find nobody there.
func TestSystem_RollingRestartLosesNoRequest(t *testing.T) {
	d := newDeployment(t, "EGGAPI_DRAIN_SECONDS="+rollingDrain)
	d.work(t)
	leaving, staying := d.serve(t, hostOf(d.url)), d.serve(t, freeAddr(t))
	c := d.newCustomer(t)
	l := &load{key: c.testKey, urls: []string{leaving.url, staying.url}, client: &http.Client{Timeout: 20 * time.Second}}
	l.task = submit(t, withKey(t, d.url, c.testKey), "an egg to look at", "")

	stopped := make(chan struct{})
	time.AfterFunc(rollingStopsAt, func() {
		_ = leaving.cmd.Process.Signal(syscall.SIGTERM)
		close(stopped)
	})
	sawDraining := make(chan bool, 1)
	go func() {
		<-stopped
		sawDraining <- drains(t.Context(), leaving)
	}()
	l.run(t.Context())
	if code := leaving.wait(t, stopPatience); code != 0 {
		t.Errorf("the stopped process ended with %d", code)
	}
	if !<-sawDraining {
		t.Error("the stopped process never answered /readyz with 503")
	}
	t.Logf("%d answered, %d found the stopped process gone, %d failed", l.answered, l.refused, len(l.failures))
	if len(l.failures) > 0 {
		t.Errorf("failed requests, the first few: %s", strings.Join(l.failures[:min(5, len(l.failures))], "; "))
	}
	if l.refused == 0 || l.answered+l.refused != rollingLoad*rollingSeconds {
		t.Error("the load was not what it was meant to be")
	}
	if status, _, _ := get(t, staying.url+"/readyz"); status != http.StatusOK {
		t.Errorf("the other process answers /readyz with %d", status)
	}
}

// drains polls the readiness of a process that was told to stop, and tells whether it said that it is not ready.
func drains(ctx context.Context, n node) bool {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	for n.running() {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, n.url+"/readyz", nil)
		if err != nil {
			return false
		}
		if response, err := client.Do(request); err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusServiceUnavailable {
				return true
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	return false
}

// load asks several processes in turn, over connections that are kept.
type load struct {
	urls      []string
	key, task string
	client    *http.Client

	mu                sync.Mutex
	answered, refused int
	failures          []string
}

func (l *load) run(ctx context.Context) {
	var wg sync.WaitGroup
	tick := time.NewTicker(time.Second / rollingLoad)
	defer tick.Stop()
	for i := range rollingLoad * rollingSeconds {
		<-tick.C
		wg.Go(func() { l.note(l.ask(ctx, i)) })
	}
	wg.Wait()
}

func (l *load) ask(ctx context.Context, i int) error {
	url, method, path, body, want := l.urls[i%len(l.urls)], http.MethodGet, "/v1/tasks/"+l.task, "", http.StatusOK
	if i/len(l.urls)%rollingWritesIn == 0 {
		method, path, body, want = http.MethodPost, "/v1/generate", `{"model":"nanobanana","prompt":"one egg of many"}`, http.StatusAccepted
	}
	request, err := http.NewRequestWithContext(ctx, method, url+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+l.key)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Idempotency-Key", fmt.Sprint("rolling-", i))
	}
	response, err := l.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != want {
		err = fmt.Errorf("%s %s: %s %s", method, path, response.Status, text)
	}
	return err
}

func (l *load) note(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil:
		l.answered++
	case errors.Is(err, syscall.ECONNREFUSED):
		l.refused++
	default:
		l.failures = append(l.failures, err.Error())
	}
}

// Who does not want to wait for the drain signals again.
func TestSystem_SecondSignalEndsAtOnce(t *testing.T) {
	d := newDeployment(t, "EGGAPI_DRAIN_SECONDS=60")
	api := d.serve(t, hostOf(d.url))
	if err := api.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if !drains(t.Context(), api) {
		t.Fatal("the process does not drain")
	}
	if code, took := api.stop(t, syscall.SIGINT); code == 0 || took > time.Second {
		t.Errorf("ended with %d after %s", code, took)
	}
}
