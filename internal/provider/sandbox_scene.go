package provider

import "math"

// scene draws the background: one of four motifs, chosen by the dice.
func (c *canvas) scene() {
	c.sky()
	switch c.dice.below(4) {
	case 0:
		c.hills()
	case 1:
		c.city()
	case 2:
		c.orbs()
	default:
		c.rings()
	}
}

// accent gives the colour at t (0 light .. 1 dark) of the accents.
func accent(t float64) uint8 {
	step := int(max(0, min(t, 1)) * (accentShades - 1))
	return uint8(accentFirst + step)
}

// disc draws a filled circle around (x,y), fractions of width and height; r is a fraction of the
// shorter side.
func (c *canvas) disc(x, y, r float64, index uint8) {
	cx, cy := x*float64(c.w), y*float64(c.h)
	radius := r * float64(min(c.w, c.h))
	first, last := max(0, int(cy-radius)), min(c.h-1, int(cy+radius))
	for line := first; line <= last; line++ {
		dy := float64(line) + 0.5 - cy
		if math.Abs(dy) >= radius {
			continue
		}
		half := math.Sqrt(radius*radius - dy*dy)
		c.span(line, cx-half, cx+half, index)
	}
}

// span fills part of a line, with half-covered pixels at both ends.
func (c *canvas) span(line int, from, to float64, index uint8) {
	row := c.row(line)
	first, last := int(math.Ceil(from)), int(math.Floor(to))
	if edge := first - 1; edge >= 0 && edge < c.w {
		row[edge] = c.pal.blend(row[edge], index, float64(first)-from)
	}
	if last >= 0 && last < c.w {
		row[last] = c.pal.blend(row[last], index, to-float64(last))
	}
	first, last = max(first, 0), min(last, c.w)
	if first < last {
		fill(row[first:last], index)
	}
}

// sun is a disc with two fainter rings around it.
func (c *canvas) sun(y float64) {
	x, r := 0.15+0.7*c.dice.unit(), 0.07+0.08*c.dice.unit()
	c.disc(x, y, r*2.1, uint8(skyFirst+skyShades*3/4))
	c.disc(x, y, r*1.5, uint8(skyFirst+skyShades-1))
	c.disc(x, y, r, accent(0))
}

// hills draws a sun behind layers of rolling ground.
func (c *canvas) hills() {
	c.sun(0.2 + 0.25*c.dice.unit())
	const layers = 5
	tops := make([]float64, c.w)
	for layer := range layers {
		depth := float64(layer+1) / layers
		base, swing := 0.38+0.42*depth, 0.10-0.05*depth
		p1, p2 := c.dice.unit(), c.dice.unit()
		f1, f2 := 0.6+1.2*c.dice.unit(), 2+2.5*c.dice.unit()
		for x := range tops {
			t := float64(x) / float64(c.w)
			wave := math.Sin(2*math.Pi*(t*f1+p1)) + 0.4*math.Sin(2*math.Pi*(t*f2+p2))
			tops[x] = float64(c.h) * (base + swing*wave)
		}
		c.ridge(tops, accent(depth))
	}
}

// city draws a moon behind rows of houses.
func (c *canvas) city() {
	c.sun(0.15 + 0.2*c.dice.unit())
	const layers = 4
	tops := make([]float64, c.w)
	for layer := range layers {
		depth := float64(layer+1) / layers
		end, height := 0, 0.0
		for x := range tops {
			if x >= end {
				end = x + int(float64(c.w)*(0.02+0.05*c.dice.unit()))
				height = 0.30 + 0.38*depth + 0.22*(c.dice.unit()-0.5)
			}
			tops[x] = float64(c.h) * height
		}
		c.ridge(tops, accent(depth))
	}
}

// orbs scatters discs of every shade, the large ones first.
func (c *canvas) orbs() {
	const count = 26
	for i := range count {
		size := 0.34 * math.Pow(0.88, float64(i))
		x, y, shade := c.dice.unit(), 0.9*c.dice.unit(), c.dice.unit()
		c.disc(x, y, size, accent(shade))
		c.disc(x-size*0.08, y-size*0.08, size*0.55, accent(shade-0.25))
	}
}

// rings draws nested circles around a point, like ripples.
func (c *canvas) rings() {
	x, y := 0.2+0.6*c.dice.unit(), 0.2+0.5*c.dice.unit()
	gap := 0.07 + 0.06*c.dice.unit()
	count := 7 + c.dice.below(6)
	for i := count; i > 0; i-- {
		shade := float64(i) / float64(count)
		if i%2 == 0 {
			shade = 1 - shade
		}
		c.disc(x, y, gap*float64(i), accent(shade))
	}
	c.disc(1-x, 1-y, gap, accent(0.1))
}
