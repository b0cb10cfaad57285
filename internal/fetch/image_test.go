package fetch

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"image/color/palette"
	"image/gif"
	"image/jpeg"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func sampleImages(t *testing.T) map[string][]byte {
	t.Helper()
	var jpg, gifs bytes.Buffer
	if err := jpeg.Encode(&jpg, image.NewGray(image.Rect(0, 0, 1, 1)), nil); err != nil {
		t.Fatal(err)
	}
	if err := gif.Encode(&gifs, image.NewPaletted(image.Rect(0, 0, 1, 1), palette.Plan9), nil); err != nil {
		t.Fatal(err)
	}
	webp, err := base64.StdEncoding.DecodeString("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==")
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{
		"image/png": pngOf(t, 1, 1), "image/jpeg": jpg.Bytes(), "image/gif": gifs.Bytes(), "image/webp": webp,
	}
}

func TestImage_TellsTheKindByBytesNotByContentType(t *testing.T) {
	c := devClient(t, Policy{})
	for mime, data := range sampleImages(t) {
		for _, lie := range []string{mime, "text/html", "image/svg+xml", "application/octet-stream", "image/jpeg"} {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", lie)
				_, _ = w.Write(data)
			})
			got, err := c.Image(t.Context(), s.URL+"/x")
			if err != nil {
				t.Fatalf("%s sent as %s: %v", mime, lie, Cause(err))
			}
			if diff := cmp.Diff(Image{Data: data, MIME: mime, Width: 1, Height: 1}, got); diff != "" {
				t.Errorf("%s sent as %s: %s", mime, lie, diff)
			}
		}
	}
}

func TestImage_RefusesWhatIsNoImageWhateverTheHeaderSays(t *testing.T) {
	c := devClient(t, Policy{})
	for name, body := range map[string]string{
		"svg":              `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`,
		"html":             "<!doctype html><html><body>hello</body></html>",
		"empty":            "",
		"short":            "\x89PNG\r\n\x1a\n",
		"png magic only":   "\x89PNG\r\n\x1a\n<html><script>alert(1)</script>",
		"gif polyglot":     "GIF89a/*",
		"zero sized gif":   "GIF89a\x00\x00\x00\x00\x00\x00\x00;;;;",
		"jpeg magic only":  "\xff\xd8\xff\xe0 <script>alert(1)</script>",
		"riff but no webp": "RIFF\x1a\x00\x00\x00WAVEfmt more bytes to read",
		"webp magic only":  "RIFF\x1a\x00\x00\x00WEBPjunk and more junk",
		"zip":              "PK\x03\x04aaaaaaaaaaaaaaaaaaaaaa",
		"bmp":              "BM aaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "image/png")
			_, _ = w.Write([]byte(body))
		})
		if _, err := c.Image(t.Context(), s.URL); !errors.Is(err, ErrImageFetch) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestImage_SendsNothingOfOurs(t *testing.T) {
	c := devClient(t, Policy{})
	headers := make(chan http.Header, 2)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		headers <- r.Header.Clone()
		if r.URL.Path == "/first" {
			http.Redirect(w, r, "/second", http.StatusFound)
			return
		}
		_, _ = w.Write(pngOf(t, 1, 1))
	})
	if _, err := c.Image(t.Context(), s.URL+"/first?token=secret"); err != nil {
		t.Fatal(Cause(err))
	}
	for range 2 {
		want := http.Header{
			"User-Agent": {userAgent}, "Accept-Encoding": {"identity"}, "Accept": {"image/png, image/jpeg, image/webp, image/gif"},
		}
		if diff := cmp.Diff(want, <-headers); diff != "" {
			t.Errorf("headers: %s", diff)
		}
	}
}

// TestImage_EveryFailureLooksTheSame is the no-oracle rule: nothing tells open from closed, blocked from broken.
func TestImage_EveryFailureLooksTheSame(t *testing.T) {
	c := devClient(t, Policy{Timeouts: Timeouts{Header: 100 * time.Millisecond}})
	strict := newTestClient(t, Policy{}, seams{})
	release := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/slow":
			<-release
		case "/404":
			http.NotFound(w, r)
		case "/500":
			http.Error(w, "boom", http.StatusInternalServerError)
		case "/cut":
			panic(http.ErrAbortHandler)
		case "/html":
			_, _ = w.Write([]byte("<html>hello hello hello</html>"))
		}
	})
	defer close(release)
	openPort, hits := canary(t)
	closed := httptest.NewServer(nil)
	closed.Close()
	name := nameServer(t, func(int64) []netip.Addr { return []netip.Addr{loopback.Addr()} })
	named := newTestClient(t, Policy{}, seams{resolver: name, ports: []uint16{openPort, netip.MustParseAddrPort(strings.TrimPrefix(closed.URL, "http://")).Port()}})

	var texts []string
	for _, call := range []struct {
		client *Client
		url    string
	}{
		{strict, fmt.Sprintf("http://127.0.0.1:%d/", openPort)},
		{strict, closed.URL},
		{named, fmt.Sprintf("https://a.example:%d/", openPort)},
		{named, "https://a.example:" + portOf(t, closed.URL)},
		{c, closed.URL},
		{c, s.URL + "/slow"},
		{c, s.URL + "/404"},
		{c, s.URL + "/500"},
		{c, s.URL + "/cut"},
		{c, s.URL + "/html"},
		{c, "http://169.254.169.254/"},
		{c, "https://[fe80::1%25lo]/"},
		{c, "file:///etc/passwd"},
		{c, ""},
		{c, strings.Replace(s.URL, "http:", "https:", 1)},
	} {
		_, err := call.client.Image(t.Context(), call.url)
		var netErr net.Error
		if !errors.Is(err, ErrImageFetch) || errors.As(err, &netErr) || errors.Unwrap(err) != nil {
			t.Errorf("%s: %v leads to a cause", call.url, err)
			continue
		}
		texts = append(texts, fmt.Sprintf("%v|%+v|%s|%q", err, err, err, err))
	}
	if distinct := slices.Compact(slices.Sorted(slices.Values(texts))); len(distinct) != 1 {
		t.Errorf("%d different texts: %q", len(distinct), distinct)
	}
	if hits.Load() != 0 {
		t.Errorf("the open port got %d connections", hits.Load())
	}
}

func TestImage_CancelByTheCallerIsNotAVerdictOnTheImage(t *testing.T) {
	c := devClient(t, Policy{})
	ctx, cancel := context.WithCancel(t.Context())
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if _, err := c.Image(ctx, s.URL); !errors.Is(err, context.Canceled) || errors.Is(err, ErrImageFetch) {
		t.Errorf("got %v", err)
	}
}

func TestImage_ZoneInURLDoesNotPanic(t *testing.T) {
	c := devClient(t, Policy{})
	for _, raw := range []string{"https://[fe80::1%25lo]/", "http://[::1%25lo]:80/", "https://[fe80::1%25%00]/"} {
		if _, err := c.Image(t.Context(), raw); !errors.Is(err, ErrImageFetch) {
			t.Errorf("%s: %v", raw, err)
		}
		// The guard alone must hold too, without the shape check before it.
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://example.com", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.URL.Host = "[fe80::1%lo]"
		resp, err := c.posts.RoundTrip(req)
		if err == nil {
			_ = resp.Body.Close()
			t.Errorf("%s: got an answer", raw)
		}
	}
}

func TestImage_AtMost32AtOnce(t *testing.T) {
	c := devClient(t, Policy{})
	arrived, release := make(chan struct{}, 100), make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-release
		_, _ = w.Write(pngOf(t, 1, 1))
	})
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			if _, err := c.Image(t.Context(), s.URL); err != nil {
				t.Error(Cause(err))
			}
		})
	}
	for range 32 {
		<-arrived
	}
	waiting, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Image(waiting, s.URL); !errors.Is(err, context.Canceled) {
		t.Errorf("a 33rd image got %v, want to wait until cancelled", err)
	}
	if len(arrived) != 0 || len(c.imageSlots) != 32 {
		t.Errorf("%d further requests arrived, %d slots taken", len(arrived), len(c.imageSlots))
	}
	close(release)
	wg.Wait()
	if len(c.imageSlots) != 0 {
		t.Errorf("%d slots are still taken", len(c.imageSlots))
	}
}

func TestInspect_HoldsForeignBytesAgainstThePolicy(t *testing.T) {
	c := newTestClient(t, Policy{ImageLimitBytes: 200, MaxSide: 8, MaxPixels: 50}, seams{})
	for name, tc := range map[string]struct {
		data []byte
		want bool
	}{
		"fits":            {pngOf(t, 8, 6), true},
		"side too long":   {pngOf(t, 9, 1), false},
		"too many pixels": {pngOf(t, 8, 7), false},
		"too many bytes":  {append(pngOf(t, 1, 1), make([]byte, 200)...), false},
		"nothing":         {nil, false},
	} {
		img, err := c.Inspect(tc.data)
		if (err == nil) != tc.want || (err != nil && !errors.Is(err, ErrImageInvalid)) {
			t.Errorf("%s: %+v, %v", name, img.MIME, err)
		}
	}
}

func FuzzInspect(f *testing.F) {
	f.Add([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"))
	f.Add([]byte("GIF89a\x01\x00\x01\x00\x00\x00\x00"))
	f.Add([]byte("RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00\x2f\x00\x00\x00\x10"))
	f.Add([]byte("\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01"))
	c, err := New(Policy{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		img, err := c.Inspect(data)
		if err != nil {
			return
		}
		if img.Width < 1 || img.Height < 1 || img.Width > 16384 || img.Height > 16384 || img.Width*img.Height > 50_000_000 {
			t.Fatalf("accepted %d x %d", img.Width, img.Height)
		}
	})
}
