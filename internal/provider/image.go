package provider

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"

	"golang.org/x/image/webp"
)

// Bounds of a picture we accept, from an upstream or as an input.
const (
	maxSidePixels  = 16384
	maxTotalPixels = 50_000_000
)

// ErrNotImage means that bytes are not a PNG, JPEG or WebP picture within bounds.
var ErrNotImage = errors.New("provider: not a usable image")

// CheckImage says what data really is. It goes by the first bytes, whatever a header claimed, and
// reads the picture's own header for its size. Fails with ErrNotImage for anything but PNG, JPEG
// and WebP up to 16384 pixels a side and 50 megapixels.
func CheckImage(data []byte) (Image, error) {
	mime := sniff(data)
	if mime == "" {
		return Image{}, fmt.Errorf("sniff %d bytes: %w", len(data), ErrNotImage)
	}
	config, err := decodeConfig(mime, data)
	if err != nil {
		return Image{}, fmt.Errorf("read %s header: %w: %w", mime, ErrNotImage, err)
	}
	w, h := config.Width, config.Height
	if w < 1 || h < 1 || w > maxSidePixels || h > maxSidePixels || w*h > maxTotalPixels {
		return Image{}, fmt.Errorf("%s of %dx%d pixels: %w", mime, w, h, ErrNotImage)
	}
	return Image{Data: data, MIME: mime, Width: w, Height: h}, nil
}

// sniff names the media type by magic bytes, and gives "" for anything not accepted.
func sniff(data []byte) string {
	switch {
	case bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")):
		return "image/png"
	case bytes.HasPrefix(data, []byte("\xff\xd8\xff")):
		return "image/jpeg"
	case len(data) >= 12 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WEBP":
		return "image/webp"
	default:
		return ""
	}
}

// decodeConfig uses the decoder of the sniffed type, so that no other registered format can slip in.
func decodeConfig(mime string, data []byte) (image.Config, error) {
	switch mime {
	case "image/png":
		return png.DecodeConfig(bytes.NewReader(data))
	case "image/jpeg":
		return jpeg.DecodeConfig(bytes.NewReader(data))
	default:
		return webp.DecodeConfig(bytes.NewReader(data))
	}
}

// decode gives the pixels of a picture that CheckImage accepted.
func decode(img Image) (image.Image, error) {
	switch img.MIME {
	case "image/png":
		return png.Decode(bytes.NewReader(img.Data))
	case "image/jpeg":
		return jpeg.Decode(bytes.NewReader(img.Data))
	default:
		return webp.Decode(bytes.NewReader(img.Data))
	}
}
