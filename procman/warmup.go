package procman

import (
	"context"
	"time"

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

// queuePriming starts a process of a release that is not running, to fill its code
// cache before somebody waits for it. Such a process serves nobody, so it counts
// neither as a start nor as one of the function's instances; and it makes way as
// soon as the function starts a process that will serve. The pool's lock is held.
func (p *Pool) queuePriming(spec Spec) {
	p.primings = append(p.primings, spec)
	p.warmNext()
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
	for len(p.primings) > 0 && p.warming < p.config.Warmups {
		spec := p.primings[0]
		p.primings = p.primings[1:]
		fn := p.functions[spec.Release.Function]
		if p.closing || fn == nil || fn.spec.Release.ID != spec.Release.ID || len(fn.instances) > 0 {
			continue
		}
		in := p.newInstance(spec, fn.limits, fn.flood)
		in.primes, in.warmup = true, true
		fn.priming = in
		in.begin(Starting)
		p.warming++
	}
}

// endPriming tells a process to go that fills the code cache. What it has written
// stays, and the next one goes on from there.
func (fn *function) endPriming() {
	if fn.priming != nil {
		fn.priming.drain()
		fn.priming = nil
	}
}

// warmedUp is called when the start of in has come to its end, good or bad.
func (p *Pool) warmedUp(in *instance) {
	if in.warmup {
		in.warmup = false
		p.warming--
		p.warmNext()
		p.wakeStandby()
	}
}

// Warm waits until the function has a process that is ready. The errors are those
// of Acquire, and ErrTask.
func (p *Pool) Warm(ctx context.Context, name denofn.FunctionName) error {
	p.mu.Lock()
	fn := p.functions[name]
	isTask := fn != nil && fn.limits.once
	p.mu.Unlock()
	if isTask {
		return ErrTask
	}
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
		if in.function == fn || in == fn.priming || in == fn.standby {
			in.drain()
		}
		if in.state == Draining && in.spec.Release.Function == name {
			gone = append(gone, in.gone)
		}
	}
	fn.lastUsed, fn.standby = time.Time{}, nil
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
