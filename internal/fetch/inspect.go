package fetch

import (
	"bytes"
	"errors"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/webp"

	"github.com/eggapi/eggapi/internal/fault"
)

// magicBytes is the length within which every accepted kind shows itself.
const magicBytes = 12

// kind is one accepted image format.
type kind struct {
	mime   string
	is     func(head []byte) bool
	config func(io.Reader) (image.Config, error)
}

var kinds = []*kind{
	{"image/png", startsWith("\x89PNG\r\n\x1a\n"), png.DecodeConfig},
	{"image/jpeg", startsWith("\xff\xd8\xff"), jpeg.DecodeConfig},
	{"image/gif", func(b []byte) bool { return startsWith("GIF87a")(b) || startsWith("GIF89a")(b) }, gif.DecodeConfig},
	{"image/webp", func(b []byte) bool { return startsWith("RIFF")(b) && startsWith("WEBP")(b[8:]) }, webp.DecodeConfig},
}

func startsWith(magic string) func([]byte) bool {
	return func(b []byte) bool { return bytes.HasPrefix(b, []byte(magic)) }
}

// kindOf recognises the first bytes of an image; nil means none of the accepted kinds.
func kindOf(head []byte) *kind {
	if len(head) < magicBytes {
		return nil
	}
	for _, k := range kinds {
		if k.is(head) {
			return k
		}
	}
	return nil
}

// Inspect reads kind and size from an image's own header, without decoding pixels, and holds them against
// the policy's limits. It is for bytes that came another way, such as base64 in an upstream's reply.
// The error matches ErrImageInvalid.
func (c *Client) Inspect(data []byte) (Image, error) {
	img, err := c.inspect(data)
	if err != nil {
		return Image{}, &failure{public: ErrImageInvalid, cause: err}
	}
	return img, nil
}

func (c *Client) inspect(data []byte) (Image, error) {
	if int64(len(data)) > c.policy.ImageLimitBytes {
		return Image{}, errors.New("too many bytes")
	}
	k := kindOf(data)
	if k == nil {
		return Image{}, errors.New("unknown kind")
	}
	cfg, err := k.config(bytes.NewReader(data))
	if err != nil {
		return Image{}, fault.Wrap(err, "read image header")
	}
	if cfg.Width < 1 || cfg.Height < 1 {
		return Image{}, errors.New("no pixels")
	}
	if cfg.Width > c.policy.MaxSide || cfg.Height > c.policy.MaxSide {
		return Image{}, errors.New("a side is too long")
	}
	if int64(cfg.Width)*int64(cfg.Height) > c.policy.MaxPixels {
		return Image{}, errors.New("too many pixels")
	}
	return Image{Data: data, MIME: k.mime, Width: cfg.Width, Height: cfg.Height}, nil
}
