// Command eggapi is the whole service in one binary.
//
// Owns: the command line, signals, and what is printed.
// Does not own: anything a request or a job does (internal/app wires that).
// May touch: everything; nothing imports it.
// Always true: a command that ends with 0 has stopped everything it started.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/eggapi/eggapi/internal/config"
)

var version = "dev"

type commands struct {
	Dev     devCommand     `cmd:"" help:"Serve and work with a private PostgreSQL and a demo account."`
	Serve   serveCommand   `cmd:"" help:"Serve the API and the dashboard."`
	Mock    mockCommand    `cmd:"" help:"Answer the contract from memory, for tests of clients; no database."`
	Work    workCommand    `cmd:"" help:"Work the queues."`
	Migrate migrateCommand `cmd:"" help:"Change or show the schema of the database."`
	Admin   adminCommand   `cmd:"" help:"Operate the service by hand."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

// process is what a command may use of its surroundings.
type process struct {
	config config.Config
	out    io.Writer
	errOut io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C does not wait
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string) int {
	var c commands
	parser, err := kong.New(&c, kong.Name("eggapi"), kong.Description("Image generation behind one REST API. Settings come from the environment; see docs/operations.md."))
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "eggapi:", err)
		return 2
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "eggapi:", err)
		return 2
	}
	cfg, err := config.Load()
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "eggapi:", err)
		return 2
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	parsed.Bind(&process{config: cfg, out: os.Stdout, errOut: os.Stderr})
	if err := parsed.Run(); err != nil && !errors.Is(err, context.Canceled) {
		_, _ = fmt.Fprintln(os.Stderr, "eggapi:", strings.Join(strings.Fields(err.Error()), " "))
		return 1
	}
	return 0
}

// logger writes JSON lines to w, and swaps the values of attributes that are secret by name.
func logger(w io.Writer, level slog.Leveler) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: redact}))
}

func redact(_ []string, a slog.Attr) slog.Attr {
	switch a.Key {
	case "authorization", "cookie", "set-cookie", "password", "secret", "token", "api_key", "database_url":
		return slog.String(a.Key, "[redacted]")
	}
	return a
}

type versionCommand struct{}

func (versionCommand) Run(p *process) error {
	_, err := fmt.Fprintln(p.out, "eggapi", version)
	return err
}
