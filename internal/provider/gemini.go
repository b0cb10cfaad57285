package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const geminiBaseURL = "https://generativelanguage.googleapis.com"

// GeminiConfig configures one Google account.
type GeminiConfig struct {
	BaseURL    string       // scheme and host; empty means Google's public address
	APIKey     string       // sent as the x-goog-api-key header and nowhere else
	HTTPClient *http.Client // nil means an own client without proxy; redirects are never followed
	// TimeoutFor bounds one call by resolution. Nil means 180 s, and 300 s for 4k.
	TimeoutFor func(resolution string) time.Duration
	// CostMicros is our price for one picture by resolution, in micro-USD. Missing means 0.
	CostMicros map[string]int64
	// FixedSizeModels lists upstream models that refuse the imageSize field (1k only).
	FixedSizeModels []string
}

// Gemini draws with Google's generateContent call: one picture per call, answered at once.
// Protocol: POST {base}/v1beta/models/{model}:generateContent of the Gemini API, v1beta.
type Gemini struct {
	config     GeminiConfig
	client     *http.Client
	limitBytes int64
}

// NewGemini gives an adapter for one account. It opens no connection.
func NewGemini(config GeminiConfig) *Gemini {
	if config.BaseURL == "" {
		config.BaseURL = geminiBaseURL
	}
	config.BaseURL = strings.TrimRight(config.BaseURL, "/")
	if config.TimeoutFor == nil {
		config.TimeoutFor = geminiTimeout
	}
	client := newHTTPClient()
	if config.HTTPClient != nil {
		own := *config.HTTPClient
		own.CheckRedirect = refuseRedirect
		client = &own
	}
	return &Gemini{config: config, client: client, limitBytes: maxReplyBytes}
}

func geminiTimeout(resolution string) time.Duration {
	if resolution == "4k" {
		return 300 * time.Second
	}
	return 180 * time.Second
}

// Submit draws one picture and waits for it. Count must be 0 or 1.
func (g *Gemini) Submit(ctx context.Context, r Request) (Submission, error) {
	if r.Count > 1 {
		return Submission{}, &Error{Class: Fallback, Code: "count_unsupported", Msg: "one image per call"}
	}
	ctx, cancel := context.WithTimeout(ctx, g.config.TimeoutFor(r.Resolution))
	defer cancel()
	req, err := g.request(ctx, r)
	if err != nil {
		return Submission{}, &Error{Class: Fallback, Code: "bad_request_setup", Err: err}
	}
	answer, err := exchange(g.client, req, g.limitBytes)
	if err != nil {
		return Submission{}, err
	}
	result, err := readGemini(answer)
	if err != nil {
		return Submission{}, g.private(err, r)
	}
	if result.UpstreamModel == "" {
		result.UpstreamModel = r.UpstreamModel
	}
	result.CostMicros = max(0, g.config.CostMicros[r.Resolution])
	return Submission{Done: result}, nil
}

// Poll always fails: this upstream answers at once.
func (g *Gemini) Poll(context.Context, Ref) (Status, error) {
	return Status{}, &Error{Class: Fallback, Code: "no_such_job", Msg: "this upstream has no jobs to poll"}
}

// Cancel is not supported by this upstream.
func (g *Gemini) Cancel(context.Context, Ref) error { return ErrUnsupported }

// private takes key and prompt out of an error.
func (g *Gemini) private(err error, r Request) error {
	var e *Error
	if errors.As(err, &e) {
		e.Msg = clean(redact(e.Msg, g.config.APIKey, r.Prompt, r.NegativePrompt), maxMessageRunes)
		e.Code = redact(e.Code, g.config.APIKey)
	}
	return err
}

type geminiBlob struct {
	MIMEType string `json:"mimeType"`
	Data     []byte `json:"data"`
}

type geminiPart struct {
	Text       string      `json:"text,omitempty"`
	InlineData *geminiBlob `json:"inlineData,omitempty"`
}

type geminiContent struct {
	Role  string       `json:"role"`
	Parts []geminiPart `json:"parts"`
}

type geminiImageConfig struct {
	AspectRatio string `json:"aspectRatio,omitempty"`
	ImageSize   string `json:"imageSize,omitempty"`
}

type geminiGeneration struct {
	ResponseModalities []string          `json:"responseModalities"`
	ImageConfig        geminiImageConfig `json:"imageConfig"`
}

type geminiRequest struct {
	Contents         []geminiContent  `json:"contents"`
	GenerationConfig geminiGeneration `json:"generationConfig"`
}

func (g *Gemini) request(ctx context.Context, r Request) (*http.Request, error) {
	parts := []geminiPart{{Text: fullPrompt(r)}}
	for _, in := range r.Inputs {
		parts = append(parts, geminiPart{InlineData: &geminiBlob{MIMEType: in.MIME, Data: in.Data}})
	}
	size := strings.ToUpper(r.Resolution)
	if slices.Contains(g.config.FixedSizeModels, r.UpstreamModel) {
		size = ""
	}
	body, err := json.Marshal(geminiRequest{
		Contents: []geminiContent{{Role: "user", Parts: parts}},
		GenerationConfig: geminiGeneration{
			ResponseModalities: []string{"IMAGE"},
			ImageConfig:        geminiImageConfig{AspectRatio: r.AspectRatio, ImageSize: size},
		},
	})
	if err != nil {
		return nil, err
	}
	address := g.config.BaseURL + "/v1beta/models/" + url.PathEscape(r.UpstreamModel) + ":generateContent"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Goog-Api-Key", g.config.APIKey)
	return req, nil
}
