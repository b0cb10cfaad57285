package handlers_test

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/eggapi/eggapi/internal/id"
)

// past is a task that was, as rows.
type past struct {
	id          string
	userID      string
	environment string
	keyID       string // "" = the dashboard
	model       string
	kind        string
	status      string
	units       int // of a completed task
	created     time.Time
}

// remember writes a task that was: with its files and usage when it completed.
func (s *stage) remember(t testing.TB, p past) past {
	t.Helper()
	if p.id == "" {
		p.id = id.New(id.Task, p.created)
	}
	var failure, code *string
	var retryable *bool
	var started, ended *time.Time
	if p.status != "pending" {
		at := p.created.Add(time.Second)
		started = &at
	}
	if p.status == "completed" || p.status == "failed" {
		at := p.created.Add(12 * time.Second)
		ended = &at
	}
	if p.status == "failed" {
		text, name, again := "it did not work", "timeout", true
		failure, code, retryable = &text, &name, &again
	}
	cost := int64(0)
	if p.environment == "live" && p.status == "completed" {
		cost = 10_000 * int64(p.units)
	}
	s.exec(t, `insert into tasks (id, user_id, environment, api_key_id, model, type, status, prompt, aspect_ratio, resolution, num_outputs,
			price_id, unit_price_micros, cost_micros, error, failure_code, failure_retryable, deadline_at, created_at, started_at, completed_at)
		values ($1, $2, $3, nullif($4, ''), $5, $6, $7, 'a fox', '16:9', '1k', 4, (select min(id) from prices), 10000, $8, $9, $10, $11, $12, $12, $13, $14)`,
		p.id, p.userID, p.environment, p.keyID, p.model, p.kind, p.status, cost, failure, code, retryable, p.created, started, ended)
	if p.status != "completed" {
		return p
	}
	s.exec(t, `insert into attempts (id, task_id, route_id, provider, upstream_model, images, state, lease_owner, finished_at)
		values ($1, $2, 'r', 'sandbox', 'm', '{0}', 'succeeded', 'o', now())`, "att_"+p.id, p.id)
	for i := range p.units {
		s.exec(t, `insert into outputs (task_id, user_id, image, attempt_id, path, mime, size_bytes, width, height)
			values ($1, $2, $3, $4, $5, 'image/png', 1, 1, 1)`, p.id, p.userID, i, "att_"+p.id, fmt.Sprintf("images/%s/%d.png", p.id, i))
	}
	s.exec(t, `insert into usage_records (id, user_id, environment, task_id, api_key_id, model, type, units, cost_micros, created_at)
		values ($1, $2, $3, $4, nullif($5, ''), $6, $7, $8, $9, $10)`,
		"use_"+p.id[4:], p.userID, p.environment, p.id, p.keyID, p.model, p.kind, p.units, cost, p.created)
	return p
}

var noon = time.Date(2026, 5, 8, 12, 0, 0, 0, time.UTC)

// rememberMany writes a past with every mixture that lists can be filtered by, one second apart, oldest first.
func (s *stage) rememberMany(t testing.TB) []past {
	t.Helper()
	var all []past
	for i, status := range []string{"pending", "processing", "completed", "failed", "completed"} {
		for j, model := range []string{"nanobanana", "nanobanana-pro"} {
			for k, kind := range []string{"image_generate", "image_edit"} {
				at := noon.Add(time.Duration(len(all)) * time.Second)
				all = append(all, s.remember(t, past{
					userID: s.ada.UserID, environment: "live", keyID: []string{s.ada.LiveID, ""}[k], model: model, kind: kind, status: status,
					units: (i+j+k)%4 + 1, created: at,
				}))
			}
		}
	}
	return all
}

// query writes pairs of names and values as a query.
func query(pairs ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	if len(v) == 0 {
		return ""
	}
	return "?" + v.Encode()
}
