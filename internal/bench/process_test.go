//go:build system

package bench

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// ticksPerSecond is the unit of CPU time in /proc: USER_HZ, which is 100 on every Linux that Go runs on.
const ticksPerSecond = 100

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// megabytes reads a size of a process from its status: VmRSS is what it has in memory now, VmHWM the most it ever had.
// Linux only.
func (s *service) megabytes(t *testing.T, field string) float64 {
	t.Helper()
	text := s.proc(t, "status")
	m := regexp.MustCompile(`(?m)^` + field + `:\s+(\d+) kB$`).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("the process does not tell %s", field)
	}
	kilobytes, _ := strconv.ParseFloat(m[1], 64) // digits by the pattern
	return kilobytes / 1024
}

// cpuTime gives the time that a process has spent on cores.
func (s *service) cpuTime(t *testing.T) time.Duration {
	t.Helper()
	text := s.proc(t, "stat")
	fields := strings.Fields(text[strings.LastIndex(text, ")")+1:]) // proc_pid_stat(5), from the third field on
	user, err := strconv.Atoi(fields[11])
	system, systemErr := strconv.Atoi(fields[12])
	if err != nil || systemErr != nil {
		t.Fatalf("the process does not tell its time: %q", text)
	}
	return time.Duration(user+system) * time.Second / ticksPerSecond
}

func (s *service) proc(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", s.pid, file))
	if err != nil {
		t.Fatalf("read about a process: %v", err)
	}
	return string(text)
}
