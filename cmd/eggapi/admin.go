package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/eggapi/eggapi/internal/ledger"
	"github.com/eggapi/eggapi/internal/money"
)

type adminCommand struct {
	TopUp      topUp      `cmd:"" name:"top-up" help:"Add to a user's balance."`
	Check      checkBooks `cmd:"" name:"check" help:"Prove the books; fails when something does not add up."`
	NewSecrets newSecrets `cmd:"" name:"new-secrets" help:"Print fresh values for the settings that are secret."`
}

type topUp struct {
	User      string `arg:"" help:"The user's id."`
	Micros    int64  `arg:"" help:"Micro-USD to add; 1000000 is one dollar. A negative amount takes."`
	Reference string `required:"" help:"What the top-up refers to. The same reference is booked once."`
}

func (t topUp) Run(ctx context.Context, p *process) error {
	if t.Micros == 0 {
		return errors.New("the amount must not be 0")
	}
	pool, err := openDatabase(ctx, p.config, 0)
	if err != nil {
		return err
	}
	defer pool.Close()
	booked, err := ledger.TopUp(ctx, pool, ledger.Credit{
		UserID: t.User, AmountMicros: t.Micros, Adjustment: t.Micros < 0, Reference: t.Reference, Now: time.Now(),
	})
	if err != nil {
		return err
	}
	if !booked {
		_, err = fmt.Fprintln(p.out, "This reference was booked before; nothing changed.")
		return err
	}
	_, err = fmt.Fprintf(p.out, "Booked %s for %s.\n", money.Dollars(t.Micros), t.User)
	return err
}

type checkBooks struct{}

func (checkBooks) Run(ctx context.Context, p *process) error {
	pool, err := openDatabase(ctx, p.config, 10*time.Minute)
	if err != nil {
		return err
	}
	defer pool.Close()
	violations, err := ledger.Check(ctx, pool)
	if err != nil {
		return err
	}
	for _, v := range violations {
		if _, err := fmt.Fprintf(p.out, "broken: %s: %s: %d\n", v.Invariant, v.Subject, v.AmountMicros); err != nil {
			return err
		}
	}
	if len(violations) > 0 {
		return fmt.Errorf("the books have %d violations", len(violations))
	}
	_, err = fmt.Fprintln(p.out, "The books are whole.")
	return err
}

type newSecrets struct{}

func (newSecrets) Run(p *process) error {
	_, err := fmt.Fprintf(p.out, "EGGAPI_AUTH_SECRETS=%s\nEGGAPI_SEAL_KEYS=k1:%s\n", randomText(), randomText())
	return err
}

// randomText is 32 random bytes as base64.
func randomText() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.StdEncoding.EncodeToString(b[:])
}
