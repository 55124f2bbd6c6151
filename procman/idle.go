package procman

import "time"

// armIdle makes the process go when it has been without a request for as long as
// its limits say. The pool's lock is held here and below.
//
// Requests do not touch the timer. It looks, when it fires, how long the process
// has been idle, and waits for the rest.
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
		if in.isKept() {
			in.armIdle()
			return
		}
		in.logger.Debug("process idle")
		in.drain()
	})
}

// isKept reports whether the process is one of those that the function keeps even
// if it has nothing to do.
func (in *instance) isKept() bool {
	fn := in.function
	return fn != nil && in.generation == fn.generation && fn.count(Ready) <= fn.limits.minInstances
}
