package procman

import (
	"net/http"
	"time"
)

// A Lease is the right to send one request to a process. The process stays until
// the lease is given back, for as long as a drain may take.
type Lease struct {
	in       *instance
	released bool // guarded by in.pool.mu
}

// Spec returns the release that the process runs.
func (l *Lease) Spec() Spec { return l.in.spec }

// Timeout returns the longest time that the function may take to the head of its
// response.
func (l *Lease) Timeout() time.Duration { return l.in.limits.timeout }

// RoundTrip implements http.RoundTripper on the process's socket. Scheme and host
// of the URL are not used to connect. The lease must be kept until the body of
// the response has been read and closed.
func (l *Lease) RoundTrip(r *http.Request) (*http.Response, error) {
	return l.in.process.RoundTrip(r)
}

// Release gives the lease back. Only the first call does something.
func (l *Lease) Release() {
	l.in.pool.mu.Lock()
	defer l.in.pool.mu.Unlock()
	if !l.released {
		l.released = true
		l.in.giveBack()
	}
}
