package providertest

import (
	"bytes"
	"crypto/sha256"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
)

// unit is the 16:9 picture of imageSize 1K at one sixteenth of its real 1376x768 pixels.
var unit = image.Pt(86, 48)

// Picture gives a small PNG: the same for the same prompt, and in the exact ratio (43:24) the real
// models answer 16:9 with, at a sixteenth of their width. Other ratios than 16:9 and 9:16 come out
// square.
func Picture(prompt, aspectRatio, imageSize string) []byte {
	var out bytes.Buffer
	if err := png.Encode(&out, paint(prompt, aspectRatio, imageSize)); err != nil {
		panic(err) // a fresh picture in memory always encodes
	}
	return out.Bytes()
}

// JPEG gives the same picture as a JPEG.
func JPEG(prompt, aspectRatio, imageSize string) []byte {
	var out bytes.Buffer
	if err := jpeg.Encode(&out, paint(prompt, aspectRatio, imageSize), nil); err != nil {
		panic(err) // a fresh picture in memory always encodes
	}
	return out.Bytes()
}

func paint(prompt, aspectRatio, imageSize string) image.Image {
	scale := map[string]int{"2K": 2, "4K": 4}[imageSize]
	size := unit.Mul(max(1, scale))
	switch aspectRatio {
	case "16:9":
	case "9:16":
		size.X, size.Y = size.Y, size.X
	default:
		size.X = size.Y
	}
	sum := sha256.Sum256([]byte(prompt))
	img := image.NewPaletted(image.Rectangle{Max: size}, color.Palette{
		color.RGBA{R: sum[0], G: sum[1], B: sum[2], A: 255},
		color.RGBA{R: sum[3], G: sum[4], B: sum[5], A: 255},
	})
	for i := range img.Pix {
		img.Pix[i] = sum[6+i*24/len(img.Pix)] & 1
	}
	return img
}
