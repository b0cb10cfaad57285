package mock

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"github.com/eggapi/eggapi/internal/fetch"
	"github.com/eggapi/eggapi/internal/id"
	"github.com/eggapi/eggapi/internal/task"
	"github.com/eggapi/eggapi/internal/webhook"
)

const postTimeout = 15 * time.Second

// defaultSchedule gives the delay before each try of a webhook: a test does not wait for days.
func defaultSchedule() []time.Duration {
	return []time.Duration{0, 200 * time.Millisecond, time.Second, 3 * time.Second}
}

// announce sends the end of a task to its webhook URL, until it is taken or the tries are used up.
func (m *Mock) announce(ctx context.Context, j *job) {
	m.memory.mu.Lock()
	row := j.row
	var urls []string
	for _, path := range j.paths {
		urls = append(urls, m.fileURL(path))
	}
	m.memory.mu.Unlock()
	if row.WebhookURL == nil {
		return
	}
	body := webhook.Body(webhook.Event{
		UserID: row.UserID, Environment: row.Environment, TaskID: row.ID, URL: *row.WebhookURL, Failed: row.Status == task.StatusFailed,
		Model: row.Model, OutputURLs: urls, Error: orEmpty(row.Error), CostMicros: row.CostMicros, EndedAt: *row.CompletedAt,
	})
	eventID := id.New(id.WebhookEvent, *row.CompletedAt)
	for _, delay := range m.o.WebhookSchedule {
		if !pause(ctx, delay) || m.post(ctx, eventID, row.UserID, fetch.PostRequest{URL: *row.WebhookURL, Body: body}) {
			return
		}
	}
	m.o.Logger.WarnContext(ctx, "a webhook was not taken", "task_id", row.ID, "event_id", eventID)
}

// post makes one try. It is true when no other is due.
func (m *Mock) post(ctx context.Context, eventID, userID string, r fetch.PostRequest) bool {
	r.Header, r.Timeout = webhook.Sign(m.signingSecret(userID), eventID, m.o.Clock(), r.Body), postTimeout
	r.Header["Content-Type"] = "application/json"
	answer, err := m.outside.Post(ctx, r)
	if err != nil {
		m.o.Logger.InfoContext(ctx, "a webhook receiver gave no answer", "event_id", eventID, "error", err)
		return false
	}
	m.o.Logger.InfoContext(ctx, "webhook tried", "event_id", eventID, "http_status", answer.Status)
	return answer.Status >= 200 && answer.Status <= 299 || answer.Status == http.StatusGone
}

// policy opens loopback and the networks named, and closes everything else, the public internet too: a test that runs
// on a customer's machine must not call strangers.
func policy(more []netip.Prefix) fetch.Policy {
	open := append([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}, more...)
	var closed []netip.Prefix
	for _, all := range []string{"0.0.0.0/0", "::/0"} {
		closed = append(closed, without(netip.MustParsePrefix(all), open)...)
	}
	return fetch.Policy{AllowNetworks: open, DenyNetworks: closed}
}

// without gives the parts of a network that none of the open ones covers.
func without(network netip.Prefix, open []netip.Prefix) []netip.Prefix {
	touched := false
	for _, o := range open {
		if o.Bits() <= network.Bits() && o.Contains(network.Addr()) {
			return nil
		}
		touched = touched || network.Overlaps(o)
	}
	if !touched {
		return []netip.Prefix{network}
	}
	low, high := halves(network)
	return append(without(low, open), without(high, open)...)
}

func halves(network netip.Prefix) (low, high netip.Prefix) {
	raw, bit := network.Masked().Addr().AsSlice(), network.Bits()
	low = netip.PrefixFrom(network.Masked().Addr(), bit+1)
	raw[bit/8] |= 0x80 >> (bit % 8)
	upper, _ := netip.AddrFromSlice(raw)
	return low, netip.PrefixFrom(upper, bit+1)
}
