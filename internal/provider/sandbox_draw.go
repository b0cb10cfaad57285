package provider

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"image"
	"image/png"
	"strconv"
	"sync"
)

// Pixels of a 16:9 picture by resolution; 9:16 is the same turned.
var sandboxSizes = map[string]image.Point{
	"1k": {X: 1376, Y: 768},
	"2k": {X: 2752, Y: 1536},
	"4k": {X: 5504, Y: 3072},
}

// canvas is one picture being drawn. Geometry is in fractions of width and height, so that one
// prompt gives the same scene at every resolution.
type canvas struct {
	img  *image.Paletted
	w, h int
	pal  *palette
	dice *dice
}

// pixelPool and encoder keep the large buffers (17 MB of pixels at 4k) between pictures.
var (
	pixelPool = sync.Pool{New: func() any { return new([]byte) }}
	encoder   = png.Encoder{CompressionLevel: png.BestSpeed, BufferPool: &pngPool{}}
)

type pngPool struct{ pool sync.Pool }

func (p *pngPool) Get() *png.EncoderBuffer {
	b, _ := p.pool.Get().(*png.EncoderBuffer)
	return b
}

func (p *pngPool) Put(b *png.EncoderBuffer) { p.pool.Put(b) }

// draw gives picture number index of a request: scene, inputs on top, caption below.
func draw(r Request, index int, inputs []image.Image) (Image, error) {
	size := sandboxSizes[r.Resolution]
	if r.AspectRatio == "9:16" {
		size.X, size.Y = size.Y, size.X
	}
	pixels, _ := pixelPool.Get().(*[]byte)
	defer pixelPool.Put(pixels)
	if cap(*pixels) < size.X*size.Y {
		*pixels = make([]byte, size.X*size.Y)
	}
	d := sceneDice(r, index)
	c := &canvas{w: size.X, h: size.Y, pal: newPalette(d), dice: d}
	c.img = &image.Paletted{
		Pix:     (*pixels)[:size.X*size.Y],
		Stride:  size.X,
		Rect:    image.Rectangle{Max: size},
		Palette: c.pal.colors,
	}
	c.scene()
	label := fmt.Sprintf("sandbox  %s  %s  #%d", r.AspectRatio, r.Resolution, index+1)
	top, err := c.caption(label, captionText(r))
	if err != nil {
		return Image{}, err
	}
	c.tiles(inputs, top)
	var out bytes.Buffer
	out.Grow(size.X * size.Y / 16)
	if err := encoder.Encode(&out, c.img); err != nil {
		return Image{}, fmt.Errorf("encode picture: %w", err)
	}
	return Image{Data: out.Bytes(), MIME: "image/png", Width: size.X, Height: size.Y}, nil
}

func captionText(r Request) string {
	if r.NegativePrompt == "" {
		return r.Prompt
	}
	return r.Prompt + " (avoid: " + r.NegativePrompt + ")"
}

// sceneDice seeds the scene by what was asked for. The resolution is left out on purpose.
func sceneDice(r Request, index int) *dice {
	sum := sha256.Sum256([]byte(r.Prompt + "\x00" + r.NegativePrompt + "\x00" + r.AspectRatio +
		"\x00" + strconv.Itoa(index)))
	d := dice(binary.BigEndian.Uint64(sum[:8]))
	return &d
}

func fill(row []uint8, index uint8) {
	for i := range row {
		row[i] = index
	}
}

// row gives the pixels of line y.
func (c *canvas) row(y int) []uint8 { return c.img.Pix[y*c.w : (y+1)*c.w] }

// sky fills everything with a gradient from top to bottom.
func (c *canvas) sky() {
	for y := range c.h {
		fill(c.row(y), uint8(skyFirst+y*skyShades/c.h))
	}
}

// ridge fills everything below the line tops (one height in pixels per column), smooth at the edge.
func (c *canvas) ridge(tops []float64, index uint8) {
	highest, lowest := c.h, 0
	for _, t := range tops {
		highest, lowest = min(highest, int(t)), max(lowest, int(t)+1)
	}
	for y := max(0, highest); y < c.h; y++ {
		row := c.row(y)
		if y >= lowest {
			fill(row, index)
			continue
		}
		line := float64(y)
		for x, t := range tops {
			switch {
			case line >= t:
				row[x] = index
			case line+1 > t:
				row[x] = c.pal.blend(row[x], index, line+1-t)
			}
		}
	}
}
