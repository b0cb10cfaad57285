package history

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/eggapi/eggapi/tools/contract/lint"
	"github.com/eggapi/eggapi/tools/contract/source"
)

// A History is the contract beside its newest release, in one checkout.
type History struct {
	root     string
	judge    Judge
	records  []lint.Finding // of breaking.yaml
	fresh    bool           // the bundle says what the source says
	stale    source.Place
	existing string // the changelog as it is
}

// Open reads a checkout as of a day.
func Open(root string, today time.Time) (*History, error) {
	disk := os.DirFS(root)
	h := &History{root: root, judge: Judge{Today: today}}
	var err error
	if h.judge.Tree, err = source.Open(disk); err != nil {
		return nil, err
	}
	if h.judge.Current, err = ReadBundle(disk, Current); err != nil {
		return nil, err
	}
	if h.judge.Released, err = Newest(disk); err != nil {
		return nil, err
	}
	if h.judge.Breaks, h.records, err = ReadBreaks(disk); err != nil {
		return nil, err
	}
	if h.judge.Released != nil {
		if h.judge.Changes, err = Compare(h.judge.Released, h.judge.Current); err != nil {
			return nil, err
		}
	}
	h.stale, h.fresh = Fresh(h.judge.Tree, h.judge.Current)
	text, err := fs.ReadFile(disk, Changelog)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the changelog: %w", err)
	}
	h.existing = string(text)
	return h, nil
}

// Breaches are what breaks the promises of the newest release, and records that are not whole or excuse nothing.
func (h *History) Breaches() []lint.Finding {
	if !h.fresh {
		return []lint.Finding{{Place: h.stale, Rule: "bundle", Text: Current + " does not say this; run make generate"}}
	}
	if h.judge.Released == nil {
		return h.records
	}
	return append(h.records, h.judge.Findings()...)
}

// changelog is the changelog as it should be.
func (h *History) changelog(heading string) string {
	return withSection(h.existing, heading, section(h.judge.Released, h.judge.Current, h.judge.Changes, h.judge.Breaks))
}

// Stale finds a changelog that does not tell of the difference.
func (h *History) Stale() []lint.Finding {
	if h.existing == h.changelog(Unreleased) {
		return nil
	}
	return []lint.Finding{{Place: source.Place{File: Changelog}, Rule: "changelog", Text: "does not tell how the contract differs from its newest release; run make contract-changelog"}}
}

// WriteChangelog writes the section for what is not released yet.
func (h *History) WriteChangelog() error { return h.write(Changelog, h.changelog(Unreleased)) }

// Release keeps the contract as it is under its version, and heads the changelog's newest section with it. It fails
// when the version is released already, or when something is found wrong.
func (h *History) Release() (version string, err error) {
	version = h.judge.Current.Version
	if findings := h.Breaches(); len(findings) > 0 {
		return "", fmt.Errorf("%s (and %d more); nothing was released", findings[0], len(findings)-1)
	}
	if h.judge.Released != nil && h.judge.Released.Version == version {
		return "", fmt.Errorf("version %s is released already; nothing was released", version)
	}
	for _, c := range h.judge.Changes {
		if err := h.inTime(c); err != nil {
			return "", err
		}
	}
	heading := fmt.Sprintf("## %s, %s", version, h.judge.Today.Format(time.DateOnly))
	if err := h.write(Changelog, h.changelog(heading)); err != nil {
		return "", err
	}
	if err := h.clearRecords(); err != nil {
		return "", err
	}
	return version, h.write(file("v"+version), string(h.judge.Current.text))
}

// inTime refuses an end that customers would hear of less than the notice before it: they hear of it by the release,
// not by the date in the mark.
func (h *History) inTime(c Change) error {
	if c.Rule != ruleDeprecated {
		return nil
	}
	method, path, _ := strings.Cut(c.Operation, " ")
	sunset, err := time.Parse(time.DateOnly, h.judge.Current.operation(method, path).Node.Get("x-sunset").Text())
	if err != nil {
		return fmt.Errorf("%s: read x-sunset: %w", c.Operation, err)
	}
	day := h.judge.Today.UTC().Truncate(24 * time.Hour)
	if soonest := day.Add(lint.Notice); sunset.Before(soonest) {
		return fmt.Errorf("%s: its x-sunset is less than %d days after this release: move it to %s or later; nothing was released",
			c.Operation, int(lint.Notice.Hours()/24), soonest.Format(time.DateOnly))
	}
	return nil
}

// clearRecords takes out of breaking.yaml what has served: a release that has the breaks is not broken by them.
func (h *History) clearRecords() error {
	if len(h.judge.Breaks) == 0 {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(h.root, filepath.FromSlash(Breaking)))
	if err != nil {
		return fmt.Errorf("read the deliberate breaks: %w", err)
	}
	head, _, _ := strings.Cut("\n"+string(text), "\nbreaks:")
	return h.write(Breaking, strings.TrimPrefix(head+"\nbreaks: []\n", "\n"))
}

func (h *History) write(name, text string) error {
	path := filepath.Join(h.root, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // a folder of the checkout
		return fmt.Errorf("make the folder of %s: %w", name, err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil { //nolint:gosec // a file of the checkout
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// Summary counts what was held against the rules.
func (h *History) Summary() string {
	c := h.judge.Current.contract
	against := "no release yet"
	if h.judge.Released != nil {
		against = fmt.Sprintf("%d changes since %s", len(h.judge.Changes), h.judge.Released.Version)
	}
	return fmt.Sprintf("%d operations and webhooks, %d schemas, %d examples, %s", len(c.Operations), len(c.Schemas), c.CountExamples(), against)
}
