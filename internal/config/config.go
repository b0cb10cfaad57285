// Package config reads the environment, once.
//
// Owns: the name, default and meaning of every setting.
// Does not own: what is done with them.
// May touch: the env library; the only room that reads the environment.
// Always true: a secret never prints, whichever way it is formatted.
package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// Secret is text that must not be seen.
type Secret string

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "[redacted]"
}

// Format hides the secret from every verb of fmt, those too that do not fit a text.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText hides the secret from JSON and other encodings.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue hides the secret from logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Reveal gives the secret itself.
func (s Secret) Reveal() string { return string(s) }

// The environments there are.
const (
	development = "development"
	production  = "production"
)

// Config is every setting. docs/operations.md describes each.
type Config struct {
	Environment          string         `env:"EGGAPI_ENV" envDefault:"development"`
	DatabaseURL          Secret         `env:"DATABASE_URL"`
	Addr                 string         `env:"EGGAPI_ADDR" envDefault:"127.0.0.1:8080"`
	MetricsAddr          string         `env:"EGGAPI_METRICS_ADDR"`
	DataDir              string         `env:"EGGAPI_DATA_DIR" envDefault:".data"`
	PublicURL            string         `env:"EGGAPI_PUBLIC_URL"`
	TrustedOrigins       []string       `env:"EGGAPI_TRUSTED_ORIGINS"`
	TrustedProxies       []netip.Prefix `env:"EGGAPI_TRUSTED_PROXIES"`
	IPLimit              float64        `env:"EGGAPI_IP_LIMIT" envDefault:"100"`
	KeyLimit             float64        `env:"EGGAPI_KEY_LIMIT" envDefault:"100"`
	TestKeyLimit         float64        `env:"EGGAPI_TEST_KEY_LIMIT" envDefault:"25"`
	RedisURL             Secret         `env:"EGGAPI_REDIS_URL"`
	SignInLimit          float64        `env:"EGGAPI_SIGN_IN_LIMIT" envDefault:"30"`
	NewKeyLimit          float64        `env:"EGGAPI_NEW_KEY_LIMIT" envDefault:"30"`
	UnknownKeyLimit      float64        `env:"EGGAPI_UNKNOWN_KEY_LIMIT" envDefault:"120"`
	MaxRequests          int            `env:"EGGAPI_MAX_REQUESTS" envDefault:"1024"`
	AuthSecrets          []Secret       `env:"EGGAPI_AUTH_SECRETS"`
	CookiePrefix         string         `env:"EGGAPI_COOKIE_PREFIX" envDefault:"better-auth"`
	SessionSeconds       int            `env:"EGGAPI_SESSION_SECONDS" envDefault:"604800"`
	SessionUpdateSeconds int            `env:"EGGAPI_SESSION_UPDATE_SECONDS" envDefault:"86400"`
	SessionMaxSeconds    int            `env:"EGGAPI_SESSION_MAX_SECONDS"`
	SealKeys             []Secret       `env:"EGGAPI_SEAL_KEYS"`
	SMTPURL              Secret         `env:"EGGAPI_SMTP_URL"`
	StorageURL           string         `env:"EGGAPI_STORAGE_URL"`
	FilesURL             string         `env:"EGGAPI_FILES_URL"`
	GeminiAPIKey         Secret         `env:"EGGAPI_GEMINI_API_KEY"`
	GeminiBaseURL        string         `env:"EGGAPI_GEMINI_BASE_URL" envDefault:"https://generativelanguage.googleapis.com"`
	SandboxForLive       bool           `env:"EGGAPI_SANDBOX_FOR_LIVE"`
	EgressAllow          []netip.Prefix `env:"EGGAPI_EGRESS_ALLOW"`
	Workers              int            `env:"EGGAPI_WORKERS" envDefault:"100"`
	WebhookWorkers       int            `env:"EGGAPI_WEBHOOK_WORKERS" envDefault:"50"`
	DatabaseConns        int32          `env:"EGGAPI_DATABASE_CONNS" envDefault:"16"`
	PostgresBin          string         `env:"EGGAPI_POSTGRES_BIN"`
	LogLevel             slog.Level     `env:"EGGAPI_LOG_LEVEL" envDefault:"info"`
	DrainSeconds         int            `env:"EGGAPI_DRAIN_SECONDS" envDefault:"3"`
	ShutdownSeconds      int            `env:"EGGAPI_SHUTDOWN_SECONDS" envDefault:"20"`
	TaskLeaseSeconds     int            `env:"EGGAPI_TASK_LEASE_SECONDS" envDefault:"30"`
	// WebhookSchedule gives the delay before each try of a webhook, the first first; empty = the documented one.
	WebhookSchedule []time.Duration `env:"EGGAPI_WEBHOOK_SCHEDULE"`
	// WebhookLogDays is how long an event is kept after its end, with the log of its tries; 0 = for ever.
	WebhookLogDays int `env:"EGGAPI_WEBHOOK_LOG_DAYS" envDefault:"30"`
}

// Load reads the environment. It fails naming the variable, never its value.
func Load() (Config, error) {
	c, err := env.ParseAs[Config]()
	if err != nil {
		return Config{}, fmt.Errorf("read the settings: %w", nameOnly(err))
	}
	if c.Environment != development && c.Environment != production {
		return Config{}, fmt.Errorf("read the settings: EGGAPI_ENV must be %s or %s", development, production)
	}
	if c.DrainSeconds < 0 || c.ShutdownSeconds < 1 {
		return Config{}, errors.New("read the settings: EGGAPI_DRAIN_SECONDS must not be negative, EGGAPI_SHUTDOWN_SECONDS at least 1")
	}
	limits := []float64{c.IPLimit, c.KeyLimit, c.TestKeyLimit, c.SignInLimit, c.NewKeyLimit, c.UnknownKeyLimit, float64(c.MaxRequests)}
	if c.Workers < 1 || c.WebhookWorkers < 1 || c.DatabaseConns < 4 || slices.Min(limits) < 0 || c.TaskLeaseSeconds < 3 {
		return Config{}, errors.New("read the settings: worker counts must be at least 1, EGGAPI_DATABASE_CONNS at least 4, limits not negative, EGGAPI_TASK_LEASE_SECONDS at least 3")
	}
	if c.WebhookLogDays < 0 {
		return Config{}, errors.New("read the settings: EGGAPI_WEBHOOK_LOG_DAYS must not be negative")
	}
	if c.SessionSeconds < 60 || c.SessionUpdateSeconds < 1 || c.SessionMaxSeconds < 0 {
		return Config{}, errors.New("read the settings: EGGAPI_SESSION_SECONDS must be at least 60, EGGAPI_SESSION_UPDATE_SECONDS at least 1, EGGAPI_SESSION_MAX_SECONDS not negative")
	}
	return c, nil
}

// TestKeys gives the requests per second of a test key, never more than those of any key; 0 = no limit.
func (c Config) TestKeys() float64 {
	if c.KeyLimit > 0 && (c.TestKeyLimit == 0 || c.TestKeyLimit > c.KeyLimit) {
		return c.KeyLimit
	}
	return c.TestKeyLimit
}

// Production tells whether conveniences of development are off.
func (c Config) Production() bool { return c.Environment == production }

// SealKey is a named key of 32 bytes.
type SealKey struct {
	ID  string
	Key [32]byte
}

// ParseSealKeys reads "id:base64" pairs. It fails naming the position, never the key.
func ParseSealKeys(raw []Secret) ([]SealKey, error) {
	keys := make([]SealKey, 0, len(raw))
	for i, r := range raw {
		id, encoded, ok := strings.Cut(r.Reveal(), ":")
		key, err := base64.StdEncoding.DecodeString(encoded)
		if !ok || err != nil || len(key) != 32 || id == "" {
			return nil, fmt.Errorf("EGGAPI_SEAL_KEYS entry %d is not id:base64 of 32 bytes", i+1)
		}
		keys = append(keys, SealKey{ID: id, Key: [32]byte(key)})
	}
	return keys, nil
}

// nameOnly keeps which variables are wrong; the library's text names our fields instead and repeats the values.
func nameOnly(err error) error {
	var names []string
	if all, ok := err.(env.AggregateError); ok { //nolint:errorlint // the library returns this very type
		for _, one := range all.Errors {
			if parse, ok := one.(env.ParseError); ok { //nolint:errorlint // as above
				field, _ := reflect.TypeFor[Config]().FieldByName(parse.Name)
				names = append(names, field.Tag.Get("env"))
			}
		}
	}
	return fmt.Errorf("wrong value for %s", strings.Join(names, ", "))
}
