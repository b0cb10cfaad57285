package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/eggapi/eggapi/gen/apiclient"
	"github.com/eggapi/eggapi/internal/app"
	"github.com/eggapi/eggapi/internal/webhook"
)

const demoPatience = 30 * time.Second

// receiver takes webhooks on this machine, as a customer's server would, and says whether they verify.
type receiver struct {
	url      string
	process  *process
	secret   string
	server   *http.Server
	received chan string // ids of tasks whose webhook verified
}

func newReceiver(ctx context.Context, p *process, secret string) (*receiver, error) {
	l, err := listen(ctx, "127.0.0.1:0", "the loopback interface")
	if err != nil {
		return nil, err
	}
	r := &receiver{url: "http://" + l.Addr().String() + "/webhooks", process: p, secret: secret, received: make(chan string, 16)}
	r.server = app.NewHTTPServer(r)
	r.server.BaseContext = func(net.Listener) context.Context { return ctx }
	go func() { _ = r.server.Serve(l) }()
	return r, nil
}

func (r *receiver) close() { _ = r.server.Close() }

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(io.LimitReader(req.Body, 1<<20))
	if err != nil {
		return
	}
	if err := webhook.Verify(r.secret, req.Header.Get, body, time.Now(), 5*time.Minute); err != nil {
		r.process.say("webhook    received, but its signature does not verify: %v", err)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	r.process.say("webhook    signature verified: %s", body)
	var event struct {
		TaskID string `json:"task_id"`
	}
	if json.Unmarshal(body, &event) != nil {
		return
	}
	select {
	case r.received <- event.TaskID:
	default:
	}
}

// demo makes one small image through the public API with the test key, and prints its life.
func (p *process) demo(ctx context.Context, s seeded, r *receiver) error {
	ctx, cancel := context.WithTimeout(ctx, demoPatience)
	defer cancel()
	client, err := apiclient.NewClientWithResponses(s.URL, apiclient.WithRequestEditorFn(func(_ context.Context, req *http.Request) error {
		req.Header.Set("Authorization", "Bearer "+s.TestKey)
		return nil
	}))
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	resolution := apiclient.GenerateRequestResolutionN1K
	p.say("\nOne image with the test key, through the public API:")
	asked := time.Now()
	accepted, err := client.GenerateWithResponse(ctx, nil, apiclient.GenerateRequest{
		Model: "nanobanana", Prompt: "A lighthouse made of eggshell at dawn", Resolution: &resolution, WebhookURL: &r.url,
	})
	if err != nil {
		return fmt.Errorf("ask for an image: %w", err)
	}
	if accepted.JSON202 == nil {
		return fmt.Errorf("ask for an image: answered %s", accepted.Status())
	}
	p.say("accepted   %s", accepted.JSON202.Data.ID)
	t, err := waitForEnd(ctx, client, accepted.JSON202.Data.ID)
	if err != nil {
		return err
	}
	if t.Output == nil {
		return fmt.Errorf("the task ended as %s", t.Status)
	}
	p.say("%-10s in %.2f s, cost %s\nimage      %s", t.Status, time.Since(asked).Seconds(), t.Cost, t.Output.URL)
	summary, err := client.SummarizeUsageWithResponse(ctx, nil)
	if err != nil || summary.JSON200 == nil {
		return errors.Join(errors.New("read the usage"), err)
	}
	for _, u := range summary.JSON200.Data {
		p.say("usage      %s: %d images in %d requests, %s (test usage is free)", u.Model, u.TotalUnits, u.RequestCount, u.TotalCost)
	}
	return r.waitFor(ctx, t.ID)
}

// waitFor waits for the webhook of a task. Others may come first, from requests made by hand.
func (r *receiver) waitFor(ctx context.Context, taskID string) error {
	for {
		select {
		case got := <-r.received:
			if got == taskID {
				return nil
			}
		case <-ctx.Done():
			return errors.New("the webhook did not arrive")
		}
	}
}

func waitForEnd(ctx context.Context, client *apiclient.ClientWithResponses, taskID string) (apiclient.Task, error) {
	for {
		got, err := client.GetTaskWithResponse(ctx, taskID, nil)
		if err != nil {
			return apiclient.Task{}, fmt.Errorf("follow the task: %w", err)
		}
		if got.JSON200 == nil {
			return apiclient.Task{}, fmt.Errorf("follow the task: answered %s", got.Status())
		}
		if t := got.JSON200.Data; t.CompletedAt != nil {
			return t, nil
		}
		select {
		case <-ctx.Done():
			return apiclient.Task{}, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (p *process) printWelcome(n devNode, s seeded, webhookURL string) {
	p.say("\nEggAPI is ready after %.1f s.\n", time.Since(n.started).Seconds())
	p.say("  page       %s\n  sign in    %s  %s\n  live key   %s\n  test key   %s", s.URL, s.Email, s.Password, s.LiveKey, s.TestKey)
	p.say("  webhooks   secret %s; %s verifies what it gets", s.WebhookSecret, webhookURL)
	p.say("  docs       %s/docs\n  all this   %s", s.URL, filepath.Join(n.config.DataDir, "dev.json"))
	if n.config.GeminiAPIKey == "" {
		p.say("\nNo provider key is set (EGGAPI_GEMINI_API_KEY), so live models are drawn by the built-in sandbox.")
	}
	p.say("\nMake an image:\n")
	p.say(`curl -s %s/v1/generate -H "Authorization: Bearer %s" -H "Content-Type: application/json" -d '{"model":"nanobanana","prompt":"A lighthouse made of eggshell at dawn","webhook_url":"%s"}'`,
		s.URL, s.LiveKey, webhookURL)
	p.say("\nFollow it (put in the id):\n\ncurl -s %s/v1/tasks/ID -H \"Authorization: Bearer %s\"", s.URL, s.LiveKey)
}
