package devdb

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

type situation struct {
	name     string
	attr     *syscall.SysProcAttr
	closed   bool // the folder lies in one that only its owner may enter
	order    childOrder
	wantWho  string
	wantMove bool
}

// situations are those this user can bring about: an ordinary user has one.
func situations() []situation {
	if os.Geteuid() != 0 {
		return []situation{{name: "OrdinaryUser", closed: true, wantWho: "this user"}}
	}
	somebody := nobody().attr
	all := []situation{
		{name: "OrdinaryUser", attr: &somebody, wantWho: "this user"},
		{name: "Root", wantWho: "nobody"},
	}
	if runtime.GOOS != "linux" {
		return all
	}
	return append(all,
		situation{name: "RootInAClosedHome", closed: true, wantWho: "root in a user namespace"},
		situation{name: "RootWithoutNamespaces", attr: confined(), order: childOrder{NoNamespaces: true}, wantWho: "nobody"},
		situation{
			name: "RootInAClosedHomeWithoutNamespaces", attr: confined(), closed: true,
			order: childOrder{NoNamespaces: true}, wantWho: "nobody", wantMove: true,
		},
	)
}

func TestStart_WorksForEveryUserAndKeepsData(t *testing.T) {
	for _, s := range situations() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			home := openDir(t)
			if s.closed {
				if err := os.Chmod(home, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			s.order.Dir = filepath.Join(home, "data")
			s.order.RootState = filepath.Join(openDir(t), "state")
			if s.attr != nil && s.attr.Credential != nil {
				if err := os.Chown(home, int(s.attr.Credential.Uid), int(s.attr.Credential.Gid)); err != nil {
					t.Fatal(err)
				}
			}
			first := startChild(t, s.order, s.attr)
			if first.Err != "" {
				t.Fatal(first.Err)
			}
			if first.Who != s.wantWho {
				t.Errorf("the server runs as %s, want %s", first.Who, s.wantWho)
			}
			if moved := strings.HasPrefix(first.Cluster, s.order.RootState); moved != s.wantMove {
				t.Errorf("the data is in %s; moved: %v, want %v", first.Cluster, moved, s.wantMove)
			}
			remember(t, first.URL)
			first.kill()
			second := startChild(t, s.order, s.attr)
			if second.Err != "" {
				t.Fatal(second.Err)
			}
			wantMemory(t, second.URL)
			if second.Cluster != first.Cluster {
				t.Errorf("the data moved from %s to %s", first.Cluster, second.Cluster)
			}
		})
	}
}

// A folder used in a user namespace must open where namespaces are forbidden, and the other way round.
func TestOwn_DataFollowsWhoRunsTheServer(t *testing.T) {
	dir := openDir(t)
	d := start(t, Options{Dir: dir})
	remember(t, d.URL())
	stop(t, d)
	for range 2 {
		for _, who := range contenders(filepath.Join(dir, "none")) {
			if err := own(d.cluster, who); err != nil {
				t.Fatal(err)
			}
			again := start(t, Options{Dir: dir})
			wantMemory(t, again.URL())
			stop(t, again)
		}
	}
}

// openDir is a temporary folder every user may enter.
func openDir(t *testing.T) string {
	t.Helper()
	dir := scratch(t)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
