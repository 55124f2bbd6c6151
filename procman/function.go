package procman

import (
	"slices"
	"time"

	"github.com/denofn/denofn"
)

// A function is the side of a function that waits for processes: its current
// release, the processes that can take its requests, and the requests that none
// can take yet. All of its methods need the pool's lock.
//
// Whatever happens, a request, a process that is ready or has ended, a timer,
// ends in settle, the one place that decides what happens next.
type function struct {
	pool *Pool
	name denofn.FunctionName

	spec       Spec
	limits     limits
	generation int         // grows with each release
	instances  []*instance // starting and ready ones, oldest first, of any generation
	standby    *instance   // has not loaded the release yet; nil: there is none
	priming    *instance   // fills the code cache, see queuePriming; nil: none does
	waiting    []*waiter   // in order of arrival
	requests   uint64
	totals     Totals
	lastUsed   time.Time // zero: never, or not since Stop
	flood      *flood    // of all its processes

	failure       *StartError // of the process of this release that failed last
	broken        bool        // no process has been ready since
	failures      int         // in a row
	retryAt       time.Time   // no start before
	retryTimer    *time.Timer // settles at retryAt
	standbyFailed bool        // a standby process of this release has failed: no more of them
	warmQueued    bool        // in the pool's queue of warm-ups
	warm          bool        // wants a process although there are no requests, until one is ready
}

// A waiter is a request that waits for a process.
type waiter struct {
	result chan acquired // holds one, so that giving never blocks
}

type acquired struct {
	in  *instance
	err error
}

// replace makes spec the current release. A candidate is used if the function has
// a process now, or wants one.
func (fn *function) replace(spec Spec, l limits, candidate *instance) {
	fn.endPriming()
	fn.endStandby()
	fn.standbyFailed = false
	old := slices.Clone(fn.instances)
	fn.spec, fn.limits = spec, l
	fn.failure, fn.broken, fn.failures, fn.retryAt = nil, false, 0, time.Time{}
	fn.generation++
	fn.warm = !l.once && (spec.Release.Settings.WarmupOnStart || l.minInstances > 0)
	wanted := !l.once && (len(old) > 0 || len(fn.waiting) > 0 || fn.warm)
	switch {
	case candidate != nil && wanted:
		fn.adopt(candidate)
	case candidate != nil:
		candidate.proved = true
		candidate.drain()
	}
	for _, in := range old {
		if in.state == Starting || fn.count(Ready) > 0 || l.once {
			in.drain()
		}
	}
	if len(old) > 0 && fn.count(Starting, Ready) == 0 && !l.once {
		fn.start()
	}
	fn.settle()
}

// remove ends the function. Nothing finds it any more.
func (fn *function) remove(err error) {
	fn.endPriming()
	fn.endStandby()
	fn.refuse(err)
	fn.warm, fn.limits.minInstances = false, 0
	if fn.retryTimer != nil {
		fn.retryTimer.Stop()
	}
	for _, in := range slices.Clone(fn.instances) {
		in.drain()
	}
}

// adopt makes a process that was started for no function one of the current
// generation.
func (fn *function) adopt(in *instance) {
	in.function, in.generation = fn, fn.generation
	fn.instances = append(fn.instances, in)
	fn.endStandby()
	fn.warm = false
	in.armIdle()
}

// start begins to start a process of the current release.
func (fn *function) start() *instance {
	fn.endPriming()
	in := fn.assign()
	isNew := in == nil
	if isNew {
		in = fn.pool.newInstance(fn.spec, fn.limits, fn.flood)
	}
	in.function, in.generation = fn, fn.generation
	fn.instances = append(fn.instances, in)
	if isNew {
		in.begin(Starting)
	}
	return in
}

// count returns how many processes of the current release are in one of states.
func (fn *function) count(states ...State) int {
	n := 0
	for _, in := range fn.instances {
		if in.generation == fn.generation && slices.Contains(states, in.state) {
			n++
		}
	}
	return n
}

// pick returns the process that the next request should go to, or nil: the one
// with the fewest requests, and of those the oldest, so that the youngest becomes
// idle when there is less to do.
func (fn *function) pick() *instance {
	var best *instance
	for _, in := range fn.instances {
		if in.takesRequests() && (best == nil || in.active < best.active) {
			best = in
		}
	}
	return best
}

// acquire returns a process, or a waiter whose result will come.
func (fn *function) acquire() (*instance, *waiter, error) {
	fn.requests++
	fn.lastUsed = time.Now()
	if len(fn.waiting) == 0 {
		if in := fn.pick(); in != nil {
			in.lend()
			if in.generation < fn.generation { // the release was replaced, and its process failed
				fn.settle()
			}
			return in, nil, nil
		}
	}
	if len(fn.waiting) >= fn.pool.config.MaxQueue {
		return nil, nil, &BusyError{Function: fn.name, Waiting: len(fn.waiting), RetryAfter: retryAfterBusy}
	}
	w := &waiter{result: make(chan acquired, 1)}
	fn.waiting = append(fn.waiting, w)
	fn.settle()
	return nil, w, nil
}

// forget takes a waiter off the queue. It reports false if the waiter has got its
// result already.
func (fn *function) forget(w *waiter) bool {
	i := slices.Index(fn.waiting, w)
	if i >= 0 {
		fn.waiting = slices.Delete(fn.waiting, i, i+1)
	}
	return i >= 0
}

// refuse answers every waiting request with err.
func (fn *function) refuse(err error) {
	for _, w := range fn.waiting {
		w.result <- acquired{err: err}
	}
	fn.waiting = nil
}

// settle gives waiting requests to processes that can take them, and starts a
// process if there is need of one, room for it, and none on its way. One at a
// time: the requests of a burst share the first start, and only those that it
// cannot take lead to the next. The calls of a task share nothing: each that waits
// has a start of its own on the way, as far as there is room.
func (fn *function) settle() {
	if fn.pool.closing || fn.pool.functions[fn.name] != fn {
		return
	}
	for len(fn.waiting) > 0 {
		in := fn.pick()
		if in == nil {
			break
		}
		w := fn.waiting[0]
		fn.waiting = fn.waiting[1:]
		in.lend()
		w.result <- acquired{in: in}
	}
	if fn.limits.once {
		fn.settleCalls()
		return
	}
	outdated := len(fn.instances) > 0 && fn.count(Starting, Ready) == 0
	demanded := len(fn.waiting) > 0 || outdated
	kept := fn.warm || fn.count(Starting, Ready) < fn.limits.minInstances
	if !demanded && !kept || fn.count(Starting) > 0 || fn.count(Ready) >= fn.limits.maxInstances {
		return
	}
	switch rest := time.Until(fn.retryAt); {
	case rest > 0:
		if len(fn.instances) == 0 {
			fn.refuse(fn.failure.retryAfter(rest))
		}
		fn.settleIn(rest)
	case demanded:
		fn.start()
	default:
		fn.pool.queueWarmup(fn)
	}
}

// settleIn settles again when a start may be tried, if one will be wanted then
// even without a request.
func (fn *function) settleIn(d time.Duration) {
	if fn.retryTimer != nil {
		fn.retryTimer.Stop()
	}
	fn.retryTimer = time.AfterFunc(d, func() {
		fn.pool.mu.Lock()
		defer fn.pool.mu.Unlock()
		fn.settle()
	})
}

// becameReady hands over to a process of the current release.
func (fn *function) becameReady(in *instance) {
	if in.generation == fn.generation {
		fn.broken, fn.retryAt, fn.warm = false, time.Time{}, false
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
	if in.generation == fn.generation && in.answered.Load() {
		fn.failures = 0
	}
}

const (
	firstBackoff = 250 * time.Millisecond
	maxBackoff   = 30 * time.Second
)

// failed records a process that ended although it was wanted. The first failure
// costs nothing but a new start. From the second in a row on, the function gets
// no process for a while, twice as long each time: a module that throws while it
// is loaded must not keep the machine busy with starting it.
//
// Requests that waited for this process to start are told why it did not.
func (fn *function) failed(in *instance, failure *StartError) {
	fn.lost(in)
	fn.totals.Failures++
	if in.assigned != nil && !failure.WasReady && in.generation == fn.generation && !fn.standbyFailed {
		// It may have been the waiting. A process that is started now will tell.
		fn.standbyFailed = true
		fn.settle()
		return
	}
	if in.generation == fn.generation {
		fn.failures++
		// A task that ends by itself has failed at what it was called for. The next
		// call may be about something else.
		if fn.limits.once && failure.WasReady {
			fn.failures = 0
		}
		if n := fn.failures - 2; n >= 0 {
			failure.RetryAfter = min(maxBackoff, firstBackoff<<min(n, 16))
			fn.retryAt = time.Now().Add(failure.RetryAfter)
		}
		failure.Time = time.Now()
		fn.failure, fn.broken = failure, true
		// Who kills a process while it starts, the kernel for want of memory perhaps,
		// does not mean the requests: a second start is for them.
		if again := failure.killed && fn.failures == 1; !failure.WasReady && len(fn.instances) == 0 && !again {
			fn.warm = false
			fn.refuse(failure)
		}
	}
	fn.settle()
}

func (fn *function) status() Status {
	return Status{
		Function: fn.name,
		Release:  fn.spec.Release.ID,
		Waiting:  len(fn.waiting),
		Requests: fn.requests,
		Totals:   fn.totals,
		Failure:  fn.failure,
		broken:   fn.broken,
	}
}
