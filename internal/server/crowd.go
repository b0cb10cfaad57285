package server

import (
	"sync/atomic"
	"time"

	"github.com/eggapi/eggapi/internal/fault"
)

var errCrowded = fault.New(fault.ServiceUnavailable, "the service is temporarily unavailable").After(time.Second)

// crowd bounds how many requests are with handlers at a time. Who comes when it is full is refused before anything is spent
// on him, so that an overload costs those inside little. A request counts once it is whole and valid: who sends his slowly,
// or is not admitted, takes nobody's place.
type crowd struct {
	most   int64 // 0 = no bound
	inside atomic.Int64
}

func (c *crowd) full() bool { return c.most > 0 && c.inside.Load() >= c.most }

// enter tells whether there was a place. Who got one calls leave.
func (c *crowd) enter() bool {
	if n := c.inside.Add(1); c.most > 0 && n > c.most {
		c.leave()
		return false
	}
	return true
}

func (c *crowd) leave() { c.inside.Add(-1) }
