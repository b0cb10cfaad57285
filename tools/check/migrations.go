package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"path"
	"regexp"
	"strconv"
	"strings"
)

var migrationName = regexp.MustCompile(`^(\d{4})_[a-z0-9]+(_[a-z0-9]+)*\.sql$`)

// checkMigrations: numbers go up by one from 0001, and what has landed is never changed.
func checkMigrations(t *Tree) ([]Fault, error) {
	var faults []Fault
	next := 1
	for _, p := range t.Match("sql/*.sql") {
		m := migrationName.FindStringSubmatch(path.Base(p))
		if m == nil {
			faults = append(faults, Fault{Path: p, Text: "is not named like 0001_name.sql"})
			continue
		}
		if n, err := strconv.Atoi(m[1]); err != nil || n != next {
			faults = append(faults, Fault{Path: p, Text: fmt.Sprintf("should have the number %04d", next)})
		}
		next++
		text, err := t.Text(p)
		if err != nil {
			return nil, err
		}
		for _, mark := range []string{"-- +goose Up", "-- +goose Down"} {
			if !strings.Contains(text, mark+"\n") {
				faults = append(faults, Fault{Path: p, Text: "has no line " + mark})
			}
		}
	}
	more, err := landed(t)
	return append(faults, more...), err
}

// landed compares the migrations with those of the commit that this work left the landed branch at.
func landed(t *Tree) ([]Fault, error) {
	base := git(t, "merge-base", "HEAD", "refs/remotes/origin/HEAD")
	if base == "" {
		base = git(t, "merge-base", "HEAD", "refs/remotes/origin/main")
	}
	if base == "" {
		return nil, nil // nothing has landed that this checkout knows of
	}
	var faults []Fault
	for _, p := range strings.Fields(git(t, "ls-tree", "--name-only", base, "sql/")) {
		if path.Ext(p) != ".sql" {
			continue
		}
		now, err := t.Text(p)
		if err != nil {
			return nil, err
		}
		if git(t, "show", base+":"+p) != strings.TrimSpace(now) {
			faults = append(faults, Fault{Path: p, Text: "has landed and must stay as it is: write a new migration"})
		}
	}
	return faults, nil
}

// git returns what the command prints, or nothing where it fails.
func git(t *Tree, args ...string) string {
	cmd := exec.Command("git", args...)
	cmd.Dir = t.Root
	var out bytes.Buffer
	cmd.Stdout = &out
	if cmd.Run() != nil {
		return ""
	}
	return strings.TrimSpace(out.String())
}
