//go:build system

package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// samplePatience is how long one sample may take; some wait on purpose.
const samplePatience = 60 * time.Second

// sample is a fenced block of the documentation with the marks behind its language:
//
//	run=NAME      it runs to its end, which must be a good one
//	serve=NAME    it receives webhooks until it is stopped
//	expect='RE'   a line it must print; at least one
//	given=WHAT    it needs a receiver of webhooks, or a delivery that was received
//	server=slow   it runs against a server with a small limit
//	server=flaky  it runs against one that fails twice before it answers
//	output        it is no sample, but what one prints
type sample struct {
	page, language, name string
	line                 int
	serves               bool
	given, server        string
	expect               []*regexp.Regexp
	code                 string
}

func (s sample) String() string {
	return fmt.Sprintf("%s:%d %s %s", s.page, s.line, s.name, s.language)
}

var (
	fence      = regexp.MustCompile("^```(\\S*) ?(.*)$")
	nameMark   = regexp.MustCompile(`(?:^| )(run|serve)=(\S+)`)
	expectMark = regexp.MustCompile(`(?:^| )expect='([^']*)'`)
	givenMark  = regexp.MustCompile(`(?:^| )given=(\S+)`)
	serverMark = regexp.MustCompile(`(?:^| )server=(\S+)`)
	outputMark = regexp.MustCompile(`(?:^| )output(?: |$)`)
)

// readSamples finds the samples of a page. It fails for a block that is neither marked to run nor as output.
func readSamples(page, text string) ([]sample, error) {
	var all []sample
	var problems []error
	var open *sample
	for i, line := range strings.Split(text, "\n") {
		m := fence.FindStringSubmatch(line)
		switch {
		case open == nil && m != nil:
			s, err := readMarks(m[1], m[2])
			s.page, s.line = page, i+1
			if err != nil {
				problems = append(problems, fmt.Errorf("%s:%d: %w", page, i+1, err))
			}
			open = &s
		case open != nil && line == "```":
			if open.name != "" {
				all = append(all, *open)
			}
			open = nil
		case open != nil:
			open.code += line + "\n"
		}
	}
	if open != nil {
		problems = append(problems, fmt.Errorf("%s:%d: the block does not end", page, open.line))
	}
	return all, errors.Join(problems...)
}

func readMarks(language, marks string) (sample, error) {
	s := sample{language: language}
	m := nameMark.FindStringSubmatch(marks)
	if m == nil {
		if outputMark.MatchString(marks) {
			return s, nil
		}
		return s, errors.New("the block has neither a run mark nor is it marked as output")
	}
	s.serves, s.name = m[1] == "serve", m[2]
	if !slices.Contains([]string{"bash", "python", "ts", "go"}, language) {
		return s, fmt.Errorf("nobody knows how to run %q", language)
	}
	s.given, s.server = first(givenMark, marks), first(serverMark, marks)
	for _, e := range expectMark.FindAllStringSubmatch(marks, -1) {
		line, err := regexp.Compile(e[1])
		if err != nil {
			return s, fmt.Errorf("the expected line: %w", err)
		}
		s.expect = append(s.expect, line)
	}
	if len(s.expect) == 0 {
		return s, errors.New("the sample says no line that it is expected to print")
	}
	return s, nil
}

func first(pattern *regexp.Regexp, text string) string {
	if m := pattern.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

// printed tells which expected line is missing in what the sample has printed.
func (s sample) printed(text string) error {
	for _, e := range s.expect {
		if !slices.ContainsFunc(strings.Split(text, "\n"), e.MatchString) {
			return fmt.Errorf("no line fits %s", e)
		}
	}
	return nil
}

// workshop is where samples are built and run.
type workshop struct {
	dir string
	env []string
}

func newWorkshop(t *testing.T) workshop {
	t.Helper()
	cache, err := exec.CommandContext(t.Context(), "go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	return workshop{dir: dir, env: []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir, "GOCACHE=" + strings.TrimSpace(string(cache)), "GOFLAGS=-mod=mod",
	}}
}

// file gives the path of a sample, in a folder of its own, and writes it.
func (w workshop) file(s sample) (string, error) {
	name := map[string]string{"bash": "sample.sh", "python": "sample.py", "ts": "sample.mts", "go": "main.go"}[s.language]
	dir := filepath.Join(w.dir, fmt.Sprintf("%s-%d", strings.TrimSuffix(s.page, ".md"), s.line))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	return path, os.WriteFile(path, []byte(s.code), 0o600)
}

// compile type-checks TypeScript as strictly as there is, and makes JavaScript of it.
func (w workshop) compile(ctx context.Context, samples []sample) error {
	modules, err := filepath.Abs("../../web/node_modules")
	if err != nil {
		return err
	}
	var files []string
	for _, s := range samples {
		if s.language != "ts" {
			continue
		}
		path, err := w.file(s)
		if err != nil {
			return err
		}
		files = append(files, path)
	}
	settings, err := json.Marshal(map[string]any{"files": files, "compilerOptions": map[string]any{
		"target": "es2022", "module": "nodenext", "lib": []string{"es2022"}, "typeRoots": []string{filepath.Join(modules, "@types")},
		"types": []string{"node"}, "strict": true, "noUncheckedIndexedAccess": true, "exactOptionalPropertyTypes": true,
		"noImplicitReturns": true, "noUnusedLocals": true, "noUnusedParameters": true, "moduleDetection": "force",
	}})
	if err != nil {
		return err
	}
	project := filepath.Join(w.dir, "tsconfig.json")
	if err := os.WriteFile(project, settings, 0o600); err != nil {
		return err
	}
	_, err = w.run(ctx, w.dir, nil, "node", filepath.Join(modules, "typescript", "bin", "tsc"), "-p", project)
	return err
}

// command gives what runs a sample. Go is built first.
func (w workshop) command(ctx context.Context, s sample) (dir string, args []string, err error) {
	path, err := w.file(s)
	if err != nil {
		return "", nil, err
	}
	dir = filepath.Dir(path)
	switch s.language {
	case "bash":
		return dir, []string{"bash", path}, nil
	case "python":
		return dir, []string{"python3", "-W", "error", path}, nil
	case "ts":
		return dir, []string{"node", filepath.Join(dir, "sample.mjs")}, nil
	}
	for _, step := range [][]string{{"go", "vet", "main.go"}, {"go", "build", "-o", "sample", "main.go"}} {
		if _, err := w.run(ctx, dir, nil, step...); err != nil {
			return "", nil, err
		}
	}
	return dir, []string{filepath.Join(dir, "sample")}, nil
}

// try runs a sample to its end. It fails when the sample does, or does not print what it should.
func (w workshop) try(ctx context.Context, s sample, env []string) error {
	ctx, cancel := context.WithTimeout(ctx, samplePatience)
	defer cancel()
	dir, args, err := w.command(ctx, s)
	if err != nil {
		return err
	}
	out, err := w.run(ctx, dir, env, args...)
	if err != nil {
		return err
	}
	if err := s.printed(out); err != nil {
		return fmt.Errorf("%w in what it printed:\n%s", err, out)
	}
	return nil
}

// run gives what the command writes to its standard output. A failure tells both streams.
func (w workshop) run(ctx context.Context, dir string, env []string, args ...string) (string, error) {
	var out, problems bytes.Buffer
	command := exec.CommandContext(ctx, args[0], args[1:]...)
	command.Dir, command.Env = dir, append(slices.Clone(w.env), env...)
	command.Stdout, command.Stderr = &out, &problems
	command.WaitDelay = time.Second
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s%s", filepath.Base(args[0]), err, out.String(), problems.String())
	}
	return out.String(), nil
}
