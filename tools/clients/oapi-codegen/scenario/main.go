// Command scenario walks through the API the way a customer's program does, with nothing but the generated client.
//
// Owns: the ten steps and the order they are printed in.
// Does not own: the client; oapi-codegen makes it from the contract.
// May touch: the generated client, the standard library.
// Always true: a step that is not as promised ends the program with 1.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"example.com/customer/target/eggapi"
)

// patience bounds the whole scenario.
const patience = 2 * time.Minute

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := run(ctx, os.Getenv("EGGAPI_URL"), os.Getenv("EGGAPI_KEY")); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// scenario is what the steps know of each other.
type scenario struct {
	customer, stranger *eggapi.ClientWithResponses
	request            eggapi.GenerateRequest
	idempotencyKey     string
	taskID, imageURL   string
}

func run(ctx context.Context, url, key string) error {
	customer, err := client(url, key)
	if err != nil {
		return err
	}
	stranger, err := client(url, "egg_test_wrong")
	if err != nil {
		return err
	}
	s := &scenario{
		customer: customer, stranger: stranger,
		request:        eggapi.GenerateRequest{Model: "nanobanana", Prompt: "A lighthouse made of eggshell, in Go"},
		idempotencyKey: fmt.Sprintf("oapi-codegen-%d", time.Now().UnixNano()),
	}
	steps := []struct {
		name string
		take func(context.Context) error
	}{
		{"models", s.models},
		{"generate", s.generate},
		{"replay", s.replay},
		{"completed", s.completed},
		{"download", s.download},
		{"usage", s.usage},
		{"unauthorized", s.unauthorized},
		{"not-found", s.notFound},
		{"validation", s.validation},
		{"rate-limited", s.rateLimited},
	}
	for _, step := range steps {
		if err := step.take(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		fmt.Println("ok", step.name)
	}
	return nil
}

func client(url, key string) (*eggapi.ClientWithResponses, error) {
	bearer := func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+key)
		return nil
	}
	c, err := eggapi.NewClientWithResponses(url, eggapi.WithRequestEditorFn(bearer))
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	return c, nil
}
