package handlers

import (
	"context"
	"time"

	"github.com/eggapi/eggapi/gen/api"
	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/pg"
)

type me struct {
	pool    db.DBTX
	keyring *auth.Keyring
	clock   func() time.Time
}

// GetMe gives the key that asks.
func (m *me) GetMe(ctx context.Context, _ api.GetMeRequestObject) (api.GetMeResponseObject, error) {
	p := auth.PrincipalFrom(ctx)
	key, err := m.keyring.Get(ctx, p.UserID, p.KeyID)
	if err != nil {
		return nil, err
	}
	left, err := m.keyring.Left(ctx, p)
	if err != nil {
		return nil, err
	}
	data := api.Me{
		KeyID: key.ID, Name: key.Name, Environment: api.Environment(key.Environment), ExpiresAt: wholeSecondsOrNil(key.ExpiresAt),
		Scopes: key.Scopes, Limits: ToAPIKeyLimits(key), Remaining: api.RemainingLimits{
			Spend: toRemaining(left.Spend), RunningTasks: toRemaining(left.RunningTasks), RequestsPerDay: toRemaining(left.RequestsPerDay),
		},
	}
	// The balance is real money, with which a test key has nothing to do.
	if key.Environment == auth.EnvironmentLive {
		row, err := pg.Q.AccountGet(ctx, m.pool, p.UserID)
		if err != nil {
			return nil, fault.Wrap(err, "get an account")
		}
		balance := ToBalance(row)
		data.Balance = &balance
	}
	return api.GetMe200JSONResponse{Data: data}, nil
}

// toRemaining gives what is left of a limit; nil when there is no such limit.
func toRemaining(q *fault.Quota) *api.Remaining {
	if q == nil {
		return nil
	}
	return &api.Remaining{Remaining: q.Remaining, ResetsAt: wholeSecondsOrNil(q.ResetsAt)}
}
