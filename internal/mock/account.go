package mock

import (
	"context"

	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/handlers"
	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/id"
	"github.com/eggapi/eggapi/internal/money"
)

// welcomeMicros is what everybody who signs up is given, so that a live key can be used up.
const welcomeMicros = 100 * money.PerDollar

// GetAccount gives the profile.
func (m *Mock) GetAccount(ctx context.Context, _ api.GetAccountRequestObject) (api.GetAccountResponseObject, error) {
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	u, err := m.memory.owner(ctx)
	if err != nil {
		return nil, err
	}
	return api.GetAccount200JSONResponse{Data: api.Account{
		ID: u.row.ID, Name: u.row.Name, Email: u.row.Email, EmailVerified: u.row.EmailVerified, CreatedAt: handlers.WholeSeconds(u.row.CreatedAt),
	}}, nil
}

// GetBalance gives the balance.
func (m *Mock) GetBalance(ctx context.Context, _ api.GetBalanceRequestObject) (api.GetBalanceResponseObject, error) {
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	u, err := m.memory.owner(ctx)
	if err != nil {
		return nil, err
	}
	return api.GetBalance200JSONResponse{Data: api.Balance{
		Balance: money.Dollars(u.balanceMicros), Held: money.Dollars(u.heldMicros), Available: money.Dollars(u.balanceMicros - u.heldMicros),
	}}, nil
}

// owner gives the user whose session the request came with.
func (m *memory) owner(ctx context.Context) (*user, error) {
	if u := m.users.get(auth.PrincipalFrom(ctx).UserID); u != nil {
		return u, nil
	}
	return nil, errSessionInvalid // forgotten since the gate let the request in
}

// ListTransactions gives a page of the ledger.
func (m *Mock) ListTransactions(ctx context.Context, r api.ListTransactionsRequestObject) (api.ListTransactionsResponseObject, error) {
	userID := auth.PrincipalFrom(ctx).UserID
	m.memory.mu.Lock()
	defer m.memory.mu.Unlock()
	mine := only(m.memory.entries.newest(), func(e *entry) bool { return e.userID == userID })
	items, pagination := page(mine, r.Params.Page, r.Params.PerPage, func(e *entry) api.Transaction { return handlers.ToTransaction(e.row) })
	return api.ListTransactions200JSONResponse{Data: api.TransactionList{Items: items, Pagination: pagination}}, nil
}

// hold sets an amount aside. It is false when what is available does not cover it.
func (m *memory) hold(userID string, amountMicros int64) bool {
	u := m.users.get(userID)
	if u == nil || u.balanceMicros-u.heldMicros < amountMicros {
		return false
	}
	u.heldMicros += amountMicros
	return true
}

// charge resolves the hold of a task that has ended: what it cost is taken, the rest released.
func (m *memory) charge(row db.Task) {
	u := m.users.get(row.UserID)
	if u == nil {
		return
	}
	u.heldMicros -= row.UnitPriceMicros * int64(row.NumOutputs)
	u.balanceMicros -= row.CostMicros
	if row.CostMicros > 0 {
		m.post(row.UserID, db.LedgerEntry{Kind: "settle", AmountMicros: -row.CostMicros, TaskID: &row.ID, CreatedAt: *row.CompletedAt})
	}
}

// post notes a transaction.
func (m *memory) post(userID string, row db.LedgerEntry) {
	row.TransactionID = id.New(id.Transaction, row.CreatedAt)
	m.entries.put(row.TransactionID, &entry{userID: userID, row: row})
}
