package provider

import (
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestReadGemini_UnpaidQuotaIsToldFromASlowOne(t *testing.T) {
	tests := map[string]Class{
		"Quota exceeded, limit: 0":              RouteBilling,
		"Quota exceeded, limit: 0, model: x":    RouteBilling,
		"Quota exceeded, limit: 0.":             RouteBilling,
		"Quota exceeded, limit: 05":             RateLimited,
		"Quota exceeded, limit: 0.5":            RateLimited,
		"Quota exceeded, limit: 10":             RateLimited,
		"Project reached its Spending Cap":      RouteBilling,
		"Your prepayment credits are depleted.": RouteBilling,
		"Please slow down.":                     RateLimited,
	}
	for message, want := range tests {
		_, err := readGemini(reply{status: 429, body: []byte(`{"error":{"message":"` + message + `"}}`)})
		if class, _ := ClassOf(err); class != want {
			t.Errorf("%s: %s", message, class)
		}
	}
}

func TestReadGemini_ReadsTheWaitWithinBounds(t *testing.T) {
	tests := []struct {
		name, body, header string
		want               time.Duration
	}{
		{"body", `{"error":{"details":[{"retryDelay":"40s"}]}}`, "", 40 * time.Second},
		{"body before header", `{"error":{"details":[{"retryDelay":"40s"}]}}`, "7", 40 * time.Second},
		{"header", ``, "50", 50 * time.Second},
		{"nothing", ``, "", 30 * time.Second},
		{"nonsense", `{"error":{"details":[{"retryDelay":"soon"}]}}`, "later", 30 * time.Second},
		{"negative", `{"error":{"details":[{"retryDelay":"-5s"}]}}`, "-5", 30 * time.Second},
		{"years", `{"error":{"details":[{"retryDelay":"90000h"}]}}`, "", 24 * time.Hour},
		{"odd detail first", `{"error":{"details":[{"reason":5},{"retryDelay":"9s"}]}}`, "", 9 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			header := http.Header{"Retry-After": {tt.header}}
			_, err := readGemini(reply{status: 429, header: header, body: []byte(tt.body)})
			if _, wait := ClassOf(err); wait != tt.want {
				t.Errorf("got %v, want %v", wait, tt.want)
			}
		})
	}
}

func TestReadGemini_BlockWinsOverAPicture(t *testing.T) {
	body := `{"candidates":[{"content":{"parts":[{"inlineData":{"data":"` +
		base64.StdEncoding.EncodeToString(pngOf(t, 2, 2)) + `"}}]},"finishReason":"%"}]}`
	for _, reason := range geminiBlocks {
		_, err := readGemini(reply{status: 200, body: []byte(strings.Replace(body, "%", reason, 1))})
		if class, _ := ClassOf(err); class != UserContent {
			t.Errorf("%s: %v", reason, err)
		}
	}
	result, err := readGemini(reply{status: 200, body: []byte(strings.Replace(body, "%", "MAX_TOKENS", 1))})
	if err != nil || len(result.Images) != 1 {
		t.Errorf("a picture that was made is not delivered: %v", err)
	}
}

func TestReadGemini_NamesAreFitForStorage(t *testing.T) {
	body := `{"candidates":[{"content":{"parts":[{"inlineData":{"data":"` +
		base64.StdEncoding.EncodeToString(pngOf(t, 2, 2)) + `"}}]}}],
		"modelVersion":"a\u0000b\n","responseId":"` + strings.Repeat("x", 5000) + `"}`
	result, err := readGemini(reply{status: 200, body: []byte(body)})
	if err != nil {
		t.Fatal(err)
	}
	if result.UpstreamModel != "ab" || len(result.RequestID) != maxNameRunes {
		t.Errorf("got %q and %d bytes", result.UpstreamModel, len(result.RequestID))
	}
}

func TestHTTPClient_TakesNoProxyFromTheEnvironment(t *testing.T) {
	transport, ok := newHTTPClient().Transport.(*http.Transport)
	if !ok || transport.Proxy != nil {
		t.Error("a proxy would be used")
	}
}

// FuzzGeminiReply: whatever an upstream says, there is either one checked picture or an *Error of
// a known class with a bounded wait.
func FuzzGeminiReply(f *testing.F) {
	picture := base64.StdEncoding.EncodeToString(pngOf(f, 2, 2))
	for _, body := range []string{
		``, `{}`, `null`, `[]`, `<html>`, `{"candidates":null}`, `{"candidates":[null]}`,
		`{"candidates":[{"content":null}]}`, `{"candidates":[{"content":{"parts":null}}]}`,
		`{"candidates":[{"content":{"parts":[null]},"finishReason":"STOP"}]}`,
		`{"candidates":[{"content":{"parts":[{"inlineData":null}]}}]}`,
		`{"candidates":[{"content":{"parts":[{"inlineData":{"data":"` + picture + `"}}]}}]}`,
		`{"candidates":[{"content":{"parts":[{"inlineData":{"data":"` + picture + `"}}]}}`,
		`{"candidates":[{"finishReason":"IMAGE_SAFETY"}]}`, `{"promptFeedback":{"blockReason":"\u0000"}}`,
		`{"error":{"status":"RESOURCE_EXHAUSTED","details":[{"retryDelay":"22s"},{"violations":[{"quotaId":"PerDay"}]}]}}`,
		`{"error":{"status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}`,
		`{"error":"text"}`, `{"error":{"details":"text"}}`,
	} {
		for _, status := range []int{200, 307, 400, 403, 404, 429, 500} {
			f.Add(status, []byte(body), "10")
		}
	}
	f.Fuzz(func(t *testing.T, status int, body []byte, retryAfter string) {
		header := http.Header{"Retry-After": {retryAfter}}
		result, err := readGemini(reply{status: status, header: header, body: body})
		if err == nil {
			if status != http.StatusOK || len(result.Images) != 1 || sniff(result.Images[0].Data) == "" {
				t.Fatalf("status %d gave %+v", status, result)
			}
			return
		}
		var e *Error
		if !errors.As(err, &e) || !slices.Contains(Classes(), e.Class) {
			t.Fatalf("got %v", err)
		}
		if e.RetryAfter < 0 || e.RetryAfter > restMax {
			t.Fatalf("wait %v", e.RetryAfter)
		}
		if e.Code == "" && status != http.StatusOK || strings.ContainsRune(e.Code, 0) {
			t.Fatalf("code %q", e.Code)
		}
	})
}
