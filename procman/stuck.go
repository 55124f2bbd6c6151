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
// It has until the request would have run into its timeout, and StuckGrace beyond:
// who gives up early, because a visitor leaves or the request has waited for a
// start, does not make the time of others shorter. While this is being found out the
// process takes no new request. A process that works needs less than a millisecond
// for it.
func (in *instance) suspect(after time.Duration) {
	in.pool.mu.Lock()
	defer in.pool.mu.Unlock()
	// A client that leaves early says nothing about the function.
	if in.state != Ready || in.suspected || after < min(in.limits.timeout/2, minSuspicion) {
		return
	}
	in.suspected = true
	grace := in.pool.config.StuckGrace + max(0, in.limits.timeout-after)
	in.pool.running.Go(func() { in.examine(grace) })
}

// minSuspicion is how long a request must have waited before its end makes the
// process suspect.
const minSuspicion = 100 * time.Millisecond

func (in *instance) examine(grace time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
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
