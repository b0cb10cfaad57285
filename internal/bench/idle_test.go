//go:build system

package bench

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// measureIdle sees what a node costs that serves and works and has nothing to do.
func measureIdle(t *testing.T, b *bench) {
	d := b.stage.copy(t, "idle")
	node := startService(t, order{
		Part: "node", DatabaseURL: d.url + "&options=-c%20log_statement%3Dall", DataDir: d.stage.dir, Serve: true, Work: true, Conns: poolConns,
	})
	log := filepath.Join(d.stage.dir, "db", "postgres.log")
	time.Sleep(b.pace.idle / 4) // what is done once, at the start, is over
	before, spent := len(readLog(t, log)), node.cpuTime(t)
	from := time.Now()
	time.Sleep(b.pace.idle)
	took := time.Since(from).Seconds()
	statements, used := kindsOf(readLog(t, log)[before:]), node.cpuTime(t)-spent
	total := 0
	for _, n := range statements {
		total += n
	}
	if total == 0 {
		t.Fatal("the log tells of no statement")
	}
	b.sheet.add(result{
		key: "idle/statements", what: fmt.Sprintf("statements of a node with nothing to do, %.0f s", took), value: float64(total) / took, detail: mostOf(statements),
	})
	b.sheet.add(result{key: "idle/cpu", what: "CPU of the node, of a core", value: 100 * used.Seconds() / took})
	b.sheet.add(result{key: "idle/memory", what: "RSS of the node", value: node.megabytes(t, "VmRSS")})
}

func readLog(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("read the database's log: %v", err)
	}
	return string(text)
}

var (
	logStatement = regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\d [^\[]*\[\d+\] LOG:  (?:execute [^:]*|statement): (.*(?:\n\t.*)*)`)
	sqlName      = regexp.MustCompile(`--\s*name: (\w+)`)
	sqlTable     = regexp.MustCompile(`(?i)\b(?:from|into|update|join)\s+(?:only\s+)?"?(\w+)`)
)

// kindsOf counts statements in the words of log_statement, by their verb and table.
func kindsOf(log string) map[string]int {
	kinds := map[string]int{}
	for _, m := range logStatement.FindAllStringSubmatch(log, -1) {
		kinds[kindOf(m[1])]++
	}
	return kinds
}

func kindOf(sql string) string {
	if m := sqlName.FindStringSubmatch(sql); m != nil {
		return m[1]
	}
	words := strings.Fields(regexp.MustCompile(`(?s)/\*.*?\*/|(?m:--.*$)`).ReplaceAllString(sql, ""))
	if len(words) == 0 {
		return "empty"
	}
	kind := strings.ToLower(strings.TrimRight(words[0], ";"))
	if m := sqlTable.FindStringSubmatch(sql); m != nil {
		kind += " " + m[1]
	}
	return kind
}

// mostOf names the most frequent.
func mostOf(kinds map[string]int) string {
	names := slices.SortedFunc(maps.Keys(kinds), func(a, b string) int {
		return cmp.Or(cmp.Compare(kinds[b], kinds[a]), strings.Compare(a, b))
	})
	var parts []string
	for _, name := range names[:min(5, len(names))] {
		parts = append(parts, fmt.Sprintf("%d %s", kinds[name], name))
	}
	return strings.Join(parts, ", ")
}
