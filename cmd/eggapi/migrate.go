package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/eggapi/eggapi/internal/pg"
)

type migrateCommand struct {
	Up     migrateUp     `cmd:"" help:"Bring the database to this binary's schema, the queue's tables too."`
	Status migrateStatus `cmd:"" help:"List the migrations and which are applied."`
}

var errNoDatabase = errors.New("DATABASE_URL is not set")

type migrateUp struct{}

func (migrateUp) Run(ctx context.Context, p *process) error {
	if p.config.DatabaseURL == "" {
		return errNoDatabase
	}
	if err := pg.Migrate(ctx, p.config.DatabaseURL.Reveal()); err != nil {
		return err
	}
	_, err := fmt.Fprintln(p.out, "The schema is current.")
	return err
}

type migrateStatus struct{}

func (migrateStatus) Run(ctx context.Context, p *process) error {
	if p.config.DatabaseURL == "" {
		return errNoDatabase
	}
	pool, err := pg.Connect(ctx, p.config.DatabaseURL.Reveal(), pg.Options{MaxConns: 4})
	if err != nil {
		return err
	}
	defer pool.Close()
	steps, err := pg.Status(ctx, pool)
	if err != nil {
		return err
	}
	for _, s := range steps {
		state := "pending"
		if s.Applied {
			state = "applied"
		}
		if _, err := fmt.Fprintf(p.out, "%-8s %s\n", state, s.Name); err != nil {
			return err
		}
	}
	return nil
}
