package procman

import (
	"slices"

	"github.com/denofn/denofn"
)

// retire forgets a release that is not the current one of its function any more,
// once the last process of it has ended. The pool's lock is held.
//
// Forgetting works on the disk and takes time, in which the release may come back,
// as when one push undoes another. Its processes wait then.
func (p *Pool) retire(spec Spec) {
	r := spec.Release
	if fn := p.functions[r.Function]; p.closing || fn != nil && fn.spec.Release.ID == r.ID {
		return
	}
	for in := range p.instances {
		if other := in.spec.Release; other.Function == r.Function && other.ID == r.ID {
			return
		}
	}
	done := make(chan struct{})
	p.forgets[r.Function] = append(p.forgets[r.Function], done)
	p.running.Go(func() {
		p.launcher.Forget(spec)
		p.mu.Lock()
		defer p.mu.Unlock()
		under := slices.DeleteFunc(p.forgets[r.Function], func(c chan struct{}) bool { return c == done })
		if p.forgets[r.Function] = under; len(under) == 0 {
			delete(p.forgets, r.Function)
		}
		close(done)
	})
}

// awaitForgets waits until nothing of a function is being forgotten that was when
// it was called.
func (p *Pool) awaitForgets(name denofn.FunctionName) {
	p.mu.Lock()
	under := slices.Clone(p.forgets[name])
	p.mu.Unlock()
	for _, done := range under {
		<-done
	}
}
