//go:build system

package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/app"
	"github.com/eggapi/eggapi/internal/config"
	"github.com/eggapi/eggapi/internal/money"
	"github.com/eggapi/eggapi/internal/pg"
	"github.com/eggapi/eggapi/internal/provider"
)

// Secrets of the measured service.
const (
	authSecret = "a-secret-of-the-benchmark-0123456789-abcd"
	sealKey    = "bench:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
)

const publicURL = "http://bench.example"

// How many tasks a node works at a time, how many webhooks it sends and how many requests it answers: the defaults.
const (
	taskWorkers    = 100
	webhookWorkers = 50
	maxRequests    = 1024
)

// service is a process that answers.
type service struct {
	addr    string
	control string // where its profile is had
	pid     int
}

// startService starts a process that prints its two addresses, and ends it with the test.
func startService(t *testing.T, o order) *service {
	t.Helper()
	cmd := command(t, o)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatalf("start %s: %v", o.Part, err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	s := service{pid: cmd.Process.Pid}
	if _, err := fmt.Fscanln(bufio.NewReader(out), &s.addr, &s.control); err != nil {
		t.Fatalf("%s did not say where it is: %v", o.Part, err)
	}
	return &s
}

// startNode starts what `eggapi serve`, `eggapi work` or both are.
func (d *database) startNode(t *testing.T, serve, work bool) *service {
	t.Helper()
	return startService(t, order{Part: "node", DatabaseURL: d.url, DataDir: d.stage.dir, Serve: serve, Work: work, Conns: poolConns})
}

// serve prints the addresses and answers until ctx ends.
func serve(ctx context.Context, run func(net.Listener) error) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	control, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := &http.Server{Handler: profiler(), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = s.Serve(control) }()
	defer func() { _ = s.Close() }()
	_, _ = fmt.Fprintln(os.Stdout, l.Addr(), control.Addr())
	return run(l)
}

// runNode is the node that the commands start, without limits unless ordered, with a quiet log and a provider that answers at once.
func runNode(ctx context.Context, o order) error {
	node, err := app.New(ctx, app.Options{
		Config: config.Config{
			Environment: "development", DatabaseURL: config.Secret(o.DatabaseURL), DataDir: o.DataDir, PublicURL: publicURL,
			AuthSecrets: []config.Secret{authSecret}, SealKeys: []config.Secret{sealKey},
			KeyLimit: o.KeyLimit, DatabaseConns: int32(o.Conns), MaxRequests: maxRequests, TaskLeaseSeconds: 30, Workers: taskWorkers, WebhookWorkers: webhookWorkers,
			EgressAllow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		},
		Logger:   slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
		Registry: prometheus.NewRegistry(), Work: o.Work, Providers: provider.Registry{"gemini": newInstant()},
	})
	if err != nil {
		return err
	}
	if err := node.Start(ctx); err != nil {
		return err
	}
	for deadline := time.Now().Add(10 * time.Second); !node.Keyring.Listening(); {
		if time.Now().After(deadline) {
			return errors.New("the key cache does not listen")
		}
		time.Sleep(10 * time.Millisecond)
	}
	err = serve(ctx, func(l net.Listener) error {
		if o.Serve {
			return node.Serve(ctx, l, time.Second)
		}
		<-ctx.Done()
		return nil
	})
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	node.Stop(limit)
	return err
}

// serveBare is the least that could tell a task: the framework, the same query, the same JSON.
func serveBare(ctx context.Context, o order) error {
	pool, err := pg.Connect(ctx, o.DatabaseURL, pg.Options{MaxConns: int32(o.Conns)})
	if err != nil {
		return err
	}
	defer pool.Close()
	e := echo.New()
	e.GET("/v1/tasks/:id", func(c echo.Context) error {
		row, err := pg.Q.TaskGet(c.Request().Context(), pool, db.TaskGetParams{ID: c.Param("id"), UserID: firstUser, Environment: "live"})
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, api.TaskEnvelope{Data: toTask(row)})
	})
	return serve(ctx, func(l net.Listener) error {
		s := app.NewHTTPServer(e)
		go func() {
			<-ctx.Done()
			_ = s.Close()
		}()
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
}

func toTask(row db.TaskGetRow) api.Task {
	second := func(at *time.Time) *time.Time {
		if at == nil {
			return nil
		}
		whole := at.UTC().Truncate(time.Second)
		return &whole
	}
	urls := make([]string, len(row.Paths))
	for i, path := range row.Paths {
		urls[i] = publicURL + "/files/" + path
	}
	t := row.Task
	return api.Task{
		ID: t.ID, Status: t.Status, Model: t.Model, Type: t.Type, Cost: money.Dollars(t.CostMicros),
		CreatedAt: *second(&t.CreatedAt), StartedAt: second(t.StartedAt), CompletedAt: second(t.CompletedAt),
		Output: &api.TaskOutput{URL: urls[0], Urls: urls},
	}
}

// body gives what the service answers.
func (s *service) body(t *testing.T, path, key string) string {
	t.Helper()
	text, status, err := fetchText(t.Context(), "http://"+s.addr+path, key)
	if err != nil || status != http.StatusOK {
		t.Fatalf("ask for %s: %d %v", path, status, err)
	}
	return strings.TrimSpace(text)
}

func fetchText(ctx context.Context, url, key string) (string, int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", 0, err
	}
	r.Header.Set("Authorization", "Bearer "+key)
	client := http.Client{Timeout: 2 * time.Minute}
	response, err := client.Do(r)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return string(text), response.StatusCode, err
}

// profile records where the service's CPU time goes until the function it gives is called.
func (s *service) profile(t *testing.T, path string) (stop func()) {
	t.Helper()
	ask := func(action string) string {
		text, status, err := fetchText(t.Context(), "http://"+s.control+"/"+action, "")
		if err != nil || status != http.StatusOK {
			t.Fatalf("profile: %d %v", status, err)
		}
		return text
	}
	ask("start")
	return func() {
		if err := os.WriteFile(path, []byte(ask("stop")), 0o600); err != nil {
			t.Errorf("write the profile: %v", err)
		}
	}
}

// profiler starts and stops the recording of this process.
func profiler() http.Handler {
	var taken bytes.Buffer
	mux := http.NewServeMux()
	mux.HandleFunc("/start", func(w http.ResponseWriter, _ *http.Request) {
		taken.Reset()
		if err := pprof.StartCPUProfile(&taken); err != nil {
			w.WriteHeader(http.StatusConflict)
		}
	})
	mux.HandleFunc("/stop", func(w http.ResponseWriter, _ *http.Request) {
		pprof.StopCPUProfile()
		_, _ = w.Write(taken.Bytes())
	})
	return mux
}
