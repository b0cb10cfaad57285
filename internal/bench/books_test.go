//go:build system

package bench

import (
	"path/filepath"
	"testing"

	"github.com/eggapi/eggapi/internal/ledger"
)

// proveBooks holds a database to what was promised of each order in it: it is completed, charged once and told once,
// and its file is there. The tasks that the stage was filled with have no file and no event.
func (d *database) proveBooks(t *testing.T) {
	t.Helper()
	tasks := d.count(t, "tasks")
	made := tasks - doneTasks
	for what, want := range map[string]int{
		"tasks where status = 'completed'":          tasks,
		"usage_records":                             tasks,
		"holds where state = 'settled'":             tasks,
		"outputs":                                   tasks,
		"webhook_events where status = 'delivered'": made,
	} {
		if got := d.count(t, what); got != want {
			t.Errorf("%d %s, want %d", got, what, want)
		}
	}
	var paths []string
	rows, err := d.pool.Query(t.Context(), "select path from outputs where attempt_id not like 'att_gen%'")
	if err != nil {
		t.Fatalf("list the files: %v", err)
	}
	for rows.Next() {
		var path string
		if err := rows.Scan(&path); err != nil {
			t.Fatalf("list the files: %v", err)
		}
		paths = append(paths, filepath.Join(d.stage.dir, "files", path))
	}
	missing := 0
	for _, path := range paths {
		if !exists(path) {
			missing++
		}
	}
	if missing > 0 || len(paths) != made {
		t.Errorf("%d tasks were worked: %d files are named, %d of them missing", made, len(paths), missing)
	}
	violations, err := ledger.Check(t.Context(), d.pool)
	if err != nil {
		t.Fatalf("check the books: %v", err)
	}
	for _, v := range violations {
		t.Errorf("the books: %+v", v)
	}
}
