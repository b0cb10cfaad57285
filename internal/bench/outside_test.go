//go:build system

package bench

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/eggapi/eggapi/internal/app"
	"github.com/eggapi/eggapi/internal/provider"
)

// instant is an upstream model that costs nothing and takes no time.
type instant struct{ image provider.Image }

func newInstant() instant {
	const width, height = 16, 9
	var b bytes.Buffer
	_ = png.Encode(&b, image.NewGray(image.Rect(0, 0, width, height))) // a buffer takes everything
	return instant{provider.Image{Data: b.Bytes(), MIME: "image/png", Width: width, Height: height}}
}

func (i instant) Submit(_ context.Context, r provider.Request) (provider.Submission, error) {
	images := make([]provider.Image, max(1, r.Count))
	for n := range images {
		images[n] = i.image
	}
	return provider.Submission{Done: &provider.Result{Images: images, UpstreamModel: r.UpstreamModel, RequestID: r.AttemptID}}, nil
}

func (instant) Poll(context.Context, provider.Ref) (provider.Status, error) {
	return provider.Status{}, provider.ErrUnsupported
}

func (instant) Cancel(context.Context, provider.Ref) error { return provider.ErrUnsupported }

// hookPorts is on how many ports the receiver of webhooks listens. A node sends four webhooks at a time to one host and
// port, so each stands for a customer's server.
const hookPorts = 64

// startReceiver starts a process that takes every webhook at once, and gives the URLs to name in orders.
func startReceiver(t *testing.T) (hooks []string) {
	t.Helper()
	r := startService(t, order{Part: "receiver", Ports: hookPorts})
	for port := range strings.SplitSeq(r.addr, ",") {
		hooks = append(hooks, "http://127.0.0.1:"+port+"/hook")
	}
	return hooks
}

// receive is the part of that process.
func receive(ctx context.Context, o order) error {
	s := app.NewHTTPServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	ports := make([]string, o.Ports)
	var lc net.ListenConfig
	for i := range ports {
		l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		_, ports[i], _ = net.SplitHostPort(l.Addr().String())
		go func() { _ = s.Serve(l) }()
	}
	_, _ = fmt.Fprintln(os.Stdout, strings.Join(ports, ","), "-")
	<-ctx.Done()
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = s.Shutdown(limit)
	return nil
}
