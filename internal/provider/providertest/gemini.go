// Package providertest imitates upstream image models on the wire, for tests and fault drills.
//
// Owns: fake upstreams that speak the real wire format strictly, their scenarios and their counts.
// Does not own: the adapters under test (internal/provider).
// May touch: nothing outside; it is an http.Handler.
// Always true: a request the real upstream would refuse is refused; every picture made is counted.
package providertest

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
)

const (
	maxRequestBytes = 100 << 20 // inline images of one call, as upstream
	maxRecorded     = 1000
	oversizeDefault = 65 << 20
)

// Call is what one request asked for.
type Call struct {
	Header      http.Header
	Model       string
	Prompt      string // every text part, joined
	AspectRatio string
	ImageSize   string
	Inputs      int
}

// Gemini is a fake of Google's generateContent for images. Its fields are set before the first
// call. It is safe for concurrent use.
type Gemini struct {
	// Key is the only API key it takes.
	Key string
	// Sizes lists the imageSize values by model; an empty list means the field is refused.
	Sizes map[string][]string
	// Inject overrides the tokens of a prompt: it gets the prompt and gives tokens such as "[[503]]".
	Inject func(prompt string) string
	// Delay is waited before every answer.
	Delay time.Duration
	// OversizeBytes is how long the answer of [[oversize]] is; 0 means 65 MiB.
	OversizeBytes int64

	mu       sync.Mutex
	calls    int
	byPrompt map[string]int
	pictures map[string]int
	recent   []Call
}

// NewGemini gives a fake that knows the models of November 2026 and takes only key.
func NewGemini(key string) *Gemini {
	large := []string{"1K", "2K", "4K"}
	return &Gemini{
		Key: key,
		Sizes: map[string][]string{
			"gemini-2.5-flash-image":      nil,
			"gemini-3.1-flash-image":      append([]string{"512"}, large...),
			"gemini-3.1-flash-lite-image": {"1K"},
			"gemini-3-pro-image":          large,
			"gemini-nano-banana-2.1":      large,
		},
		byPrompt: make(map[string]int),
		pictures: make(map[string]int),
	}
}

// Calls counts the well-formed, authenticated requests so far.
func (g *Gemini) Calls() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.calls
}

// CallsFor counts such requests whose prompt contains part.
func (g *Gemini) CallsFor(part string) int { return g.sum(g.byPrompt, part) }

// PicturesFor counts the pictures made, and so billed, for prompts that contain part; also those
// whose answer never arrived. An empty part counts all.
func (g *Gemini) PicturesFor(part string) int { return g.sum(g.pictures, part) }

// Recent gives the latest requests, oldest first, at most 1000.
func (g *Gemini) Recent() []Call {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.recent)
}

func (g *Gemini) sum(counts map[string]int, part string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	total := 0
	for prompt, n := range maps.All(counts) {
		if strings.Contains(prompt, part) {
			total += n
		}
	}
	return total
}

// record notes a call and gives its ordinal among those with the same prompt, from 0.
func (g *Gemini) record(c Call) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls++
	g.recent = append(g.recent, c)
	if len(g.recent) > maxRecorded {
		g.recent = slices.Delete(g.recent, 0, 1)
	}
	ordinal := g.byPrompt[c.Prompt]
	g.byPrompt[c.Prompt]++
	return ordinal
}

func (g *Gemini) made(c Call) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pictures[c.Prompt]++
}

// ServeHTTP answers POST /v1beta/models/{model}:generateContent.
func (g *Gemini) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	model, ok := strings.CutPrefix(r.URL.Path, "/v1beta/models/")
	model, isGenerate := strings.CutSuffix(model, ":generateContent")
	if !ok || !isGenerate || r.Method != http.MethodPost {
		refuse(w, refusal{http.StatusNotFound, "NOT_FOUND", "no such method", ""})
		return
	}
	// The body is read first, as upstream does: the server notices a lost client only after that.
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequestBytes+1))
	if err != nil {
		return
	}
	if no := g.authenticate(r); no != nil {
		refuse(w, *no)
		return
	}
	call, err := g.read(r, model, body)
	if err != nil {
		var no refusal
		if errors.As(err, &no) {
			refuse(w, no)
		}
		return
	}
	g.play(w, r, call)
}

func (g *Gemini) authenticate(r *http.Request) *refusal {
	if r.URL.RawQuery != "" {
		return &refusal{http.StatusBadRequest, "INVALID_ARGUMENT", "unexpected query", ""}
	}
	switch keys := r.Header.Values("X-Goog-Api-Key"); {
	case len(keys) == 0:
		return &refusal{http.StatusForbidden, "PERMISSION_DENIED", "callers without a key are refused", ""}
	case len(keys) > 1 || keys[0] != g.Key:
		return &badKey
	}
	return nil
}

type geminiBody struct {
	Contents []struct {
		Role  string `json:"role"`
		Parts []struct {
			Text       string `json:"text"`
			InlineData *struct {
				MIMEType string `json:"mimeType"`
				Data     []byte `json:"data"`
			} `json:"inlineData"`
		} `json:"parts"`
	} `json:"contents"`
	GenerationConfig struct {
		ResponseModalities []string `json:"responseModalities"`
		ImageConfig        struct {
			AspectRatio string `json:"aspectRatio"`
			ImageSize   string `json:"imageSize"`
		} `json:"imageConfig"`
	} `json:"generationConfig"`
}

// read checks a request as strictly as upstream does, and records it.
func (g *Gemini) read(r *http.Request, model string, body []byte) (Call, error) {
	sizes, known := g.Sizes[model]
	if !known {
		return Call{}, refusal{http.StatusNotFound, "NOT_FOUND", "model is not found for API version v1beta", ""}
	}
	if len(body) > maxRequestBytes {
		return Call{}, refusal{http.StatusRequestEntityTooLarge, "INVALID_ARGUMENT", "request is too large", ""}
	}
	if r.Header.Get("Content-Type") != "application/json" {
		return Call{}, invalid("content type must be application/json")
	}
	var b geminiBody
	if err := jsonv2.Unmarshal(body, &b, jsonv2.RejectUnknownMembers(true)); err != nil {
		return Call{}, invalid("Invalid JSON payload received.")
	}
	call := Call{
		Header: r.Header.Clone(), Model: model,
		AspectRatio: b.GenerationConfig.ImageConfig.AspectRatio,
		ImageSize:   b.GenerationConfig.ImageConfig.ImageSize,
	}
	if err := b.check(&call, sizes); err != nil {
		return Call{}, err
	}
	return call, nil
}
