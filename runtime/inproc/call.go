package inproc

import (
	"context"
	"errors"
)

// errMemory and errWork end a call that needs more than Config allows.
var (
	errMemory = errors.New("the model needs more memory for this input than the limit allows")
	errWork   = errors.New("the model needs more work for this input than the limit allows")
)

// dataError is a fault of the values rather than of the graph: a dry run over
// zeros must not refuse a model for it.
type dataError struct{ msg string }

func (e dataError) Error() string { return e.msg }

// call is one walk through a plan: its deadline and what it may still use.
type call struct {
	ctx   context.Context
	mem   int // bytes left
	work  int // multiply-adds or element visits left
	until int // work left at which to look at ctx again
}

// pollEvery is about a millisecond of work.
const pollEvery = 1 << 20

func (c *call) take(bytes int) error {
	c.mem -= bytes
	if c.mem < 0 {
		return errMemory
	}
	return nil
}

// spend accounts for work about to be done. Kernels call it once for cheap
// operators and once a row for expensive ones, so a cancelled call ends soon.
func (c *call) spend(n int) error {
	c.work -= n
	if c.work < 0 {
		return errWork
	}
	if c.work < c.until {
		c.until = c.work - pollEvery
		return c.ctx.Err()
	}
	return nil
}
