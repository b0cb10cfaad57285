package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// start is when the test clock begins.
var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func newTestSandbox() (*Sandbox, *time.Time) {
	now := start
	return NewSandbox(func() time.Time { return now }), &now
}

func wanted(prompt string) Request {
	return Request{AttemptID: "att_1", Prompt: prompt, AspectRatio: "16:9", Resolution: "1k", Count: 1}
}

// drawn submits and wants pictures at once.
func drawn(t *testing.T, r Request) *Result {
	t.Helper()
	s, _ := newTestSandbox()
	got, err := s.Submit(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	if got.Done == nil || got.Ref != nil {
		t.Fatalf("got %+v", got)
	}
	return got.Done
}

func pixels(t *testing.T, img Image) image.Image {
	t.Helper()
	decoded, err := png.Decode(bytes.NewReader(img.Data))
	if err != nil {
		t.Fatal(err)
	}
	return decoded
}

func TestSandbox_DrawsEverySizeItPromises(t *testing.T) {
	caps := SandboxCaps()
	for _, resolution := range caps.Resolutions {
		for _, aspect := range caps.Aspects {
			r := wanted("a fox")
			r.Resolution, r.AspectRatio = resolution, aspect
			img := drawn(t, r).Images[0]
			want := map[string]image.Point{"1k": {X: 1376, Y: 768}, "2k": {X: 2752, Y: 1536}, "4k": {X: 5504, Y: 3072}}[resolution]
			if aspect == "9:16" {
				want.X, want.Y = want.Y, want.X
			}
			checked, err := CheckImage(img.Data)
			if err != nil || checked.Width != want.X || checked.Height != want.Y || checked.MIME != "image/png" {
				t.Errorf("%s %s: %dx%d %s %v", aspect, resolution, checked.Width, checked.Height, checked.MIME, err)
			}
			if img.Width != want.X || img.Height != want.Y || img.MIME != "image/png" {
				t.Errorf("%s %s: says %dx%d %s", aspect, resolution, img.Width, img.Height, img.MIME)
			}
		}
	}
}

func TestSandbox_SameRequestGivesTheSameBytes(t *testing.T) {
	r := wanted("a fox in the snow")
	r.NegativePrompt, r.Count = "rain", 2
	r.Inputs = []Input{{Data: pngOf(t, 40, 30), MIME: "image/png"}}
	want := drawn(t, r)
	// Side by side, so that shared buffers would show.
	for i := range 4 {
		t.Run("again", func(t *testing.T) {
			t.Parallel()
			mixed := wanted(fmt.Sprint("other ", i))
			mixed.Resolution = "2k"
			drawn(t, mixed)
			if diff := cmp.Diff(want, drawn(t, r)); diff != "" {
				t.Error("other bytes")
			}
		})
	}
}

// thumbnail gives the colours of a coarse grid over the scene, above the caption.
func thumbnail(img image.Image) []color.RGBA {
	size := img.Bounds().Size()
	var grid []color.RGBA
	for y := range 14 {
		for x := range 32 {
			c, _ := color.RGBAModel.Convert(img.At(x*size.X/32, y*size.Y/20)).(color.RGBA)
			grid = append(grid, c)
		}
	}
	return grid
}

// distance gives the mean difference per channel, 0..255.
func distance(a, b []color.RGBA) int {
	total := 0
	diff := func(x, y uint8) int { return max(int(x)-int(y), int(y)-int(x)) }
	for i := range a {
		total += diff(a[i].R, b[i].R) + diff(a[i].G, b[i].G) + diff(a[i].B, b[i].B)
	}
	return total / (3 * len(a))
}

func TestSandbox_AnotherPromptIsClearlyAnotherPicture(t *testing.T) {
	var seen [][]color.RGBA
	for i := range 12 {
		grid := thumbnail(pixels(t, drawn(t, wanted(fmt.Sprintf("prompt %d", i))).Images[0]))
		for j, other := range seen {
			if d := distance(grid, other); d < 12 {
				t.Errorf("prompts %d and %d differ by %d", i, j, d)
			}
		}
		seen = append(seen, grid)
	}
}

func TestSandbox_EveryPartOfTheRequestShows(t *testing.T) {
	base := wanted("a fox")
	base.Count = 2
	seen := map[string]string{}
	note := func(name string, r Request) {
		for i, img := range drawn(t, r).Images {
			name := fmt.Sprintf("%s %d", name, i)
			if other, ok := seen[string(img.Data)]; ok {
				t.Errorf("%s equals %s", name, other)
			}
			seen[string(img.Data)] = name
		}
	}
	note("base", base)
	negative, upright, later, edited := base, base, base, base
	negative.NegativePrompt = "snow"
	upright.AspectRatio = "9:16"
	later.FirstIndex = 2
	edited.Inputs = []Input{{Data: pngOf(t, 8, 8), MIME: "image/png"}}
	note("negative", negative)
	note("upright", upright)
	note("later", later)
	note("edited", edited)
}

func TestSandbox_ResolutionDoesNotChangeTheScene(t *testing.T) {
	small, large := wanted("a fox"), wanted("a fox")
	large.Resolution = "2k"
	a := thumbnail(pixels(t, drawn(t, small).Images[0]))
	b := thumbnail(pixels(t, drawn(t, large).Images[0]))
	if d := distance(a, b); d > 3 {
		t.Errorf("they differ by %d", d)
	}
}

func solid(c color.Color, w, h int) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, c)
		}
	}
	return img
}

func near(got color.Color, want color.RGBA) bool {
	c, _ := color.RGBAModel.Convert(got).(color.RGBA)
	return distance([]color.RGBA{c}, []color.RGBA{want}) < 24
}

func TestSandbox_EditShowsItsInputs(t *testing.T) {
	red, blue := color.RGBA{R: 255, A: 255}, color.RGBA{B: 255, A: 255}
	var asPNG, asJPEG bytes.Buffer
	if err := png.Encode(&asPNG, solid(red, 64, 64)); err != nil {
		t.Fatal(err)
	}
	if err := jpeg.Encode(&asJPEG, solid(blue, 64, 64), nil); err != nil {
		t.Fatal(err)
	}
	r := wanted("put them side by side")
	r.Inputs = []Input{{Data: asPNG.Bytes()}, {Data: asJPEG.Bytes()}}
	img := pixels(t, drawn(t, r).Images[0])
	w, h := img.Bounds().Dx(), img.Bounds().Dy()
	if got := img.At(w/4, h*4/10); !near(got, red) {
		t.Errorf("left is %v", got)
	}
	if got := img.At(w*3/4, h*4/10); !near(got, blue) {
		t.Errorf("right is %v", got)
	}
}

func TestSandbox_TakesNineInputsOfEveryKindAndShape(t *testing.T) {
	webp, err := os.ReadFile("testdata/dot.webp")
	if err != nil {
		t.Fatal(err)
	}
	r := wanted("a collage")
	for _, shape := range []image.Point{{1, 1}, {900, 1}, {1, 900}, {3, 2}, {2, 3}, {64, 64}, {7, 5}, {33, 3}} {
		r.Inputs = append(r.Inputs, Input{Data: pngOf(t, shape.X, shape.Y)})
	}
	r.Inputs = append(r.Inputs, Input{Data: webp})
	for n := range len(r.Inputs) {
		part := r
		part.AspectRatio = []string{"16:9", "9:16"}[n%2]
		part.Inputs = r.Inputs[n:]
		drawn(t, part)
	}
}

func TestSandbox_AnyPromptCanBeCaptioned(t *testing.T) {
	long := bytes.Repeat([]byte("Donaudampfschifffahrt"), 95)
	for _, prompt := range []string{
		"", " ", "\x00\x07\n\t", "猫と狐", "العربية", "👩‍👩‍👧‍👦 family", "\xff\xfe", string(long),
		string(bytes.Repeat([]byte("word "), 400)),
	} {
		r := wanted(prompt)
		r.AspectRatio = "9:16"
		drawn(t, r)
	}
}

func TestSandbox_RefusesWhatItCannotDraw(t *testing.T) {
	tests := map[string]func(*Request){
		"aspect_ratio":      func(r *Request) { r.AspectRatio = "1:1" },
		"resolution":        func(r *Request) { r.Resolution = "8k" },
		"count":             func(r *Request) { r.Count = 5 },
		"inputs":            func(r *Request) { r.Inputs = make([]Input, 10) },
		"input_undecodable": func(r *Request) { r.Inputs = []Input{{Data: []byte("<svg/>")}} },
	}
	s, _ := newTestSandbox()
	for code, change := range tests {
		r := wanted("a fox")
		change(&r)
		_, err := s.Submit(context.Background(), r)
		var e *Error
		if !errors.As(err, &e) || e.Class != UserInvalid || e.Code != code {
			t.Errorf("%s: %v", code, err)
		}
	}
}

// roundTrip stores and loads a ref as the attempts table does.
func roundTrip(t *testing.T, ref *Ref) Ref {
	t.Helper()
	data, err := json.Marshal(ref)
	if err != nil {
		t.Fatal(err)
	}
	var loaded Ref
	if err := json.Unmarshal(data, &loaded); err != nil {
		t.Fatal(err)
	}
	return loaded
}
