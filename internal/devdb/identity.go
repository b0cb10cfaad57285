package devdb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/eggapi/eggapi/internal/fault"
)

// identity is who the server runs as. The server refuses root, so root has to become someone.
type identity struct {
	name string
	uid  int // owner the data must have, as this process sees it
	gid  int
	attr syscall.SysProcAttr
}

func self() identity {
	return identity{name: "this user", uid: os.Geteuid(), gid: os.Getegid()}
}

func account(name string, uid, gid int) identity {
	cred := &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)} //nolint:gosec // the system gave them, as 32 bits
	return identity{name: name, uid: uid, gid: gid, attr: syscall.SysProcAttr{Credential: cred}}
}

func nobody() identity {
	const usual = 65534
	if u, err := user.Lookup("nobody"); err == nil {
		uid, uidErr := strconv.Atoi(u.Uid)
		gid, gidErr := strconv.Atoi(u.Gid)
		if uidErr == nil && gidErr == nil {
			return account("nobody", uid, gid)
		}
	}
	return account("nobody", usual, usual)
}

// command prepares a server program: no terminal, so that Ctrl-C reaches only us, and none of our environment,
// in which PGDATA or PGPORT would mislead it.
func (i identity) command(ctx context.Context, path string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, path, args...)
	attr := i.attr
	attr.Setsid = true
	cmd.SysProcAttr = &attr
	cmd.Env = []string{"PATH=" + filepath.Dir(path) + ":/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
	cmd.Dir = "/"
	return cmd
}

// choose picks the first identity that can run the binaries and reach the cluster's folder, else tells why none can.
func (d *DB) choose(ctx context.Context, cluster string) (*identity, []error) {
	var refusals []error
	for _, who := range contenders(cluster) {
		// Running the server's smallest command in that folder asks the system itself.
		cmd := who.command(ctx, d.bin.path("postgres"), "--version")
		cmd.Dir = filepath.Dir(cluster)
		err := cmd.Run()
		if err == nil {
			return &who, nil
		}
		refusals = append(refusals, fmt.Errorf("run %s in %s as %s: %w", cmd.Path, cmd.Dir, who.name, err))
	}
	return nil, refusals
}

// contenders are the identities to try, best first. Existing data keeps its owner where it can.
func contenders(cluster string) []identity {
	if os.Geteuid() != 0 {
		return []identity{self()}
	}
	uid, gid, err := owner(cluster)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return append([]identity{nobody()}, namespaced()...)
	case err == nil && uid != 0:
		return append([]identity{account("user "+strconv.Itoa(uid), uid, gid)}, namespaced()...)
	default:
		return append(namespaced(), nobody())
	}
}

func owner(path string) (uid, gid int, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, 0, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, fmt.Errorf("%s has no owner", path)
	}
	return int(st.Uid), int(st.Gid), nil
}

// own gives the tree at root to who. The top changes last, so a change that was cut short is done again.
func own(root string, who identity) error {
	uid, _, err := owner(root)
	if errors.Is(err, fs.ErrNotExist) || (err == nil && uid == who.uid) {
		return nil
	}
	if err == nil && os.Geteuid() != 0 {
		return fmt.Errorf("%s belongs to user %d: run as that user or as root, or remove it", root, uid)
	}
	if err != nil {
		return fault.Wrap(err, "find the owner of the data")
	}
	// Bound to the folder, so that its owner cannot lead us to other files by links.
	tree, err := os.OpenRoot(root)
	if err != nil {
		return fault.Wrap(err, "open the data")
	}
	defer func() { _ = tree.Close() }()
	err = fs.WalkDir(tree.FS(), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == "." {
			return err
		}
		return tree.Lchown(path, who.uid, who.gid)
	})
	if err == nil {
		err = tree.Lchown(".", who.uid, who.gid)
	}
	return fault.Wrap(err, "give the data to "+who.name)
}
