//go:build system

package bench

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// lookEvery is how often the watch looks.
const lookEvery = 3 * time.Millisecond

// watch looks from outside, on a connection of its own, when open tasks are completed.
type watch struct {
	mu   sync.Mutex
	open map[string]func(at time.Time)
}

func newWatch() *watch { return &watch{open: map[string]func(time.Time){}} }

// add has done called once, when the task was first seen to be completed.
func (w *watch) add(taskID string, done func(at time.Time)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open[taskID] = done
}

// left is how many tasks were not seen to be completed.
func (w *watch) left() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.open)
}

// start looks every few milliseconds, by one statement over the open tasks, until stop is called.
func (w *watch) start(ctx context.Context, conn *pgx.Conn) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		var err error
		for err == nil && ctx.Err() == nil {
			err = w.look(ctx, conn)
			time.Sleep(lookEvery)
		}
		if ctx.Err() != nil {
			err = nil
		}
		ended <- err
	}()
	return func() error {
		cancel()
		return <-ended
	}
}

func (w *watch) look(ctx context.Context, conn *pgx.Conn) error {
	w.mu.Lock()
	ids := slices.Collect(maps.Keys(w.open))
	w.mu.Unlock()
	if len(ids) == 0 {
		return nil
	}
	rows, err := conn.Query(ctx, "select id from tasks where id = any($1) and status = 'completed'", ids)
	if err != nil {
		return err
	}
	seen, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	at := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range seen {
		w.open[id](at)
		delete(w.open, id)
	}
	return nil
}
