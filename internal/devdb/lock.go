package devdb

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/eggapi/eggapi/internal/fault"
)

// BusyError says that another living process runs the database of the folder.
type BusyError struct {
	Dir string
	PID int // 0 when the other process has not said yet
}

// Error names the folder and the process, for the person at the terminal.
func (e *BusyError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("the database in %s is in use by another process", e.Dir)
	}
	return fmt.Sprintf("the database in %s is in use by process %d", e.Dir, e.PID)
}

// dirLock is held through an open file, so the kernel frees it however the process ends.
type dirLock struct{ f *os.File }

func takeLock(dir string) (*dirLock, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fault.Wrap(err, "open the lock of the database folder")
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		text, _ := os.ReadFile(f.Name())
		pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
		_ = f.Close()
		return nil, &BusyError{Dir: dir, PID: pid}
	}
	if err != nil {
		_ = f.Close()
		return nil, fault.Wrap(err, "lock the database folder")
	}
	_ = f.Truncate(0)
	_, _ = fmt.Fprintf(f, "%d\n", os.Getpid())
	return &dirLock{f: f}, nil
}

func (l *dirLock) release() {
	_ = l.f.Truncate(0)
	_ = l.f.Close()
}
