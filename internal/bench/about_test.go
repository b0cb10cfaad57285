//go:build system

package bench

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

var cpuModel = regexp.MustCompile(`(?m)^model name\s*:\s*(.*)$`)

// about says what a run was measured on.
func (b *bench) about(t *testing.T) []string {
	t.Helper()
	var version string
	if err := b.stage.pool.QueryRow(t.Context(), "select current_setting('server_version')").Scan(&version); err != nil {
		t.Fatalf("ask for the version: %v", err)
	}
	cpu := "unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if m := cpuModel.FindSubmatch(text); m != nil {
			cpu = string(m[1])
		}
	}
	busy := "unknown"
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		busy = strings.Join(strings.Fields(string(text))[:3], " ")
	}
	sql := "pgbench"
	if b.pace.sqlName == "none" {
		sql = "own loop of prepared statements"
	}
	return []string{
		fmt.Sprintf("%d cores of %s, %s, PostgreSQL %s with fsync on", runtime.NumCPU(), cpu, runtime.Version(), version),
		fmt.Sprintf("%d rounds of %d slices of %s a side, load by %s, statements by %s", b.pace.rounds, b.pace.slices, b.pace.slice, b.pace.loadName, sql),
		fmt.Sprintf("pool of each service %d connections; load average at the end %s", poolConns, busy),
	}
}
