//go:build unix && !linux

package devdb

import (
	"context"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// namespaced is empty: user namespaces are Linux's.
func namespaced() []identity { return nil }

// memoryFolder is empty: there is no such folder here.
const memoryFolder = ""

func freeMemory(string) uint64 { return 0 }

// dieWithParent does nothing here; the next start stops a server left behind.
func dieWithParent(*syscall.SysProcAttr) {}

// commandLine gives the arguments of a process, separated by spaces, and "" when there is none.
func commandLine(ctx context.Context, pid int) string {
	out, err := exec.CommandContext(ctx, "ps", "-ww", "-o", "args=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
