package procman

import (
	"context"
	"fmt"
	"time"
)

// suspect looks whether the process still does anything, after a request to it
// was given up. A function that awaits something slow is fine: other requests get
// through. One that is in a loop answers nobody, and never will: it is killed.
//
// While this is being found out the process takes no new request. A process that
// works needs less than a millisecond for it.
func (in *instance) suspect(after time.Duration) {
	in.pool.mu.Lock()
	defer in.pool.mu.Unlock()
	// A client that leaves early says nothing about the function.
	if in.state != Ready || in.suspected || after < min(in.limits.timeout, minSuspicion) {
		return
	}
	in.suspected = true
	in.pool.running.Go(in.examine)
}

// minSuspicion is how long a request must have waited before its end makes the
// process suspect.
const minSuspicion = time.Second

func (in *instance) examine() {
	ctx, cancel := context.WithTimeout(context.Background(), in.pool.config.StuckGrace)
	defer cancel()
	err := in.process.Ping(ctx)

	in.pool.mu.Lock()
	defer in.pool.mu.Unlock()
	in.suspected = false
	if in.state != Ready {
		return
	}
	if err != nil && ctx.Err() == context.DeadlineExceeded {
		in.fail(in.startError(ReasonStuck, exit{code: -1}, fmt.Sprintf(
			"the function was stuck: it did not answer within its timeout of %s, and took no other request", in.limits.timeout)))
		return
	}
	if in.function != nil {
		in.function.settle()
	}
}
