package fetch

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// pngHeader is a valid PNG start that promises width x height pixels and holds none.
func pngHeader(width, height uint32) []byte {
	chunk := []byte("IHDR")
	chunk = binary.BigEndian.AppendUint32(chunk, width)
	chunk = binary.BigEndian.AppendUint32(chunk, height)
	chunk = append(chunk, 8, 6, 0, 0, 0)
	out := append([]byte("\x89PNG\r\n\x1a\n"), 0, 0, 0, 13)
	out = append(out, chunk...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(chunk))
}

func gzipOfZeros(t *testing.T, size int64) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(pngHeader(10, 10)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(w, zeros{}, size); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// raw answers with exact bytes and closes the connection.
func raw(t *testing.T, answer string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = conn.Write([]byte(answer))
		_ = conn.Close()
	}
}

func TestImage_SurvivesEveryBomb(t *testing.T) {
	bomb := gzipOfZeros(t, 96<<20)
	const limit = 1 << 20
	var sent atomic.Int64
	drip := func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(pngHeader(10, 10))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	for name, handler := range map[string]http.HandlerFunc{
		"gzip by header": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb)
		},
		"gzip by surprise":       func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bomb) },
		"50 gigapixels":          func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(pngHeader(225_000, 225_000)) },
		"one side too long":      func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(pngHeader(16_385, 1)) },
		"51 megapixels":          func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(pngHeader(10_000, 5_100)) },
		"size overflow":          func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(pngHeader(1<<31-1, 1<<31-1)) },
		"lying long length":      raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"+string(pngHeader(10, 10))),
		"lying huge length":      raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"+string(pngHeader(10, 10))),
		"negative length":        raw(t, "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"+string(pngHeader(10, 10))),
		"cut chunk":              raw(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n500\r\n"+string(pngHeader(10, 10))),
		"huge header":            raw(t, "HTTP/1.1 200 OK\r\nX-Long: "+strings.Repeat("x", 1<<20)+"\r\n\r\n"+string(pngHeader(10, 10))),
		"endless interim answer": raw(t, strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 5000)),
		"no http":                raw(t, "SSH-2.0-OpenSSH_9.9\r\n"),
		"endless chunks": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(pngHeader(10, 10))
			n, _ := io.Copy(w, zeros{})
			sent.Store(n)
		},
		"slow drip": drip,
		"no header": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			c := devClient(t, Policy{
				ImageLimitBytes: limit,
				Timeouts:        Timeouts{Header: 200 * time.Millisecond, Total: 300 * time.Millisecond},
			})
			s := serve(t, handler)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			ctx := timeLimited(t, 10*time.Second)
			_, err := c.Image(ctx, s.URL)
			runtime.ReadMemStats(&after)
			if !errors.Is(err, ErrImageFetch) || ctx.Err() != nil {
				t.Errorf("got %v; not ended by the policy's own timeout: %v", err, ctx.Err())
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 32<<20 {
				t.Errorf("allocated %d MiB", grown>>20)
			}
		})
	}
	// Socket buffers may hold some MiB more than was read.
	if n := sent.Load(); n == 0 || n > limit+(32<<20) {
		t.Errorf("the endless body ended after %d bytes", n)
	}
}

func TestImage_LimitCountsBytesExactly(t *testing.T) {
	data := pngOf(t, 3, 2)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/chunked" {
			_ = http.NewResponseController(w).Flush()
		}
		_, _ = w.Write(data)
	})
	for _, path := range []string{"/", "/chunked"} {
		fits := devClient(t, Policy{ImageLimitBytes: int64(len(data))})
		if img, err := fits.Image(t.Context(), s.URL+path); err != nil || img.Width != 3 || img.Height != 2 {
			t.Errorf("%s: exactly the limit gave %v", path, Cause(err))
		}
		tight := devClient(t, Policy{ImageLimitBytes: int64(len(data)) - 1})
		if _, err := tight.Image(t.Context(), s.URL+path); !errors.Is(err, ErrImageFetch) {
			t.Errorf("%s: one byte above the limit gave %v", path, err)
		}
	}
}

func TestImage_StopsAsSoonAsTheStartIsWrong(t *testing.T) {
	c := devClient(t, Policy{ImageLimitBytes: 1000, Timeouts: Timeouts{Total: time.Hour}})
	for name, start := range map[string]func(w http.ResponseWriter){
		"length above the limit": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "1001")
			_, _ = w.Write(pngHeader(10, 10))
		},
		"a page":   func(w http.ResponseWriter) { _, _ = io.WriteString(w, "<!doctype html>") },
		"an error": func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) },
	} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			start(w)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		})
		ctx := timeLimited(t, 10*time.Second)
		if _, err := c.Image(ctx, s.URL); !errors.Is(err, ErrImageFetch) || ctx.Err() != nil {
			t.Errorf("%s: %v, after waiting for the rest: %v", name, err, ctx.Err())
		}
	}
}
