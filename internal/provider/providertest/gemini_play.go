package providertest

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"time"
)

var tokenPattern = regexp.MustCompile(`\[\[([a-z0-9]+)(?::([a-z0-9.]+))?\]\]`)

// play answers a well-formed call as its tokens say. Any token may end in ":once": it then counts
// for the first call with that very prompt only.
//
// Time, before the answer: [[slow:50ms]] (2 s without a value), [[hang]] until the client leaves.
// A picture is made, and counted, although the client may get nothing, for: [[hang]], [[slow]],
// [[reset]] (connection reset after the body was read), [[cut]] (connection lost half-way through
// the answer), [[truncated]] (half the JSON, properly ended), [[oversize]], [[drip]] (a byte every
// 5 ms, without end), [[badimage]], [[badbase64]].
// Strangers in between: [[html]] (502 page), [[html200]], [[redirect]].
// Refusals: see refusals. Blocks and answers without picture: see answers.
// Pictures: [[thought]] (text, a draft, two pictures), [[jpeg]] (JPEG that claims to be PNG).
func (g *Gemini) play(w http.ResponseWriter, r *http.Request, call Call) {
	ordinal := g.record(call)
	script := call.Prompt
	if g.Inject != nil {
		script = g.Inject(call.Prompt)
	}
	wait, scenario, argument := g.Delay, "", ""
	for _, m := range tokenPattern.FindAllStringSubmatch(script, -1) {
		if m[2] == "once" {
			if ordinal > 0 {
				continue
			}
			m[2] = ""
		}
		if m[1] == "slow" {
			wait += durationOr(m[2], 2*time.Second)
			continue
		}
		if scenario == "" {
			scenario, argument = m[1], m[2]
		}
	}
	if no, ok := refusals(scenario, argument); ok {
		if pause(r, wait) {
			refuse(w, no)
		}
		return
	}
	if text, ok := answers[scenario]; ok {
		if pause(r, wait) {
			writeJSON(w, http.StatusOK, text)
		}
		return
	}
	if g.playBroken(w, r, scenario) {
		return
	}
	g.made(call)
	if !pause(r, wait) {
		return
	}
	g.playPicture(w, r, call, scenario)
}

// playBroken plays what is no answer of the model at all. It is false for other scenarios.
func (g *Gemini) playBroken(w http.ResponseWriter, r *http.Request, scenario string) bool {
	page := "<html><body><h1>Bad Gateway</h1></body></html>"
	switch scenario {
	case "html":
		writeAs(w, http.StatusBadGateway, "text/html", page)
	case "html200":
		writeAs(w, http.StatusOK, "text/html", page)
	case "redirect":
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	default:
		return false
	}
	return true
}

// playPicture answers with a picture, or breaks while doing so.
func (g *Gemini) playPicture(w http.ResponseWriter, r *http.Request, call Call, scenario string) {
	switch scenario {
	case "hang":
		<-r.Context().Done()
	case "reset":
		reset(w)
	case "oversize":
		g.oversize(w)
	case "drip":
		drip(w, r)
	case "cut":
		whole := g.success(call, scenario)
		w.Header().Set("Content-Length", strconv.Itoa(len(whole)))
		_, _ = io.WriteString(w, whole[:len(whole)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case "truncated":
		whole := g.success(call, scenario)
		writeJSON(w, http.StatusOK, whole[:len(whole)*2/3])
	default:
		writeJSON(w, http.StatusOK, g.success(call, scenario))
	}
}

// pause waits, and is false when the client left meanwhile.
func pause(r *http.Request, wait time.Duration) bool {
	if wait <= 0 {
		return true
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// reset closes the connection so that the peer sees a TCP reset.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

func (g *Gemini) oversize(w http.ResponseWriter) {
	size := g.OversizeBytes
	if size == 0 {
		size = oversizeDefault
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"candidates":[{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"`)
	_, _ = io.CopyN(w, endless('A'), size)
}

// endless is a reader of one byte value without end.
type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

func drip(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/json")
	for pause(r, 5*time.Millisecond) {
		if _, err := io.WriteString(w, " "); err != nil || control.Flush() != nil {
			return
		}
	}
}

func refuse(w http.ResponseWriter, no refusal) {
	details := ""
	if no.details != "" {
		details = `,"details":` + no.details
	}
	writeJSON(w, no.status, fmt.Sprintf(`{"error":{"code":%d,"status":%q,"message":%s%s}}`,
		no.status, no.code, strconv.Quote(no.message), details))
}

func writeJSON(w http.ResponseWriter, status int, text string) {
	writeAs(w, status, "application/json; charset=UTF-8", text)
}

func writeAs(w http.ResponseWriter, status int, contentType, text string) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

func durationOr(text string, fallback time.Duration) time.Duration {
	if d, err := time.ParseDuration(text); err == nil {
		return d
	}
	return fallback
}
