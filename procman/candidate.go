package procman

import (
	"context"
	"sync/atomic"
)

// A Candidate is a ready process of a release that is not live yet. It must be
// given to Update or discarded.
type Candidate struct {
	in *instance // nil once it was given or discarded
	// taken is set by whoever is first to take the process.
	taken atomic.Bool
}

// Start loads the release once, in a process with all the limits that it will
// have when it serves, and returns the process when it is ready. The error is a
// *StartError, ErrShuttingDown, or that of ctx.
//
// What is live is not touched.
func (p *Pool) Start(ctx context.Context, spec Spec) (*Candidate, error) {
	p.mu.Lock()
	if p.closing {
		p.mu.Unlock()
		return nil, ErrShuttingDown
	}
	in := p.newInstance(spec, p.config.limitsOf(spec.Release.Settings), newFlood(p.config.LogRate))
	in.begin(Starting)
	p.mu.Unlock()

	select {
	case <-in.up:
		return &Candidate{in: in}, nil
	case <-in.gone:
	case <-ctx.Done():
		p.mu.Lock()
		in.drain()
		p.mu.Unlock()
		<-in.gone
		return nil, context.Cause(ctx)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if in.failure == nil { // stopped by Shutdown
		return nil, ErrShuttingDown
	}
	return nil, in.failure
}

// Discard stops the process, unless Update has it.
func (c *Candidate) Discard() {
	if c.taken.Swap(true) {
		return
	}
	c.in.pool.mu.Lock()
	defer c.in.pool.mu.Unlock()
	c.in.drain()
}

// take returns the process if it can still serve, and nil if it has ended or was
// discarded. The pool's lock is held.
func (c *Candidate) take() *instance {
	if c.taken.Swap(true) || c.in.state != Ready {
		return nil
	}
	return c.in
}
