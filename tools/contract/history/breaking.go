package history

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/eggapi/eggapi/tools/contract/lint"
	"github.com/eggapi/eggapi/tools/contract/source"
)

// A Break is a deliberate break of the contract, as breaking.yaml records it.
type Break struct {
	Rule       string
	Operations []string
	Reason     string
	Announced  time.Time
	Sunset     time.Time
	place      source.Place
	used       bool
}

// record is how a Break is written.
type record struct {
	Rule      string    `yaml:"rule"`
	Operation yaml.Node `yaml:"operation"` // a text or a list of texts
	Reason    string    `yaml:"reason"`
	Announced string    `yaml:"announced"`
	Sunset    string    `yaml:"sunset"`
}

// ReadBreaks reads breaking.yaml, and finds the records that are not whole.
func ReadBreaks(disk fs.FS) ([]*Break, []lint.Finding, error) {
	text, err := fs.ReadFile(disk, Breaking)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read the deliberate breaks: %w", err)
	}
	var list struct {
		Breaks []yaml.Node `yaml:"breaks"`
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&list); err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, fmt.Errorf("read %s: %w", Breaking, err)
	}
	var breaks []*Break
	var findings []lint.Finding
	for _, n := range list.Breaks {
		b, problem := readBreak(n)
		if problem != "" {
			findings = append(findings, lint.Finding{Place: b.place, Rule: "breaking-record", Text: problem})
			continue
		}
		breaks = append(breaks, b)
	}
	return breaks, findings, nil
}

// readBreak reads one record, or says what is wrong with it.
func readBreak(n yaml.Node) (b *Break, problem string) {
	b = &Break{place: source.Place{File: Breaking, Line: n.Line}}
	var r record
	if err := n.Decode(&r); err != nil {
		return b, "is no record; give rule, operation, reason, announced and sunset"
	}
	b.Rule, b.Reason = r.Rule, strings.TrimSpace(r.Reason)
	var one string
	if err := r.Operation.Decode(&one); err == nil {
		b.Operations = []string{one}
	} else if err := r.Operation.Decode(&b.Operations); err != nil {
		return b, `operation is neither "METHOD /path" nor a list of them; write it so`
	}
	var err1, err2 error
	b.Announced, err1 = time.Parse(time.DateOnly, r.Announced)
	b.Sunset, err2 = time.Parse(time.DateOnly, r.Sunset)
	switch {
	case b.Rule == "" || len(b.Operations) == 0 || b.Operations[0] == "" || b.Reason == "":
		return b, "lacks its rule, operation or reason; customers read all three in the changelog"
	case err1 != nil || err2 != nil:
		return b, "announced or sunset is no date; write them as YYYY-MM-DD"
	case b.Sunset.Sub(b.Announced) < lint.Notice:
		return b, fmt.Sprintf("sunset is less than %d days after announced; not before %s", int(lint.Notice.Hours()/24), b.Announced.Add(lint.Notice).Format(time.DateOnly))
	}
	return b, ""
}

// excuse finds the record for a break and marks it used.
func excuse(breaks []*Break, c Change) *Break {
	for _, b := range breaks {
		if b.Rule == c.Rule && slices.Contains(b.Operations, c.operation()) {
			b.used = true
			return b
		}
	}
	return nil
}

// operation is what breaking.yaml calls the operation of a change.
func (c Change) operation() string {
	if c.Operation == "" {
		return "contract"
	}
	return c.Operation
}
