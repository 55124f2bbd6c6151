package procman

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// An instance is one process of a function from before its start until it has
// been reaped. A supervisor goroutine owns the process; everything else asks it
// through quit and abort. Fields below pool.mu need the pool's lock.
type instance struct {
	pool   *Pool
	spec   Spec
	limits limits
	logger *slog.Logger
	flood  *flood
	quit   chan struct{} // closed: terminate the process
	abort  chan struct{} // closed: kill it
	up     chan struct{} // closed once it is ready
	// assigned is closed when a standby process is to load the release; nil for others.
	assigned chan struct{}
	gone     chan struct{} // closed once it has ended; failure is set if that was not asked for

	answered atomic.Bool // at least one request
	leaving  atomic.Bool // it has begun to drain

	// Guarded by pool.mu.
	function   *function // nil: no function waits for it (yet)
	generation int
	state      State
	process    process // nil until it has been started
	active     int     // leases
	suspected  bool    // takes no request until it has shown that it is not stuck
	warmup     bool    // its start is one of those that the pool counts
	primes     bool    // it serves nobody, and goes when it is ready: it fills the code cache
	proved     bool    // it was a candidate, and goes unused
	requests   uint64
	started    time.Time
	readyAt    time.Time
	idleSince  time.Time
	idleTimer  *time.Timer
	drainTimer *time.Timer
	failure    *StartError
}

func (p *Pool) newInstance(spec Spec, l limits, f *flood) *instance {
	return &instance{
		pool:   p,
		spec:   spec,
		limits: l,
		logger: p.logger.With("function", spec.Release.Function, "release", spec.Release.ID),
		flood:  f,
		quit:   make(chan struct{}),
		abort:  make(chan struct{}),
		up:     make(chan struct{}),
		gone:   make(chan struct{}),
	}
}

// begin starts the process, to be in the state Starting or Standby. The pool's lock
// is held.
func (in *instance) begin(state State) {
	in.state.move(state)
	in.started = time.Now()
	in.pool.instances[in] = struct{}{}
	in.pool.running.Go(in.supervise)
}

// supervise sees the process from start to end. It holds no lock while it waits.
func (in *instance) supervise() {
	began := time.Now()
	config := &in.pool.config
	in.pool.awaitForgets(in.spec.Release.Function)
	process, err := in.pool.launcher.Launch(launch{spec: in.spec, limits: in.limits, flood: in.flood, primes: in.primes, standby: in.assigned != nil})
	if err != nil {
		in.ended(in.startError(ReasonNotStarted, exit{code: -1}, err.Error()))
		return
	}
	in.setProcess(process)
	if in.assigned != nil {
		if !in.standBy(process) {
			in.ended(in.startError(ReasonExited, process.Exit(), ""))
			return
		}
		began = time.Now()
	}

	timeout := time.NewTimer(config.StartTimeout)
	defer timeout.Stop()
	reason := ReasonExited
	select {
	case <-process.Ready():
		in.becameReady(time.Since(began))
		reason = ReasonCrashed
		select {
		case <-process.Exited():
		case <-in.quit:
			in.stop(process)
		}
	case <-process.Exited():
	case <-in.quit:
		in.stop(process)
	case <-timeout.C:
		reason = ReasonTimedOut
		process.Kill()
		<-process.Exited()
	}
	in.ended(in.startError(reason, process.Exit(), ""))
}

// standBy sees a standby process until it is assigned, and reports false if that
// does not happen before its end.
func (in *instance) standBy(process process) bool {
	timeout := time.NewTimer(in.pool.config.StartTimeout)
	defer timeout.Stop()
	standing := process.Standing()
	for {
		select {
		case <-in.assigned:
			process.Assign()
			return true
		case <-standing:
			standing = nil
			timeout.Stop()
			in.pool.mu.Lock()
			in.pool.warmedUp(in)
			in.pool.mu.Unlock()
			continue
		case <-process.Exited():
		case <-in.quit:
			in.stop(process)
		case <-timeout.C:
			process.Kill()
			<-process.Exited()
		}
		return false
	}
}

// stop ends the process: TERM, a bounded wait, KILL.
func (in *instance) stop(process process) {
	process.Terminate()
	timeout := time.NewTimer(in.pool.config.StopTimeout)
	defer timeout.Stop()
	select {
	case <-process.Exited():
		return
	case <-in.abort:
	case <-timeout.C:
		in.logger.Warn("process did not end in time, killed", "pid", process.PID())
	}
	process.Kill()
	<-process.Exited()
}

func (in *instance) setProcess(process process) {
	in.pool.mu.Lock()
	defer in.pool.mu.Unlock()
	in.process = process
}

func (in *instance) becameReady(took time.Duration) {
	in.pool.mu.Lock()
	defer in.pool.mu.Unlock()
	if in.state != Starting { // it was told to go meanwhile
		return
	}
	in.state.move(Ready)
	in.readyAt = time.Now()
	if in.function != nil {
		in.function.totals.Starts++
	}
	close(in.up)
	in.pool.warmedUp(in)
	if in.primes {
		in.drain()
		return
	}
	in.logger.Info("process ready", "pid", in.process.PID(), "took", took)
	if in.function != nil {
		in.armIdle()
		in.function.becameReady(in)
	}
}

// ended is the last that happens to an instance.
func (in *instance) ended(failure *StartError) {
	in.pool.mu.Lock()
	defer in.pool.mu.Unlock()
	delete(in.pool.instances, in)
	in.stopTimers()
	if in.function != nil && in.process != nil {
		in.function.totals.CPU += in.process.Exit().cpu
	}
	switch in.state {
	case Draining:
		in.state.move(Stopped)
		in.logger.Debug("process stopped")
		in.pool.warmedUp(in)
	case Starting, Ready, Standby:
		in.fail(failure)
	}
	in.pool.wakeStandby()
	in.pool.retire(in.spec)
	if in.proved {
		in.pool.queuePriming(in.spec)
	}
	close(in.gone)
}

// fail takes a process out of service that is of no more use, and ends it if it
// has not ended yet. The pool's lock is held.
func (in *instance) fail(failure *StartError) {
	in.state.move(Failed)
	in.stopTimers()
	in.failure = failure
	in.logger.Warn("process failed", "reason", failure.Reason, "exit_code", failure.ExitCode, "error", failure.Message)
	in.kill()
	in.pool.warmedUp(in)
	if in.function != nil {
		in.function.failed(in, failure)
	} else if fn := in.pool.functions[in.spec.Release.Function]; fn != nil && fn.standby == in {
		fn.standby, fn.standbyFailed = nil, true
	}
}

// condemn is fail for who holds a lease and has seen that the process is dead. An
// empty message stands for what its exit says.
func (in *instance) condemn(reason Reason, message string) {
	in.pool.mu.Lock()
	defer in.pool.mu.Unlock()
	if in.state != Ready {
		return
	}
	x := exit{code: -1}
	if message == "" {
		x = in.process.Exit()
	}
	in.fail(in.startError(reason, x, message))
}

// drain takes the process out of service. It goes as soon as it has no request,
// and at the latest after the drain timeout. The pool's lock is held.
func (in *instance) drain() {
	if in.state != Starting && in.state != Ready && in.state != Standby {
		return
	}
	in.state.move(Draining)
	in.leaving.Store(true)
	in.stopTimers()
	if in.function != nil {
		in.function.lost(in)
	}
	if in.active == 0 {
		close(in.quit)
		return
	}
	in.drainTimer = time.AfterFunc(max(in.pool.config.DrainTimeout, in.limits.timeout), func() {
		in.pool.mu.Lock()
		defer in.pool.mu.Unlock()
		if in.active > 0 && in.state == Draining {
			in.logger.Warn("process did not finish its requests in time", "active", in.active)
			in.kill()
		}
	})
}

// kill ends the process whatever it is doing. It must be draining or failed. The
// pool's lock is held.
func (in *instance) kill() {
	closeOnce(in.abort)
	closeOnce(in.quit)
}

// closeOnce closes c unless it is closed. The pool's lock is held.
func closeOnce(c chan struct{}) {
	select {
	case <-c:
	default:
		close(c)
	}
}

func (in *instance) stopTimers() {
	for _, t := range []*time.Timer{in.idleTimer, in.drainTimer} {
		if t != nil {
			t.Stop()
		}
	}
	in.idleTimer, in.drainTimer = nil, nil
}

// takesRequests reports whether the process can be given one more request.
func (in *instance) takesRequests() bool {
	return in.state == Ready && !in.suspected && in.active < in.limits.concurrency && !(in.limits.once && in.requests > 0)
}

// lend gives the process one more request. The pool's lock is held.
func (in *instance) lend() {
	in.active++
	in.requests++
}

// hasAnswered notes that the process is one that works.
func (in *instance) hasAnswered() {
	if !in.answered.Load() { // a write would take the line from every other core
		in.answered.Store(true)
	}
}

// giveBack ends a lease. The pool's lock is held.
func (in *instance) giveBack() {
	in.active--
	switch {
	case in.state == Draining && in.active == 0:
		closeOnce(in.quit)
	case in.state == Ready && in.limits.once:
		in.drain()
		if in.function != nil {
			in.function.settle()
		}
	case in.state == Ready:
		if in.active == 0 {
			in.idleSince = time.Now()
			if in.idleTimer == nil {
				in.waitIdle(in.limits.idleTimeout)
			}
		}
		if in.function != nil && len(in.function.waiting) > 0 {
			in.function.settle()
		}
	}
}

func (in *instance) status() ProcessStatus {
	s := ProcessStatus{
		Release:  in.spec.Release.ID,
		State:    in.state,
		Active:   in.active,
		Requests: in.requests,
		Started:  in.started,
	}
	if in.process != nil {
		s.PID, s.process = in.process.PID(), in.process
	}
	return s
}
