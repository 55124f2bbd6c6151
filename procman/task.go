package procman

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/denofn/denofn"
)

// A task is a function whose processes take one request each and go: what is left
// of a call is gone before the next one, whatever the code did. It has no network,
// and it is never warm. Everything else is as with other functions. A call is a
// POST whose body is the input and whose answer is the result, so the gateway
// sends it through a Lease like any request; createTask in micro is the other side.
// How many calls run at once is Config.Calls, and more wait in the queue.

// settleCalls starts a process for each call that has none on its way, as far as
// there is room. The pool's lock is held.
func (fn *function) settleCalls() {
	for len(fn.waiting) > fn.count(Starting) && fn.count(Starting, Ready) < fn.limits.maxInstances {
		if rest := time.Until(fn.retryAt); rest > 0 {
			if len(fn.instances) == 0 {
				fn.refuse(fn.failure.retryAfter(rest))
			}
			fn.settleIn(rest)
			return
		}
		fn.start()
	}
}

// A Call is one call of a task.
type Call struct {
	Function    denofn.FunctionName
	Input       []byte
	ContentType string // of Input; empty: bytes
	RequestID   string // what the task logs is told apart by it; may be empty
}

// A Result is what a task made of a call.
type Result struct {
	Output      []byte
	ContentType string
	Status      int // HTTP
	ExitCode    int // 0: done; 1: it threw, or refused its input; else what it gave to Deno.exit
}

// maxOutput is the longest result that Invoke holds in memory.
const maxOutput = 100 << 20

// Invoke calls a task, or any function, with a POST and waits for the result. A
// task that ends before it has answered is no error, but a Result with its exit
// code and nothing else. The errors are those of Acquire, and that of ctx. The
// call may take the function's timeout, and not longer.
func (p *Pool) Invoke(ctx context.Context, c Call) (*Result, error) {
	lease, err := p.Acquire(ctx, c.Function)
	if err != nil {
		return nil, err
	}
	defer lease.Release()
	ctx, cancel := context.WithTimeoutCause(ctx, lease.Timeout(), fmt.Errorf("%s did not answer within its timeout of %s", c.Function, lease.Timeout()))
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+string(c.Function)+"/", bytes.NewReader(c.Input))
	if err != nil {
		return nil, err
	}
	if c.ContentType != "" {
		r.Header.Set("Content-Type", c.ContentType)
	}
	if c.RequestID != "" {
		r.Header.Set("X-Request-Id", c.RequestID)
	}
	response, err := lease.RoundTrip(r)
	if err != nil {
		return lease.endOf(ctx, err)
	}
	defer response.Body.Close()
	output, err := io.ReadAll(io.LimitReader(response.Body, maxOutput+1))
	switch {
	case err != nil:
		return lease.endOf(ctx, err)
	case len(output) > maxOutput:
		return nil, fmt.Errorf("the result of %s is longer than %d bytes", c.Function, maxOutput)
	}
	result := &Result{Output: output, ContentType: response.Header.Get("Content-Type"), Status: response.StatusCode}
	if result.Status >= http.StatusBadRequest {
		result.ExitCode = 1
	}
	return result, nil
}

// endOf returns the exit code of a process that has ended instead of answering, or
// the error err when it has not.
func (l *Lease) endOf(ctx context.Context, err error) (*Result, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	timer := time.NewTimer(deathWait)
	defer timer.Stop()
	select {
	case <-l.in.process.Exited():
	case <-timer.C:
		return nil, err
	}
	x := l.in.process.Exit()
	if x.limit != "" {
		return nil, errors.New(l.in.startError(ReasonCrashed, x, "").Message)
	}
	switch {
	case x.code == 0:
		return &Result{Status: http.StatusNoContent}, nil
	case x.code < 0: // by a signal
		x.code = 1
	}
	return &Result{ExitCode: x.code, Status: http.StatusBadGateway}, nil
}
