package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Report is what came of judging a recording.
type Report struct {
	Recorded, Judged int
	Uses             []int // by entry of the table
	Open             []Disagreement
	table            []Decided
	operations       map[string]bool
}

// newReport makes an empty one that accepts what the table names.
func newReport(table []Decided) *Report {
	return &Report{Uses: make([]int, len(table)), table: table, operations: map[string]bool{}}
}

// add counts a disagreement for the entry that explains it, or keeps it.
func (r *Report) add(d Disagreement) {
	for i, entry := range r.table {
		if entry.explains(d) {
			r.Uses[i]++
			return
		}
	}
	r.Open = append(r.Open, d)
}

func (d Decided) explains(x Disagreement) bool {
	return d.Kind == x.Kind && (len(d.Operations) == 0 || slices.Contains(d.Operations, x.Operation)) &&
		d.Rule.MatchString(x.Rule) && (d.When == nil || d.When(x))
}

// Idle lists the entries that explained nothing.
func (r *Report) Idle() []string {
	var idle []string
	for i, entry := range r.table {
		if r.Uses[i] == 0 {
			idle = append(idle, entry.Name)
		}
	}
	return idle
}

// group is the same disagreement many times.
type group struct {
	Disagreement
	count int
}

// groups gathers what nobody explained by operation and rule, the most frequent first.
func (r *Report) groups() []group {
	found := map[string]*group{}
	var order []*group
	for _, d := range r.Open {
		key := d.Operation + "\n" + string(d.Kind) + "\n" + d.Rule
		if found[key] == nil {
			found[key] = &group{Disagreement: d}
			order = append(order, found[key])
		}
		found[key].count++
	}
	slices.SortStableFunc(order, func(a, b *group) int { return cmp.Compare(b.count, a.count) })
	groups := make([]group, len(order))
	for i, g := range order {
		groups[i] = *g
	}
	return groups
}

// print writes the figures, and an example of each disagreement that nobody explained.
func (r *Report) print(w io.Writer) {
	named := 0
	for _, n := range r.Uses {
		named += n
	}
	fmt.Fprintf(w, "contract second opinion: %d of %d exchanges of %d operations judged, %d disagreements decided, %d open\n",
		r.Judged, r.Recorded, len(r.operations), named, len(r.Open))
	for i, entry := range r.table {
		fmt.Fprintf(w, "  %6d  %s\n", r.Uses[i], entry.Name)
	}
	for _, g := range r.groups() {
		e := g.Exchange
		fmt.Fprintf(w, "\n%d x %s, %s: %s\n  %s %s\n  %s\n  %d %s\n", g.count, cmp.Or(g.Operation, "no operation"), g.Kind, g.Rule,
			e.Method, short(e.URL), short(string(e.RequestBody)), e.Status, short(string(e.ResponseBody)))
	}
	for _, name := range r.Idle() {
		fmt.Fprintf(w, "\nthe entry %q explains nothing\n", name)
	}
}

// short makes one line of the beginning of a text.
func short(text string) string {
	const most = 300
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "?")), " ")
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}
