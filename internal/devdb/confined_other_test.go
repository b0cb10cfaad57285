//go:build unix && !linux

package devdb

import "syscall"

// confined is never used here: user namespaces are Linux's.
func confined() *syscall.SysProcAttr { return nil }
