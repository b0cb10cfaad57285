// Command bench asks a service on this machine at a rate that does not depend on its answers, and tells how long they took.
//
// Owns: the schedule of arrivals, the connections, the percentiles.
// Does not own: what is asked, and what the figures mean (internal/bench).
// May touch: addresses on 127.0.0.1.
// Always true: latency counts from when a request was due, so that a stall is charged for everybody who came meanwhile; time, requests and connections are bounded.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// What a run may ask for at most.
const (
	mostRequests = 10_000_000
	mostConns    = 4096
	longestRun   = 24 * time.Hour
)

// plan is what a run does.
type plan struct {
	targets  []string
	requests []string
	rate     float64 // per second
	poisson  bool
	seed     uint64
	delay    time.Duration
	length   time.Duration
	most     int
	conns    int
	timeout  time.Duration
	window   time.Duration
	ids      bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	p, err := parse(args)
	if err != nil {
		return err
	}
	// One thread, as the usual load generators: what it burns is not left for the service.
	runtime.GOMAXPROCS(1)
	samples, err := p.drive(ctx, os.Stdout)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(p.summarize(samples))
}

func parse(args []string) (plan, error) {
	var p plan
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	targets := flags.String("target", "127.0.0.1:8080", "whom to ask: addresses on 127.0.0.1, comma-separated; connections take turns")
	path := flags.String("requests", "", "a file of whole HTTP/1.1 requests, each but the last followed by the byte 0x1e; asked in turn")
	flags.Float64Var(&p.rate, "rate", 50, "arrivals per second")
	arrivals := flags.String("arrivals", "fixed", "fixed: at equal distances; poisson: at random ones")
	flags.Uint64Var(&p.seed, "seed", 1, "of the random distances, and of where in the file to begin")
	flags.DurationVar(&p.delay, "delay", 0, "how long to wait before the first arrival")
	flags.DurationVar(&p.length, "for", 10*time.Second, "how long requests arrive, at most 24h")
	flags.IntVar(&p.most, "most", 1_000_000, "how many arrive at most, up to 10,000,000")
	flags.IntVar(&p.conns, "conns", 64, "connections, up to 4,096; what arrives while all are busy waits, and its time counts")
	flags.DurationVar(&p.timeout, "timeout", 30*time.Second, "how long an answer may take")
	flags.DurationVar(&p.window, "window", 0, "also tell of each stretch of this length; 0 does not")
	flags.BoolVar(&p.ids, "ids", false, "print a line for each 2xx answer: the id in it, when it was due and when it was answered (Unix, microseconds)")
	if err := flags.Parse(args); err != nil {
		return plan{}, err
	}
	text, err := os.ReadFile(*path)
	if err != nil {
		return plan{}, fmt.Errorf("-requests: %w", err)
	}
	p.requests = strings.Split(string(text), "\x1e")
	p.targets = strings.Split(*targets, ",")
	p.poisson = *arrivals == "poisson"
	if !p.poisson && *arrivals != "fixed" {
		return plan{}, errors.New("-arrivals must be fixed or poisson")
	}
	return p, p.check()
}

func (p plan) check() error {
	for _, t := range p.targets {
		if host, _, err := net.SplitHostPort(t); err != nil || host != "127.0.0.1" {
			return errors.New("-target must be on 127.0.0.1")
		}
	}
	switch {
	case p.requests[0] == "":
		return errors.New("-requests has none")
	case !(p.rate > 0) || p.rate > 1e6:
		return errors.New("-rate must be above 0 and at most a million")
	case p.length <= 0 || p.length > longestRun || p.delay < 0 || p.delay > longestRun:
		return errors.New("-for and -delay must be within 24h")
	case p.most < 1 || p.most > mostRequests:
		return errors.New("-most must be 1 to 10,000,000")
	case p.conns < 1 || p.conns > mostConns:
		return errors.New("-conns must be 1 to 4,096")
	case p.timeout <= 0 || p.window < 0:
		return errors.New("-timeout must be above 0, -window not below")
	}
	return nil
}
