// Command contract keeps the OpenAPI contract: its rules, what it promised before, its changelog and its releases.
//
// Owns: the command line of packages lint and history.
// Does not own: the rules (lint), what breaks clients (history), the bundle (tools/generate).
// May touch: openapi/CHANGELOG.md and openapi/released, when told to.
// Always true: check and its parts only read, and each finding says where it is and what to do.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/eggapi/eggapi/tools/contract/history"
	"github.com/eggapi/eggapi/tools/contract/lint"
	"github.com/eggapi/eggapi/tools/contract/source"
)

const usage = `usage: contract COMMAND [-root DIR]
  check      all of lint, diff and the changelog
  lint       the rules of the house
  diff       what breaks the newest release
  changelog  write the section for what is not released yet
  release    keep the contract under its version
  rules      list the rules with their reasons`

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	root := flags.String("root", ".", "folder of the checkout")
	_ = flags.Parse(os.Args[2:]) // it exits by itself
	found, err := run(os.Stdout, os.Args[1], *root, time.Now())
	if err != nil {
		fmt.Fprintln(os.Stderr, "contract:", err)
		os.Exit(2)
	}
	if found > 0 {
		os.Exit(1)
	}
}

// run does one command and gives how much it found.
func run(out io.Writer, command, root string, today time.Time) (found int, err error) {
	if command == "rules" {
		for _, rule := range lint.Rules {
			fmt.Fprintf(out, "%-24s %s\n", rule.Name, rule.Why)
		}
		return 0, nil
	}
	h, err := history.Open(root, today)
	if err != nil {
		return 0, err
	}
	switch command {
	case "check":
		return check(out, root, h)
	case "lint":
		findings, err := linted(root)
		return list(out, findings), err
	case "diff":
		return list(out, h.Breaches()), nil
	case "changelog":
		return 0, h.WriteChangelog()
	case "release":
		version, err := h.Release()
		if err == nil {
			fmt.Fprintln(out, "released", version)
		}
		return 0, err
	}
	return 0, fmt.Errorf("no command %q\n%s", command, usage)
}

func check(out io.Writer, root string, h *history.History) (int, error) {
	findings, err := linted(root)
	if err != nil {
		return 0, err
	}
	findings = append(findings, h.Breaches()...)
	findings = append(findings, h.Stale()...)
	found := list(out, findings)
	fmt.Fprintf(out, "%d rules, %s, %d findings\n", len(lint.Rules), h.Summary(), found)
	return found, nil
}

func linted(root string) ([]lint.Finding, error) {
	tree, err := source.Open(os.DirFS(root))
	if err != nil {
		return nil, err
	}
	return lint.Run(lint.Read(tree)), nil
}

func list(out io.Writer, findings []lint.Finding) int {
	for _, f := range findings {
		fmt.Fprintln(out, f)
	}
	return len(findings)
}
