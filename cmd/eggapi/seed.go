package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/eggapi/eggapi/internal/audit"
	"github.com/eggapi/eggapi/internal/auth"
	"github.com/eggapi/eggapi/internal/config"
	"github.com/eggapi/eggapi/internal/ledger"
	"github.com/eggapi/eggapi/internal/money"
)

const (
	demoBalanceMicros = 1000 * money.PerDollar
	demoEmail         = "demo@example.com"
)

// seeded is the demo account. It is kept in dev.json, so that a later start gives the same.
type seeded struct {
	URL           string `json:"url"`
	Email         string `json:"email"`
	Password      string `json:"password"`
	LiveKey       string `json:"live_key"`
	TestKey       string `json:"test_key"`
	WebhookSecret string `json:"webhook_secret"`
}

// seed finds or makes the demo account.
func seed(ctx context.Context, n devNode) (seeded, error) {
	path := filepath.Join(n.config.DataDir, "dev.json")
	var s seeded
	if err := readJSON(path, &s); err != nil {
		return seeded{}, err
	}
	if !s.usable(ctx, n) {
		fresh, err := newAccount(ctx, n)
		if err != nil {
			return seeded{}, fmt.Errorf("make the demo account: %w", err)
		}
		s = fresh
	}
	s.URL = n.config.PublicURL
	return s, writeJSON(path, s)
}

// usable tells whether the account is there and its keys and secret still work.
func (s seeded) usable(ctx context.Context, n devNode) bool {
	p, err := n.node.Keyring.Authenticate(ctx, s.LiveKey)
	if err != nil {
		return false
	}
	if _, err := n.node.Keyring.Authenticate(ctx, s.TestKey); err != nil {
		return false
	}
	secret, err := n.node.Secrets.Ensure(ctx, p.UserID)
	return err == nil && secret == s.WebhookSecret
}

func newAccount(ctx context.Context, n devNode) (seeded, error) {
	s := seeded{Email: demoEmail, Password: strings.ToLower(strings.NewReplacer("+", "", "/", "", "=", "").Replace(randomText()))[:16]}
	in, err := n.node.Sessions.SignUp(ctx, auth.SignUp{Name: "Demo", Email: s.Email, Password: s.Password, NoMail: true})
	if problem := new(auth.Problem); errors.As(err, &problem) {
		// The address is taken and its password forgotten: dev.json was removed.
		s.Email = "demo-" + s.Password[:6] + "@example.com"
		in, err = n.node.Sessions.SignUp(ctx, auth.SignUp{Name: "Demo", Email: s.Email, Password: s.Password, NoMail: true})
	}
	if err != nil {
		return seeded{}, err
	}
	now, actor := time.Now(), audit.Actor{UserID: in.User.ID}
	if _, err := ledger.TopUp(ctx, n.node.Pool, ledger.Credit{
		UserID: in.User.ID, AmountMicros: demoBalanceMicros, Reference: "demo " + in.User.ID, Now: now,
	}); err != nil {
		return seeded{}, err
	}
	if _, s.LiveKey, err = n.node.Keyring.Create(ctx, auth.NewKey{Actor: actor, Name: "Demo live", Environment: auth.EnvironmentLive}); err != nil {
		return seeded{}, err
	}
	if _, s.TestKey, err = n.node.Keyring.Create(ctx, auth.NewKey{Actor: actor, Name: "Demo test", Environment: auth.EnvironmentTest}); err != nil {
		return seeded{}, err
	}
	s.WebhookSecret, _, err = n.node.Secrets.Replace(ctx, actor)
	return s, err
}

// devSecrets completes cfg with secrets that are made once and kept in the data folder.
func devSecrets(cfg *config.Config) error {
	path := filepath.Join(cfg.DataDir, "secrets.json")
	var kept struct {
		Auth string `json:"auth"`
		Seal string `json:"seal"`
	}
	if err := readJSON(path, &kept); err != nil {
		return err
	}
	if kept.Auth == "" {
		kept.Auth, kept.Seal = randomText(), "dev:"+randomText()
		if err := writeJSON(path, kept); err != nil {
			return err
		}
	}
	if len(cfg.AuthSecrets) == 0 {
		cfg.AuthSecrets = []config.Secret{config.Secret(kept.Auth)}
	}
	if len(cfg.SealKeys) == 0 {
		cfg.SealKeys = []config.Secret{config.Secret(kept.Seal)}
	}
	return nil
}

func readJSON(path string, v any) error {
	body, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("%s is damaged; remove it to have it made anew", path)
	}
	return nil
}

// writeJSON replaces a file that only its owner may read.
func writeJSON(path string, v any) error {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	if err := os.WriteFile(path+".new", append(body, '\n'), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
