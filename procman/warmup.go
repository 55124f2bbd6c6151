package procman

import (
	"context"

	"github.com/denofn/denofn"
)

// queueWarmup starts a process of fn when fewer than Config.Warmups of its kind
// are starting. Starts that a request waits for do not queue here. The pool's lock
// is held.
func (p *Pool) queueWarmup(fn *function) {
	if !fn.warmQueued {
		fn.warmQueued = true
		p.warmups = append(p.warmups, fn)
		p.warmNext()
	}
}

func (p *Pool) warmNext() {
	for len(p.warmups) > 0 && p.warming < p.config.Warmups {
		fn := p.warmups[0]
		p.warmups = p.warmups[1:]
		fn.warmQueued = false
		wanted := fn.warm || fn.count(Starting, Ready) < fn.limits.minInstances
		if p.closing || p.functions[fn.name] != fn || !wanted || fn.count(Starting) > 0 {
			continue
		}
		fn.start().warmup = true
		p.warming++
	}
}

// warmedUp is called when the start of in has come to its end, good or bad.
func (p *Pool) warmedUp(in *instance) {
	if in.warmup {
		in.warmup = false
		p.warming--
		p.warmNext()
	}
}

// Warm waits until the function has a process that is ready. The errors are those
// of Acquire.
func (p *Pool) Warm(ctx context.Context, name denofn.FunctionName) error {
	lease, err := p.Acquire(ctx, name)
	if err == nil {
		lease.Release()
	}
	return err
}

// Stop lets the processes of the function end their requests and go, and waits
// until they have. The function stays: the next request starts a process again.
// The error is ErrUnknown or that of ctx.
func (p *Pool) Stop(ctx context.Context, name denofn.FunctionName) error {
	p.mu.Lock()
	fn := p.functions[name]
	if fn == nil {
		p.mu.Unlock()
		return ErrUnknown
	}
	var gone []chan struct{}
	for in := range p.instances {
		if in.function == fn {
			in.drain()
			gone = append(gone, in.gone)
		}
	}
	fn.settle()
	p.mu.Unlock()
	for _, c := range gone {
		select {
		case <-c:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
