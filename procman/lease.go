package procman

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// A Lease is the right to send one request to a process. The process stays until
// the lease is given back, for as long as a drain may take. A Lease belongs to one
// goroutine.
type Lease struct {
	in       *instance
	released bool
	waited   Wait
}

// A Wait is what a request spent until there was a process for it.
type Wait struct {
	Queue time.Duration // for one that was ready, but had no room
	Start time.Duration // for one to become ready
}

// Spec returns the release that the process runs.
func (l *Lease) Spec() Spec { return l.in.spec }

// Timeout returns the longest time that the function may take to the head of its
// response.
func (l *Lease) Timeout() time.Duration { return l.in.limits.timeout }

// Waited returns what Acquire has waited for.
func (l *Lease) Waited() Wait { return l.waited }

// Leaving reports whether the process is to go as soon as it has no request, so
// that whoever has one without an end should end it.
func (l *Lease) Leaving() bool { return l.in.leaving.Load() }

// Release gives the lease back. Only the first call does something.
func (l *Lease) Release() {
	if l.released {
		return
	}
	l.released = true
	l.in.pool.mu.Lock()
	defer l.in.pool.mu.Unlock()
	l.in.giveBack()
}

// RoundTrip implements http.RoundTripper on the process's socket. Scheme and host
// of the URL are not used to connect. The lease must be kept until the body of
// the response has been read and closed.
//
// When the process dies before it has begun to answer, the request is sent to
// another process if that cannot do anything twice: as often as it takes when it
// did not reach the process, and once when it did, provided that its method is
// idempotent and nothing of its body is gone.
//
// A request that is given up because its context ended makes the pool look
// whether the process is stuck. See instance.suspect.
func (l *Lease) RoundTrip(r *http.Request) (*http.Response, error) {
	began := time.Now()
	body := holdBody(r)
	defer body.release()
	response, err := l.send(r, body)
	if err == nil {
		l.in.hasAnswered()
		return response, nil
	}
	err = l.again(r.Context(), began, err, heldRequest{r, body}, func() (err error) {
		response, err = l.send(r, body)
		return err
	})
	return response, err
}

// again goes on after a request that began then has failed with err: it calls send
// for as long as that may help, and returns the last error.
func (l *Lease) again(ctx context.Context, began time.Time, err error, r resendable, send func() error) error {
	for moves, resends := 0, 0; err != nil && moves < maxMoves; moves++ {
		loss := l.lossOf(ctx, r, err)
		if loss == delivered {
			resends++
		}
		if loss == final || resends > maxResends {
			break
		}
		if err = l.move(ctx); err != nil {
			break
		}
		err = send()
	}
	if err == nil {
		l.in.hasAnswered()
	} else if ctx.Err() != nil {
		l.in.suspect(time.Since(began))
	}
	return err
}

const (
	maxMoves   = 5 // a function whose processes die faster than they can be reached is not to be waited for
	maxResends = 1 // a request that kills every process must not kill many
)

func (l *Lease) send(r *http.Request, body *heldBody) (*http.Response, error) {
	if body == nil {
		return l.in.process.RoundTrip(r)
	}
	held := *r
	held.Body = body
	return l.in.process.RoundTrip(&held)
}

// deathWait is how long after a broken connection the news that the process has
// died may take to arrive.
const deathWait = 500 * time.Millisecond

// A loss says what an error means for the request.
type loss int

const (
	final     loss = iota // it cannot be sent again
	unsent                // it never reached the process, which is dead
	delivered             // the process died with it, and it may be sent again
)

func (l *Lease) lossOf(ctx context.Context, r resendable, err error) loss {
	if ctx.Err() != nil || !r.Intact() {
		return final
	}
	if _, ok := errors.AsType[*dialError](err); ok {
		// As a rule it has just died, and how is about to be known.
		message := ""
		if !l.died(ctx) {
			message = "the process no longer takes connections"
		}
		l.in.condemn(ReasonCrashed, message)
		return unsent
	}
	if !r.Idempotent() {
		return final
	}
	if !l.died(ctx) {
		return final
	}
	l.in.condemn(ReasonCrashed, "")
	return delivered
}

// died waits for the news that the process has died.
func (l *Lease) died(ctx context.Context) bool {
	timer := time.NewTimer(deathWait)
	defer timer.Stop()
	select {
	case <-l.in.process.Exited():
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

func isIdempotent(method string) bool {
	switch method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}

// move exchanges the process for another one.
func (l *Lease) move(ctx context.Context) error {
	p := l.in.pool
	next, _, err := p.acquire(ctx, l.in.spec.Release.Function)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	l.in.giveBack()
	l.in = next
	return nil
}

// A dialError is the failure to connect to a process's socket.
type dialError struct{ err error }

func (e *dialError) Error() string { return e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

// A heldRequest is a request of package http and its body. It is resendable.
type heldRequest struct {
	r    *http.Request
	body *heldBody
}

func (h heldRequest) Intact() bool     { return !h.body.wasRead() }
func (h heldRequest) Idempotent() bool { return isIdempotent(h.r.Method) }

// A heldBody is a request body that stays open until it is certain that it will
// not be needed again. A nil one is of a request without a body.
type heldBody struct {
	body io.ReadCloser

	mu     sync.Mutex
	read   bool // guarded by mu
	closed bool // guarded by mu: the transport is done with it
	held   bool // guarded by mu
}

func holdBody(r *http.Request) *heldBody {
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	return &heldBody{body: r.Body, held: true}
}

func (b *heldBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	b.read = true
	b.mu.Unlock()
	return b.body.Read(p)
}

func (b *heldBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.held {
		return nil
	}
	return b.body.Close()
}

func (b *heldBody) wasRead() bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.read
}

// release lets the body be closed from now on.
func (b *heldBody) release() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held = false
	if b.closed {
		b.body.Close()
	}
}
