//go:build system

package main_test

import (
	"bytes"
	"context"
	"image/png"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/eggapi/eggapi/gen/apiclient"
	"github.com/eggapi/eggapi/internal/apitest"
)

const sessionCookie = "better-auth.session_token"

// withKey gives a client that sends an API key. Every answer is checked against the contract.
func withKey(t *testing.T, url, key string) *apiclient.ClientWithResponses {
	t.Helper()
	return client(t, url, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+key) })
}

func anonymous(t *testing.T, url string) *apiclient.ClientWithResponses {
	t.Helper()
	return client(t, url, func(r *http.Request) { r.Header.Set("Origin", url) })
}

func client(t *testing.T, url string, edit func(*http.Request)) *apiclient.ClientWithResponses {
	t.Helper()
	c, err := apiclient.NewClientWithResponses(url, apiclient.WithHTTPClient(apitest.Checked(t)),
		apiclient.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
			edit(r)
			return nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// signedIn gives a client with a session, and its cookie.
func signedIn(t *testing.T, url, email, password string) (*apiclient.ClientWithResponses, *http.Cookie) {
	t.Helper()
	in, err := anonymous(t, url).SignInEmailWithResponse(t.Context(), apiclient.SignInRequest{Email: email, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	return withCookieOf(t, url, in.HTTPResponse, in.Body)
}

func withCookieOf(t *testing.T, url string, response *http.Response, body []byte) (*apiclient.ClientWithResponses, *http.Cookie) {
	t.Helper()
	for _, cookie := range response.Cookies() {
		if cookie.Name == sessionCookie && response.StatusCode == http.StatusOK {
			return client(t, url, func(r *http.Request) {
				r.AddCookie(&http.Cookie{Name: cookie.Name, Value: cookie.Value})
				r.Header.Set("Origin", url)
			}), cookie
		}
	}
	t.Fatalf("no session: %s %s", response.Status, body)
	return nil, nil
}

// submit asks for an image and gives the id of its task.
func submit(t *testing.T, c *apiclient.ClientWithResponses, prompt, webhookURL string) string {
	t.Helper()
	request := apiclient.GenerateRequest{Model: "nanobanana", Prompt: prompt}
	if webhookURL != "" {
		request.WebhookURL = &webhookURL
	}
	got, err := c.GenerateWithResponse(t.Context(), nil, request)
	if err != nil {
		t.Fatal(err)
	}
	if got.JSON202 == nil {
		t.Fatalf("ask for an image: %s %s", got.Status(), got.Body)
	}
	return got.JSON202.Data.ID
}

// taskOf reads a task.
func taskOf(t *testing.T, c *apiclient.ClientWithResponses, id string) apiclient.Task {
	t.Helper()
	got, err := c.GetTaskWithResponse(t.Context(), id, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.JSON200 == nil {
		t.Fatalf("read task %s: %s %s", id, got.Status(), got.Body)
	}
	return got.JSON200.Data
}

// completed waits for a task's end, which must be a good one.
func completed(t *testing.T, c *apiclient.ClientWithResponses, id string) apiclient.Task {
	t.Helper()
	var task apiclient.Task
	eventually(t, taskPatience, "task "+id+" has ended", func() bool {
		task = taskOf(t, c, id)
		return task.CompletedAt != nil
	})
	if task.Status != "completed" || task.Output == nil {
		t.Fatalf("task %s ended as %s: %+v", id, task.Status, task.Failure)
	}
	return task
}

// chargesFor lists the ledger's amounts for a task.
func chargesFor(t *testing.T, session *apiclient.ClientWithResponses, taskID string) []string {
	t.Helper()
	got, err := session.ListTransactionsWithResponse(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.JSON200 == nil {
		t.Fatalf("read the ledger: %s", got.Body)
	}
	var amounts []string
	for _, entry := range got.JSON200.Data.Items {
		if entry.TaskID != nil && *entry.TaskID == taskID {
			amounts = append(amounts, entry.Kind+" "+entry.Amount)
		}
	}
	return amounts
}

func balanceOf(t *testing.T, session *apiclient.ClientWithResponses) apiclient.Balance {
	t.Helper()
	got, err := session.GetBalanceWithResponse(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.JSON200 == nil {
		t.Fatalf("read the balance: %s", got.Body)
	}
	return got.JSON200.Data
}

// get fetches an address without a credential.
func get(t *testing.T, url string) (status int, header http.Header, body []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	plain := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	response, err := plain.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err = io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, body
}

// mustBeImage fetches an image, which must be a PNG of 1376 x 768.
func mustBeImage(t *testing.T, url string) {
	t.Helper()
	status, header, body := get(t, url)
	if status != http.StatusOK || header.Get("Content-Type") != "image/png" {
		t.Fatalf("GET %s: %d %s", url, status, header.Get("Content-Type"))
	}
	image, err := png.Decode(bytes.NewReader(body))
	if err != nil {
		t.Fatalf("GET %s: %v", url, err)
	}
	if size := image.Bounds().Size(); size.X != 1376 || size.Y != 768 {
		t.Errorf("GET %s: the image is %d x %d", url, size.X, size.Y)
	}
}
