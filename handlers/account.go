package handlers

import (
	"context"

	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/ledger"
	"github.com/eggapi/eggapi/internal/money"
	"github.com/eggapi/eggapi/internal/pg"
)

type account struct {
	pool db.DBTX
}

// GetAccount gives the profile.
func (a *account) GetAccount(ctx context.Context, _ api.GetAccountRequestObject) (api.GetAccountResponseObject, error) {
	row, err := a.get(ctx)
	if err != nil {
		return nil, err
	}
	return api.GetAccount200JSONResponse{Data: api.Account{
		ID: row.ID, Name: row.Name, Email: row.Email, EmailVerified: row.EmailVerified, CreatedAt: WholeSeconds(row.CreatedAt),
	}}, nil
}

// GetBalance gives the balance.
func (a *account) GetBalance(ctx context.Context, _ api.GetBalanceRequestObject) (api.GetBalanceResponseObject, error) {
	row, err := a.get(ctx)
	if err != nil {
		return nil, err
	}
	return api.GetBalance200JSONResponse{Data: ToBalance(row)}, nil
}

// ToBalance gives a balance as the contract has it.
func ToBalance(row db.AccountGetRow) api.Balance {
	return api.Balance{
		Balance: money.Dollars(row.BalanceMicros), Held: money.Dollars(row.HeldMicros),
		Available: money.Dollars(row.BalanceMicros - row.HeldMicros),
	}
}

func (a *account) get(ctx context.Context) (db.AccountGetRow, error) {
	row, err := pg.Q.AccountGet(ctx, a.pool, auth.PrincipalFrom(ctx).UserID)
	return row, fault.Wrap(err, "get an account")
}

// ListTransactions gives a page of the ledger.
func (a *account) ListTransactions(ctx context.Context, r api.ListTransactionsRequestObject) (api.ListTransactionsResponseObject, error) {
	userID := auth.PrincipalFrom(ctx).UserID
	at := newPage(r.Params.Page, r.Params.PerPage)
	total, err := ledger.CountEntries(ctx, a.pool, userID)
	if err != nil {
		return nil, err
	}
	if at.offset() >= total {
		return api.ListTransactions200JSONResponse{Data: api.TransactionList{Items: []api.Transaction{}, Pagination: at.pagination(total)}}, nil
	}
	rows, err := pg.Q.LedgerEntryList(ctx, a.pool, db.LedgerEntryListParams{UserID: userID, RowLimit: at.limit(), RowOffset: at.offset()})
	if err != nil {
		return nil, fault.Wrap(err, "list ledger entries")
	}
	items := make([]api.Transaction, len(rows))
	for i, row := range rows {
		items[i] = ToTransaction(row)
	}
	return api.ListTransactions200JSONResponse{Data: api.TransactionList{Items: items, Pagination: at.pagination(total)}}, nil
}

// ToTransaction gives a ledger entry as the contract has it.
func ToTransaction(row db.LedgerEntry) api.Transaction {
	return api.Transaction{
		ID: row.TransactionID, Kind: row.Kind, Amount: money.Dollars(row.AmountMicros),
		TaskID: row.TaskID, Reference: row.Reference, CreatedAt: WholeSeconds(row.CreatedAt),
	}
}
