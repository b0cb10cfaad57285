package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eggapi/eggapi/internal/config"
	"github.com/eggapi/eggapi/internal/pg"
)

var errNoDatabase = errors.New("DATABASE_URL is not set; it looks like postgres://user:password@host:5432/name (`eggapi dev` brings a database of its own)")

// openDatabase connects a command to the database it needs, whose statements may take at most limit (0 = 5 s).
func openDatabase(ctx context.Context, cfg config.Config, limit time.Duration) (*pgxpool.Pool, error) {
	if cfg.DatabaseURL == "" {
		return nil, errNoDatabase
	}
	pool, err := pg.Connect(ctx, cfg.DatabaseURL.Reveal(), pg.Options{MaxConns: 4, StatementTimeout: limit})
	if err != nil {
		return nil, errors.New("DATABASE_URL is malformed; it looks like postgres://user:password@host:5432/name")
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("the database that DATABASE_URL names cannot be reached: %w", err)
	}
	return pool, nil
}

// reachDatabase fails, in words for the operator, when there is no database to work with.
func reachDatabase(ctx context.Context, cfg config.Config) error {
	pool, err := openDatabase(ctx, cfg, 0)
	if err != nil {
		return err
	}
	pool.Close()
	return nil
}
