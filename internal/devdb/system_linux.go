package devdb

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// namespaced is root seen as an ordinary user: files stay root's, and folders only root can enter stay open.
// Many containers forbid it.
func namespaced() []identity {
	const inside = 1000
	attr := syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: inside, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: inside, HostID: os.Getegid(), Size: 1}},
	}
	return []identity{{name: "root in a user namespace", uid: os.Geteuid(), gid: os.Getegid(), attr: attr}}
}

// memoryFolder is a file system in memory that every user may write to.
const memoryFolder = "/dev/shm"

// freeMemory is the free space of a file system in memory in bytes, 0 when path is on any other.
func freeMemory(path string) uint64 {
	const tmpfs = 0x01021994
	var st syscall.Statfs_t
	if err := syscall.Statfs(path, &st); err != nil || st.Type != tmpfs {
		return 0
	}
	return st.Bavail * uint64(st.Bsize) //nolint:gosec // a block has a size above 0
}

// dieWithParent makes the kernel ask the server for a fast shutdown when the thread that started it ends.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGINT }

// commandLine gives the arguments of a process, separated by spaces, and "" when there is none.
func commandLine(_ context.Context, pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(bytes.ReplaceAll(text, []byte{0}, []byte{' '})))
}
