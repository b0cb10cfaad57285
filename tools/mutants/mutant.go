package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A Mutant is one deliberate mistake and the tests that must notice it.
type Mutant struct {
	Name     string // what is broken
	Why      string // what would go wrong in the field
	Edits    []Edit
	Packages []string // as for go test
	Tags     string   // as for go test -tags; "system" when only such a test can notice
	Run      string   // as for go test -run
}

// An Edit puts one text in the place of another, which must stand exactly once in the file.
type Edit struct{ File, Find, Put string }

// The words of a verdict.
const (
	Killed   = "killed"
	Survived = "SURVIVED"
	Unfit    = "UNFIT"
)

// A Verdict is what became of a mutant. Text says more when it was not killed.
type Verdict struct{ Word, Text string }

// Try runs the tests on the sound code, which must pass, and then on the broken one, which must fail.
func (m Mutant) Try(ctx context.Context, root string) Verdict {
	dir, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return Verdict{Unfit, err.Error()}
	}
	defer func() { _ = os.RemoveAll(dir) }()
	overlay, err := m.overlay(root, dir)
	if err != nil {
		return Verdict{Unfit, err.Error()}
	}
	if out, err := m.test(ctx, root); err != nil {
		return Verdict{Unfit, "the tests fail on the sound code:\n" + out}
	}
	out, err := m.test(ctx, root, "-overlay="+overlay)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return Verdict{Survived, "the tests pass all the same. " + m.Why}
	case !errors.As(err, &exit), ctx.Err() != nil:
		return Verdict{Unfit, err.Error()}
	case strings.Contains(out, "[build failed]"), strings.Contains(out, "[setup failed]"), !strings.Contains(out, "--- FAIL"):
		return Verdict{Unfit, "no test failed, the run did:\n" + out}
	}
	return Verdict{Word: Killed}
}

func (m Mutant) test(ctx context.Context, root string, flags ...string) (string, error) {
	args := append([]string{"test", "-count=1", "-timeout=5m", "-run=" + m.Run, "-tags=" + m.Tags}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, m.Packages...)...)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	if err == nil && strings.Count(string(out), "[no tests to run]") == len(m.Packages) {
		return string(out), errors.New("no test fits -run")
	}
	return string(out), err
}

// overlay writes the broken files and the list that lays them over the sound ones.
func (m Mutant) overlay(root, dir string) (string, error) {
	texts := map[string]string{}
	for _, e := range m.Edits {
		full := filepath.Join(root, filepath.FromSlash(e.File))
		if _, ok := texts[full]; !ok {
			b, err := os.ReadFile(full)
			if err != nil {
				return "", fmt.Errorf("read the sound file: %w", err)
			}
			texts[full] = string(b)
		}
		if n := strings.Count(texts[full], e.Find); n != 1 || e.Find == "" {
			return "", fmt.Errorf("%s: the text to break stands there %d times, not once:\n%s", e.File, n, e.Find)
		}
		texts[full] = strings.Replace(texts[full], e.Find, e.Put, 1)
	}
	replace := map[string]string{}
	for full, text := range texts {
		broken := filepath.Join(dir, fmt.Sprintf("%d_%s", len(replace), filepath.Base(full)))
		if err := os.WriteFile(broken, []byte(text), 0o600); err != nil {
			return "", fmt.Errorf("write the broken file: %w", err)
		}
		replace[full] = broken
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", fmt.Errorf("write the overlay: %w", err)
	}
	name := filepath.Join(dir, "overlay.json")
	return name, os.WriteFile(name, list, 0o600)
}
