package pg

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eggapi/eggapi/internal/fault"
)

// Listener keeps one connection of its own on a notification channel.
type Listener struct {
	Pool    *pgxpool.Pool
	Channel string // a plain identifier
	Logger  *slog.Logger
	// Up is called each time listening begins, before the first notification.
	Up func()
	// Down is called each time the connection is lost: notifications sent from now on never arrive.
	Down func()
	// Notify is called with each payload, one at a time.
	Notify func(payload string)
	// PingInterval bounds how long a dead connection goes unnoticed, together with a ping's own timeout; 0 = 5 s.
	PingInterval time.Duration
}

// Run listens until the context ends, reconnecting for ever with a pause of at most 1 s.
func (l *Listener) Run(ctx context.Context) {
	for ctx.Err() == nil {
		err := l.listen(ctx)
		l.Down()
		if ctx.Err() != nil {
			return
		}
		l.Logger.WarnContext(ctx, "listening for notifications was interrupted", "channel", l.Channel, "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

func (l *Listener) listen(ctx context.Context) error {
	// Outside the pool, so that a busy pool cannot starve it nor recycle it.
	cfg := l.Pool.Config().ConnConfig.Copy()
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return fault.Wrap(err, "connect")
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, "listen "+pgx.Identifier{l.Channel}.Sanitize()); err != nil {
		return fault.Wrap(err, "listen")
	}
	l.Up()
	for {
		if err := l.wait(ctx, conn); err != nil {
			return err
		}
	}
}

// wait hands on one notification, or pings when none came for a while.
func (l *Listener) wait(ctx context.Context, conn *pgx.Conn) error {
	interval := or(l.PingInterval, 5*time.Second)
	waitCtx, cancel := context.WithTimeout(ctx, interval)
	n, err := conn.WaitForNotification(waitCtx)
	cancel()
	if err == nil {
		l.Notify(n.Payload)
		return nil
	}
	if ctx.Err() != nil || waitCtx.Err() == nil {
		return fault.Wrap(err, "wait for a notification")
	}
	pingCtx, cancel := context.WithTimeout(ctx, interval)
	defer cancel()
	return fault.Wrap(conn.Ping(pingCtx), "ping")
}
