//go:build system

package bench

import (
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

// result is one measured value and what it was measured from.
type result struct {
	key    string // of marks
	what   string // in words
	value  float64
	spread string // of the rounds the value is the median of
	detail string // the raw numbers
	met    bool   // the goal is reached in another way than by the value
}

func (r result) mark() mark { return marks[r.key] }

func (r result) name() string { return r.key + ", " + r.what }

func (r result) shown() string { return number(r.value) + " " + r.mark().unit }

// number shows as many digits as mean something.
func number(value float64) string {
	switch {
	case value >= 100:
		return fmt.Sprintf("%.0f", value)
	case value >= 10:
		return fmt.Sprintf("%.1f", value)
	default:
		return fmt.Sprintf("%.2f", value)
	}
}

func (r result) verdict() string {
	switch {
	case !r.mark().floor.holds(r.value):
		return "UNDER THE FLOOR"
	case r.met || r.mark().goal.holds(r.value):
		return "pass"
	default:
		return "miss"
	}
}

// sheet gathers the results of a run.
type sheet struct {
	results []result
	gates   []gateFigure
}

// add takes a result. A key without a mark is a mistake in this package.
func (s *sheet) add(r result) {
	if _, ok := marks[r.key]; !ok {
		panic("no mark for " + r.key)
	}
	s.results = append(s.results, r)
}

func (s *sheet) rows() [][]string {
	rows := [][]string{{"figure", "what", "measured", "range", "goal", "", "floor", "from"}}
	for _, r := range s.results {
		m := r.mark()
		rows = append(rows, []string{r.key, r.what, r.shown(), r.spread, m.goal.String(), r.verdict(), m.floor.String(), r.detail})
	}
	for _, g := range s.gates {
		verdict := "pass"
		if g.allocs > g.maxAllocs {
			verdict = "UNDER THE FLOOR"
		}
		most := fmt.Sprintf("≤ %d", g.maxAllocs)
		rows = append(rows, []string{"door", g.name + " without network or database", fmt.Sprintf("%d allocs/op", g.allocs), "", most, verdict, most,
			fmt.Sprintf("%d ns/op, %d B/op", g.ns, g.bytes)})
	}
	return rows
}

func (s *sheet) print(w io.Writer, about []string) {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(out, "\nbench: %s\n", strings.Join(about, "; "))
	for _, row := range s.rows() {
		_, _ = fmt.Fprintln(out, strings.Join(row, "\t"))
	}
	_ = out.Flush()
}

func (s *sheet) writeMarkdown(path string, about []string) error {
	var text strings.Builder
	for _, line := range about {
		text.WriteString("- " + line + "\n")
	}
	for i, row := range s.rows() {
		if i == 1 {
			text.WriteString("|" + strings.Repeat("---|", len(row)) + "\n")
		} else if i == 0 {
			text.WriteString("\n")
		}
		text.WriteString("| " + strings.Join(row, " | ") + " |\n")
	}
	return os.WriteFile(path, []byte(text.String()), 0o600)
}

// middle gives the median, the upper one of two.
func middle(values []float64) float64 {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}

// spread shows the least and the most.
func spread(values []float64) string {
	return number(slices.Min(values)) + "–" + number(slices.Max(values))
}

// numbers shows the median and the range.
func numbers(values []float64) string {
	return number(middle(values)) + " (" + spread(values) + ")"
}

// percentile gives the least value that the share of the values, in percent, does not exceed.
func percentile(values []float64, percent float64) float64 {
	if len(values) == 0 {
		return 0
	}
	rank := int(math.Ceil(float64(len(values)) * percent / 100))
	return slices.Sorted(slices.Values(values))[max(rank, 1)-1]
}
