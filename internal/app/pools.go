package app

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eggapi/eggapi/internal/pg"
)

// queueConns are the connections of River's own statements: a listener, a fetch and a completion for each of two queues,
// and the leader's chores.
const queueConns = 6

// pools are a node's connections to the database, by what they are for. The first two share what the configuration allows,
// so that neither long lists nor many webhooks can keep tasks from being accepted.
type pools struct {
	general *pgxpool.Pool // lists, sessions and chores: planned by what they ask
	keyed   *pgxpool.Pool // accepting, working and telling: rows found by their keys
	queue   *pgxpool.Pool // River's own; that of keyed when the node works no queue
}

// connect opens the pools. It fails when the database's address is malformed.
func connect(ctx context.Context, o Options) (p pools, err error) {
	url, conns := o.Config.DatabaseURL.Reveal(), o.Config.DatabaseConns
	if p.general, err = pg.Connect(ctx, url, pg.Options{MaxConns: conns / 2}); err != nil {
		return p, err
	}
	if p.keyed, err = pg.Connect(ctx, url, pg.Options{MaxConns: conns - conns/2, Keyed: true}); err != nil {
		p.close()
		return p, err
	}
	p.queue = p.keyed
	if !o.Work {
		return p, nil
	}
	// What a crash undoes of River's bookkeeping is done again: a job twice fetched finds its task leased or ended.
	if p.queue, err = pg.Connect(ctx, url, pg.Options{MaxConns: queueConns, AsyncCommit: true, NoScans: true}); err != nil {
		p.queue = nil
		p.close()
	}
	return p, err
}

func (p pools) close() {
	if p.queue != nil && p.queue != p.keyed {
		p.queue.Close()
	}
	if p.keyed != nil {
		p.keyed.Close()
	}
	p.general.Close()
}
