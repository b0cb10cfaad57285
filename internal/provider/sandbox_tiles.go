package provider

import (
	"fmt"
	"image"
	"image/color"
	"math"

	xdraw "golang.org/x/image/draw"
)

// cubeWhite is the index of pure white.
const cubeWhite = skyFirst - 1

// decodeInputs gives the pixels of the input images. Their bytes came from a stranger, so size and
// type are checked again before decoding.
func decodeInputs(inputs []Input) ([]image.Image, error) {
	decoded := make([]image.Image, 0, len(inputs))
	for i, in := range inputs {
		checked, err := CheckImage(in.Data)
		if err != nil {
			return nil, fmt.Errorf("input %d: %w", i, err)
		}
		img, err := decode(checked)
		if err != nil {
			return nil, fmt.Errorf("decode input %d: %w", i, err)
		}
		decoded = append(decoded, img)
	}
	return decoded, nil
}

// tiles lays the input images out as framed prints above the line bottom.
func (c *canvas) tiles(inputs []image.Image, bottom int) {
	if len(inputs) == 0 {
		return
	}
	columns := int(math.Ceil(math.Sqrt(float64(len(inputs)) * float64(c.w) / float64(c.h))))
	columns = max(1, min(columns, len(inputs)))
	rows := (len(inputs) + columns - 1) / columns
	cell := image.Pt(c.w/columns, bottom/rows)
	for i, img := range inputs {
		corner := image.Pt(i%columns*cell.X, i/columns*cell.Y)
		c.print(img, image.Rectangle{Min: corner, Max: corner.Add(cell)})
	}
}

// print draws one input, whole and unstretched, with a white border in the middle of cell.
func (c *canvas) print(img image.Image, cell image.Rectangle) {
	border := min(c.w, c.h) / 80
	room := cell.Inset(4 * border)
	size := img.Bounds().Size()
	scale := min(float64(room.Dx())/float64(size.X), float64(room.Dy())/float64(size.Y))
	w := max(1, int(float64(size.X)*scale))
	h := max(1, int(float64(size.Y)*scale))
	corner := room.Min.Add(image.Pt((room.Dx()-w)/2, (room.Dy()-h)/2))
	where := image.Rectangle{Min: corner, Max: corner.Add(image.Pt(w, h))}
	frame := where.Inset(-border).Intersect(c.img.Rect)
	for y := frame.Min.Y; y < frame.Max.Y; y++ {
		fill(c.row(y)[frame.Min.X:frame.Max.X], cubeWhite)
	}
	scaled := image.NewRGBA(image.Rect(0, 0, w, h))
	xdraw.Draw(scaled, scaled.Rect, image.NewUniform(color.White), image.Point{}, xdraw.Src)
	xdraw.ApproxBiLinear.Scale(scaled, scaled.Rect, img, img.Bounds(), xdraw.Over, nil)
	for y := range h {
		dither(c.row(corner.Y + y)[corner.X:corner.X+w], scaled.Pix[y*scaled.Stride:], y)
	}
}

// bayer is the 4x4 ordered dither matrix, scaled to one step between two levels of the cube.
var bayer = [4][4]int{{0, 32, 8, 40}, {48, 16, 56, 24}, {12, 44, 4, 36}, {60, 28, 52, 20}}

// dither writes one line of RGBA pixels with the colours of the cube.
func dither(row []uint8, rgba []uint8, y int) {
	line := &bayer[y&3]
	for x := range row {
		px, shift := rgba[4*x:4*x+3:4*x+3], line[x&3]
		level := func(v uint8) int { return (int(v) + int(v>>7) + shift) >> 6 }
		row[x] = uint8((level(px[0])*cubeLevels+level(px[1]))*cubeLevels + level(px[2]))
	}
}
