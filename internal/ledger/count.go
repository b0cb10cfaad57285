package ledger

import (
	"context"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/pg"
)

// CountEntries tells exactly how many entries a user has: those before the last mark and those after it.
func CountEntries(ctx context.Context, executor db.DBTX, userID string) (int64, error) {
	mark, err := pg.Q.LedgerMarkLast(ctx, executor, userID)
	if err != nil && !pg.NoRows(err) {
		return 0, fault.Wrap(err, "read the marks of the ledger")
	}
	rest, err := pg.Q.LedgerEntryCount(ctx, executor, db.LedgerEntryCountParams{UserID: userID, SinceID: mark.UntilID})
	return mark.Total + rest, fault.Wrap(err, "count ledger entries")
}
