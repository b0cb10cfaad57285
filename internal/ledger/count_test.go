package ledger_test

import (
	"fmt"
	"testing"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/ledger"
	"github.com/eggapi/eggapi/internal/pg"
)

func TestCountEntries_IsExactBeforeAtAndAfterAMark(t *testing.T) {
	t.Parallel()
	pool := newPool(t)
	var marks int64
	for n := range int64(12) {
		if got, err := ledger.CountEntries(t.Context(), pool, user); err != nil || got != n {
			t.Fatalf("%d entries were counted as %d with %d marks: %v", n, got, marks, err)
		}
		topUp(t, pool, 1, fmt.Sprintf("in %d", n))
		set, err := pg.Q.LedgerMarkAdd(t.Context(), pool, db.LedgerMarkAddParams{UserID: user, MarkRows: 3})
		if err != nil {
			t.Fatalf("mark: %v", err)
		}
		marks += set
	}
	if marks != 3 {
		t.Errorf("%d marks were set, want 3", marks)
	}
}
