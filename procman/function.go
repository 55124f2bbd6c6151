package procman

import (
	"slices"
	"time"

	"github.com/denofn/denofn"
)

// A function is the side of a function that waits for processes: its current
// release, the processes that can take its requests, and the requests that none
// can take yet. All of its methods need the pool's lock.
type function struct {
	pool *Pool
	name denofn.FunctionName

	spec       Spec
	limits     limits
	generation int         // grows with each release
	instances  []*instance // starting and ready ones, oldest first, of any generation
	waiting    []*waiter   // in order of arrival
	requests   uint64
	failure    *StartError // of the newest process that failed; nil once one is ready
}

// A waiter is a request that waits for a process.
type waiter struct {
	result chan acquired // holds one, so that giving never blocks
}

type acquired struct {
	lease *Lease
	err   error
}

// replace makes spec the current release.
func (fn *function) replace(spec Spec, l limits, candidate *instance) {
	old := slices.Clone(fn.instances)
	wanted := len(old) > 0 || len(fn.waiting) > 0 || spec.Release.Settings.WarmupOnStart
	fn.spec, fn.limits, fn.failure = spec, l, nil
	fn.generation++
	switch {
	case candidate != nil && wanted:
		fn.adopt(candidate)
	case candidate != nil:
		candidate.drain()
	}
	for _, in := range old {
		if in.state == Starting || fn.hasReady() {
			in.drain()
		}
	}
	if wanted && !fn.hasCurrent() {
		fn.start()
	}
	fn.settle()
}

// adopt makes a process that was started for no function one of the current
// generation.
func (fn *function) adopt(in *instance) {
	in.function, in.generation = fn, fn.generation
	fn.instances = append(fn.instances, in)
	in.armIdle()
}

// start begins to start a process of the current release.
func (fn *function) start() {
	in := fn.pool.newInstance(fn.spec, fn.limits)
	in.function, in.generation = fn, fn.generation
	fn.instances = append(fn.instances, in)
	in.begin()
}

// hasCurrent reports whether a process of the current release is ready or on its
// way.
func (fn *function) hasCurrent() bool {
	return slices.ContainsFunc(fn.instances, func(in *instance) bool { return in.generation == fn.generation })
}

// hasReady reports whether a process of the current release is ready.
func (fn *function) hasReady() bool {
	return slices.ContainsFunc(fn.instances, func(in *instance) bool {
		return in.generation == fn.generation && in.state == Ready
	})
}

// pick returns the process that the next request should go to, or nil.
func (fn *function) pick() *instance {
	var best *instance
	for _, in := range fn.instances {
		if in.state == Ready && (best == nil || in.generation > best.generation) {
			best = in
		}
	}
	return best
}

// acquire returns a lease, or a waiter whose result will come.
func (fn *function) acquire() (*Lease, *waiter, error) {
	fn.requests++
	if len(fn.waiting) == 0 {
		if in := fn.pick(); in != nil {
			if !fn.hasCurrent() { // the release was replaced and its process failed to start
				fn.start()
			}
			return in.lend(), nil, nil
		}
	}
	if len(fn.waiting) >= fn.pool.config.MaxQueue {
		return nil, nil, ErrBusy
	}
	w := &waiter{result: make(chan acquired, 1)}
	fn.waiting = append(fn.waiting, w)
	fn.settle()
	return nil, w, nil
}

// forget takes a waiter off the queue.
func (fn *function) forget(w *waiter) {
	if i := slices.Index(fn.waiting, w); i >= 0 {
		fn.waiting = slices.Delete(fn.waiting, i, i+1)
	}
}

// settle gives waiting requests to processes that can take them and starts a
// process when there is none.
func (fn *function) settle() {
	for len(fn.waiting) > 0 {
		in := fn.pick()
		if in == nil {
			break
		}
		w := fn.waiting[0]
		fn.waiting = fn.waiting[1:]
		w.result <- acquired{lease: in.lend()}
	}
	if len(fn.waiting) > 0 && !fn.hasCurrent() {
		fn.start()
	}
}

// refuse answers every waiting request with err.
func (fn *function) refuse(err error) {
	for _, w := range fn.waiting {
		w.result <- acquired{err: err}
	}
	fn.waiting = nil
}

// becameReady hands over to a process of the current release.
func (fn *function) becameReady(in *instance) {
	if in.generation == fn.generation {
		fn.failure = nil
		for _, old := range slices.Clone(fn.instances) {
			if old.generation < fn.generation {
				old.drain()
			}
		}
	}
	fn.settle()
}

// lost takes a process off the function that can no longer take requests.
func (fn *function) lost(in *instance) {
	if i := slices.Index(fn.instances, in); i >= 0 {
		fn.instances = slices.Delete(fn.instances, i, i+1)
	}
}

// failed records a process that ended although it was wanted. Requests that
// waited for it to start are told why; those that waited for others are not.
func (fn *function) failed(in *instance, failure *StartError) {
	if in.generation != fn.generation {
		fn.settle()
		return
	}
	fn.failure = failure
	if failure.Reason != ReasonCrashed && len(fn.instances) == 0 {
		fn.refuse(failure)
	}
	fn.settle()
}

func (fn *function) status() Status {
	return Status{
		Function: fn.name,
		Release:  fn.spec.Release.ID,
		Waiting:  len(fn.waiting),
		Requests: fn.requests,
		Failure:  fn.failure,
	}
}

// armIdle makes the process go when it has been without a request for as long as
// its limits say.
//
// The timer is not touched by requests. It looks, when it fires, how long the
// process has been idle, and waits for the rest: a request costs no timer.
func (in *instance) armIdle() {
	in.idleSince = time.Now()
	in.waitIdle(in.limits.idleTimeout)
}

func (in *instance) waitIdle(d time.Duration) {
	in.idleTimer = time.AfterFunc(d, func() {
		in.pool.mu.Lock()
		defer in.pool.mu.Unlock()
		in.idleTimer = nil
		if in.state != Ready || in.active > 0 {
			return // giving back the last lease arms it again
		}
		if rest := in.limits.idleTimeout - time.Since(in.idleSince); rest > 0 {
			in.waitIdle(rest)
			return
		}
		in.logger.Debug("process idle")
		in.drain()
	})
}
