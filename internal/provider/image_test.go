package provider

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"testing"
)

func pngOf(t testing.TB, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, w, h))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// claim gives a PNG whose header claims w by h pixels.
func claim(t testing.TB, w, h uint32) []byte {
	t.Helper()
	data := pngOf(t, 1, 1)
	binary.BigEndian.PutUint32(data[16:], w)
	binary.BigEndian.PutUint32(data[20:], h)
	binary.BigEndian.PutUint32(data[29:], crc32.ChecksumIEEE(data[12:29]))
	return data
}

func TestCheckImage_GoesByTheBytes(t *testing.T) {
	var jpg bytes.Buffer
	if err := jpeg.Encode(&jpg, image.NewGray(image.Rect(0, 0, 5, 4)), nil); err != nil {
		t.Fatal(err)
	}
	webp, err := os.ReadFile("testdata/dot.webp")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		mime string
		data []byte
		w, h int
	}{
		{"image/png", pngOf(t, 3, 2), 3, 2},
		{"image/jpeg", jpg.Bytes(), 5, 4},
		{"image/webp", webp, 1, 1},
		{"image/png", claim(t, 10_000, 5_000), 10_000, 5_000},
	}
	for _, tt := range tests {
		got, err := CheckImage(tt.data)
		if err != nil || got.MIME != tt.mime || got.Width != tt.w || got.Height != tt.h {
			t.Errorf("%s: got %s %dx%d, %v", tt.mime, got.MIME, got.Width, got.Height, err)
		}
	}
}

func TestCheckImage_RefusesStrangers(t *testing.T) {
	var moving bytes.Buffer
	if err := gif.Encode(&moving, image.NewGray(image.Rect(0, 0, 2, 2)), nil); err != nil {
		t.Fatal(err)
	}
	tests := map[string][]byte{
		"nothing":         nil,
		"page":            []byte("<html></html>"),
		"svg":             []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`),
		"gif":             moving.Bytes(),
		"magic only":      []byte("\x89PNG\r\n\x1a\n"),
		"jpeg magic only": []byte("\xff\xd8\xff"),
		"webp magic only": []byte("RIFF\x00\x00\x00\x00WEBP"),
		"too wide":        claim(t, 16_385, 1),
		"too high":        claim(t, 1, 16_385),
		"too many pixels": claim(t, 10_000, 5_001),
	}
	for name, data := range tests {
		if _, err := CheckImage(data); !errors.Is(err, ErrNotImage) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
