package task

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eggapi/eggapi/gen/db"
	"github.com/eggapi/eggapi/internal/fault"
	"github.com/eggapi/eggapi/internal/pg"
	"github.com/eggapi/eggapi/internal/provider"
)

// catalogueAge is how old what is known of the catalogue may be.
const catalogueAge = time.Second

// catalogue remembers for a moment what is sold, at what price, and who makes it: a handful of rows that every request and
// every task asks for.
type catalogue struct {
	pool  *pgxpool.Pool
	clock func() time.Time
	mu    sync.Mutex // one reads it, the others wait
	known atomic.Pointer[goods]
}

// goods are the catalogue as it was at one moment.
type goods struct {
	readAt time.Time
	models map[string]db.Model
	prices map[priced][]db.Price // the newest first; those to come too
	routes map[string][]provider.Route
}

type priced struct{ model, resolution string }

// get gives the catalogue, at most a second old.
func (c *catalogue) get(ctx context.Context) (*goods, error) {
	if g := c.known.Load(); c.fresh(g) {
		return g, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if g := c.known.Load(); c.fresh(g) {
		return g, nil
	}
	g, err := c.read(ctx)
	if err != nil {
		return nil, err
	}
	c.known.Store(g)
	return g, nil
}

func (c *catalogue) fresh(g *goods) bool {
	if g == nil {
		return false
	}
	age := c.clock().Sub(g.readAt)
	return age >= 0 && age < catalogueAge
}

func (c *catalogue) read(ctx context.Context) (*goods, error) {
	g := &goods{readAt: c.clock(), models: map[string]db.Model{}, prices: map[priced][]db.Price{}, routes: map[string][]provider.Route{}}
	models, err := pg.Q.ModelList(ctx, c.pool)
	if err != nil {
		return nil, fault.Wrap(err, "list models")
	}
	for _, m := range models {
		g.models[m.ID] = m
	}
	prices, err := pg.Q.PriceListAll(ctx, c.pool)
	if err != nil {
		return nil, fault.Wrap(err, "list prices")
	}
	for _, p := range prices {
		g.prices[priced{p.Model, p.Resolution}] = append(g.prices[priced{p.Model, p.Resolution}], p)
	}
	routes, err := pg.Q.RouteListAll(ctx, c.pool)
	if err != nil {
		return nil, fault.Wrap(err, "list routes")
	}
	for _, row := range routes {
		route := provider.Route{ID: row.ID, Provider: row.Provider, UpstreamModel: row.UpstreamModel, Priority: int(row.Priority)}
		if err := errors.Join(json.Unmarshal(row.Caps, &route.Caps), json.Unmarshal(row.CostMicros, &route.CostMicros)); err != nil {
			return nil, fault.Wrap(err, "read route "+row.ID)
		}
		g.routes[row.Model] = append(g.routes[row.Model], route)
	}
	return g, nil
}

// quote gives a model and its price in force at now for a resolution; "" is the model's own. false: the model is unknown,
// off, or not sold so.
func (g *goods) quote(model, resolution string, now time.Time) (db.Model, db.Price, bool) {
	m, ok := g.models[model]
	if !ok {
		return db.Model{}, db.Price{}, false
	}
	if resolution == "" {
		resolution = m.DefaultResolution
	}
	for _, p := range g.prices[priced{model, resolution}] {
		if !p.ValidFrom.After(now) {
			return m, p, true
		}
	}
	return db.Model{}, db.Price{}, false
}
