//go:build system

package chaos

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
)

// report prints what happened as a table, and fails the test for every promise broken.
func (w *world) report(t *testing.T, f *findings) {
	t.Helper()
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(out, "\nchaos, seed %d, %s\n", w.seed, w.span)
	w.reportFaults(out)
	w.reportTasks(out, f)
	for _, promise := range promises {
		verdict := "kept"
		if n := len(f.breaches[promise]); n > 0 {
			verdict = fmt.Sprintf("BROKEN %d times", n)
		}
		_, _ = fmt.Fprintf(out, "%s\t%s\n", promise, verdict)
	}
	_ = out.Flush()
	for _, promise := range promises {
		breaches := f.breaches[promise]
		if len(breaches) == 0 {
			continue
		}
		shown := breaches[:min(len(breaches), shownPerPromise)]
		t.Errorf("broken %d times: %s\n  %s", len(breaches), promise, strings.Join(shown, "\n  "))
	}
}

func (w *world) reportFaults(out io.Writer) {
	for _, p := range w.crew {
		_, _ = fmt.Fprintf(out, "%s\t%d kills, %d starts, %d starts given up\n", p.name, p.kills, p.starts, p.gaveUp)
	}
	_, _ = fmt.Fprintf(out, "database\t%d immediate restarts, %d sessions cut\n", w.databaseRestarts, w.cuts)
	_, _ = fmt.Fprintf(out, "quiet\t%.1f s after the last order was answered\n", w.quietAfter.Seconds())
}

func (w *world) reportTasks(out io.Writer, f *findings) {
	answered, unanswered, sent := 0, 0, 0
	for _, o := range w.customers.orders {
		sent += o.sent
		if len(o.ids) > 0 {
			answered++
		} else {
			unanswered++
		}
	}
	_, _ = fmt.Fprintf(out, "orders\t%d answered, %d given up on, %d requests in all\n", answered, unanswered, sent)
	byStatus := map[int]int{}
	for _, o := range w.bursts.orders {
		byStatus[o.status]++
	}
	_, _ = fmt.Fprintf(out, "burst orders\t%d, by status of the one answer (0 = none): %v\n", len(w.bursts.orders), byStatus)
	byEnd, images, late := map[string]int{}, 0, []float64{}
	for _, row := range f.tasks {
		end := row.Status
		if row.FailureCode != nil {
			end += " " + *row.FailureCode
		}
		byEnd[end]++
		images += row.Images
		if row.EndedAfterSeconds != nil {
			late = append(late, *row.EndedAfterSeconds)
		}
	}
	_, _ = fmt.Fprintf(out, "tasks\t%d\n", len(f.tasks))
	for _, end := range slices.Sorted(maps.Keys(byEnd)) {
		_, _ = fmt.Fprintf(out, "  %s\t%d\n", end, byEnd[end])
	}
	slices.Sort(late)
	_, _ = fmt.Fprintf(out, "time to end\tp50 %.1f s, p99 %.1f s, longest %.1f s\n", at(late, 0.5), at(late, 0.99), at(late, 1))
	_, _ = fmt.Fprintf(out, "images\t%d delivered, %d files read\n", images, f.files)
	_, _ = fmt.Fprintf(out, "upstream calls\t%d noted, %d seen, %d lost with their worker, %d pictures paid for\n",
		f.attempts, w.upstream.Calls(), f.lost, w.upstream.PicturesFor(""))
	w.receiver.mu.Lock()
	defer w.receiver.mu.Unlock()
	tries, taken, refused := 0, 0, 0
	for _, n := range w.receiver.notices {
		for _, k := range n.ids {
			tries += k
		}
		taken += n.taken
		refused += n.refused
	}
	_, _ = fmt.Fprintf(out, "webhooks\t%d tries for %d tasks: %d taken (%d more than once), %d refused\n",
		tries, len(w.receiver.notices), taken, taken-len(w.receiver.notices), refused)
	_, _ = fmt.Fprintf(out, "jobs given up on\t%d, all for what has ended\n", f.orphans)
}

// at gives the value below which a part of the sorted values lies.
func at(sorted []float64, part float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(part*float64(len(sorted))))]
}
