//go:build system

package bench

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
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

func (r result) shown() string {
	if math.IsInf(r.value, 1) {
		return number(r.value)
	}
	return number(r.value) + " " + r.mark().unit
}

// number shows as many digits as mean something.
func number(value float64) string {
	switch {
	case math.IsInf(value, 1):
		return "never"
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
		rows = append(rows, []string{
			"door", g.name + " without network or database", fmt.Sprintf("%d allocs/op", g.allocs), "", most, verdict, most,
			fmt.Sprintf("%d ns/op, %d B/op", g.ns, g.bytes),
		})
	}
	return rows
}

// tell prints the tables, writes them as Markdown to the file named by EGGAPI_BENCH_REPORT, and holds the results to
// their floors.
func (s *sheet) tell(t *testing.T, about []string, more ...[][]string) {
	t.Helper()
	_, _ = fmt.Fprintf(os.Stdout, "\nbench: %s\n", strings.Join(about, "; "))
	printTable(s.rows())
	text := s.markdown(about)
	for _, rows := range more {
		printTable(rows)
		text += "\n" + markdownTable(rows)
	}
	if path := os.Getenv("EGGAPI_BENCH_REPORT"); path != "" {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Errorf("write the report: %v", err)
		}
	}
	for _, r := range s.results {
		if !testing.Short() && !r.mark().floor.holds(r.value) {
			t.Errorf("%s, %s: %s, the floor is %s", r.key, r.what, r.shown(), r.mark().floor)
		}
	}
}

func printTable(rows [][]string) {
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		_, _ = fmt.Fprintln(out, strings.Join(row, "\t"))
	}
	_ = out.Flush()
}

// markdown gives the table, with what it was measured on above.
func (s *sheet) markdown(about []string) string {
	var text strings.Builder
	for _, line := range about {
		text.WriteString("- " + line + "\n")
	}
	text.WriteString("\n" + markdownTable(s.rows()))
	return text.String()
}

// markdownTable writes rows, of which the first is the head.
func markdownTable(rows [][]string) string {
	var text strings.Builder
	for i, row := range rows {
		if i == 1 {
			text.WriteString("|" + strings.Repeat("---|", len(row)) + "\n")
		}
		text.WriteString("| " + strings.Join(row, " | ") + " |\n")
	}
	return text.String()
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
