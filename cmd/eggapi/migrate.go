package main

import (
	"context"
	"fmt"

	"github.com/eggapi/eggapi/internal/pg"
)

type migrateCommand struct {
	Up     migrateUp     `cmd:"" help:"Bring the database to this binary's schema, the queue's tables too."`
	Status migrateStatus `cmd:"" help:"List the migrations and which are applied."`
}

type migrateUp struct{}

func (migrateUp) Run(ctx context.Context, p *process) error {
	if err := reachDatabase(ctx, p.config); err != nil {
		return err
	}
	if err := pg.Migrate(ctx, p.config.DatabaseURL.Reveal()); err != nil {
		return err
	}
	_, err := fmt.Fprintln(p.out, "The schema is current.")
	return err
}

type migrateStatus struct{}

func (migrateStatus) Run(ctx context.Context, p *process) error {
	pool, err := openDatabase(ctx, p.config, 0)
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
