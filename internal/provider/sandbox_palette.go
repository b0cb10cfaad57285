package provider

import (
	"image/color"
	"math"
)

// Layout of the sandbox's 256 colours: a cube for photographs, then the scene's own shades.
const (
	cubeLevels   = 5
	skyFirst     = cubeLevels * cubeLevels * cubeLevels // 125
	skyShades    = 96
	inkFirst     = skyFirst + skyShades // from panel to text, for smooth letters
	inkShades    = 16
	accentFirst  = inkFirst + inkShades
	accentShades = 256 - accentFirst // 19
)

// palette is the colours of one picture, with a memory of mixed ones.
type palette struct {
	colors color.Palette
	mixed  map[uint32]uint8
}

// newPalette picks the scene's colours: a sky between two hues, accents around a third.
func newPalette(d *dice) *palette {
	p := &palette{colors: make(color.Palette, 0, 256), mixed: make(map[uint32]uint8)}
	for i := range skyFirst {
		p.colors = append(p.colors, color.RGBA{
			R: cubeLevel(i / (cubeLevels * cubeLevels)),
			G: cubeLevel(i / cubeLevels % cubeLevels),
			B: cubeLevel(i % cubeLevels),
			A: 255,
		})
	}
	hue := d.unit()
	spread := 0.08 + 0.25*d.unit()
	top := hsl(hue, 0.35+0.3*d.unit(), 0.22+0.3*d.unit())
	bottom := hsl(hue+spread, 0.45+0.35*d.unit(), 0.66+0.2*d.unit())
	p.ramp(top, bottom, skyShades)
	panel := hsl(hue, 0.35, 0.11)
	p.ramp(panel, color.RGBA{R: 250, G: 249, B: 244, A: 255}, inkShades)
	accent := hue + 0.3 + 0.4*d.unit()
	p.ramp(hsl(accent, 0.68, 0.76), hsl(accent+0.12, 0.45, 0.2), accentShades)
	return p
}

func cubeLevel(i int) uint8 { return uint8(i * 255 / (cubeLevels - 1)) }

// ramp appends n colours from one to the other.
func (p *palette) ramp(from, to color.RGBA, n int) {
	for i := range n {
		p.colors = append(p.colors, mix(from, to, float64(i)/float64(n-1)))
	}
}

func mix(a, b color.RGBA, t float64) color.RGBA {
	channel := func(x, y uint8) uint8 {
		return uint8(math.Round(float64(x) + (float64(y)-float64(x))*t))
	}
	return color.RGBA{R: channel(a.R, b.R), G: channel(a.G, b.G), B: channel(a.B, b.B), A: 255}
}

// blend gives the index nearest to over covering under by coverage (0..1), for smooth edges.
func (p *palette) blend(under, over uint8, coverage float64) uint8 {
	step := uint32(max(0, min(coverage, 1)) * 8)
	key := step<<16 | uint32(under)<<8 | uint32(over)
	if index, ok := p.mixed[key]; ok {
		return index
	}
	a, okA := p.colors[under].(color.RGBA)
	b, okB := p.colors[over].(color.RGBA)
	index := over
	if okA && okB {
		index = uint8(p.colors.Index(mix(a, b, float64(step)/8)))
	}
	p.mixed[key] = index
	return index
}

// hsl gives a colour by hue (turns, any real), saturation and lightness (0..1).
func hsl(hue, saturation, lightness float64) color.RGBA {
	hue -= math.Floor(hue)
	reach := saturation * min(lightness, 1-lightness)
	channel := func(n float64) uint8 {
		k := math.Mod(n+hue*12, 12)
		v := lightness - reach*max(-1, min(k-3, 9-k, 1))
		return uint8(math.Round(max(0, min(v, 1)) * 255))
	}
	return color.RGBA{R: channel(0), G: channel(8), B: channel(4), A: 255}
}

// dice is SplitMix64: small, and the same on every machine and Go version.
type dice uint64

func (d *dice) next() uint64 {
	*d += 0x9e3779b97f4a7c15
	z := uint64(*d)
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31)
}

// unit gives a number in [0,1).
func (d *dice) unit() float64 { return float64(d.next()>>11) / (1 << 53) }

// below gives an integer in [0,n).
func (d *dice) below(n int) int { return int(d.unit() * float64(n)) }
