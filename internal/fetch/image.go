package fetch

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/eggapi/eggapi/internal/fault"
)

const maxRedirects = 3

// Image is a downloaded picture whose kind and size were read from its own bytes.
type Image struct {
	Data   []byte
	MIME   string // image/png, image/jpeg, image/webp or image/gif
	Width  int    // pixels
	Height int    // pixels
}

// Image downloads a picture within the policy's limits. It follows at most three redirects, checks each
// as if it were the first URL, and believes the bytes rather than the Content-Type.
// Whatever goes wrong with the target, the error is ErrImageFetch with the same text; Cause has the reason.
// Only when the caller cancels ctx does the error match context.Canceled instead.
func (c *Client) Image(ctx context.Context, rawURL string) (Image, error) {
	img, err := c.image(ctx, rawURL)
	if err == nil {
		return img, nil
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return Image{}, fault.Wrap(context.Canceled, "fetch image")
	}
	return Image{}, &failure{public: ErrImageFetch, cause: err}
}

func (c *Client) image(ctx context.Context, rawURL string) (Image, error) {
	u, err := c.guard.checkURL(rawURL)
	if err != nil {
		return Image{}, err
	}
	release, err := take(ctx, c.imageSlots)
	if err != nil {
		return Image{}, err
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, c.policy.Timeouts.Total)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return Image{}, fault.Wrap(err, "build request")
	}
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("Accept", "image/png, image/jpeg, image/webp, image/gif")
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := c.images.Do(req)
	if err != nil {
		return Image{}, fault.Wrap(err, "request image")
	}
	defer func() { _ = resp.Body.Close() }()
	return c.readImage(resp)
}

// checkRedirect sees the next request and those before it.
func (c *Client) checkRedirect(next *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return errors.New("too many redirects")
	}
	if _, err := c.guard.checkURL(next.URL.String()); err != nil {
		return err
	}
	if via[len(via)-1].URL.Scheme == "https" && next.URL.Scheme != "https" {
		return errors.New("redirect from https to http")
	}
	// The URL may hold a token of the first host.
	next.Header.Del("Referer")
	return nil
}

func (c *Client) readImage(resp *http.Response) (Image, error) {
	if resp.StatusCode != http.StatusOK {
		return Image{}, errors.New("status is not 200")
	}
	limit := c.policy.ImageLimitBytes
	if resp.ContentLength > limit {
		return Image{}, errors.New("content length above the limit")
	}
	// The kind shows in the first bytes: stop before the rest of a page or an archive arrives.
	head := make([]byte, magicBytes)
	if _, err := io.ReadFull(resp.Body, head); err != nil {
		return Image{}, fault.Wrap(err, "read first bytes")
	}
	if kindOf(head) == nil {
		return Image{}, errors.New("not an image by its first bytes")
	}
	// One byte above the limit is enough for Inspect to refuse it. An encoded body is never decoded,
	// so it has no image's first bytes.
	data := bytes.NewBuffer(head)
	if _, err := data.ReadFrom(io.LimitReader(resp.Body, limit-magicBytes+1)); err != nil {
		return Image{}, fault.Wrap(err, "read image")
	}
	return c.Inspect(data.Bytes())
}
