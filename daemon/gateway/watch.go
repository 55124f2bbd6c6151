package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// tick is how often the watch looks: the precision of every timeout, and how long
// a client may have left before the function learns it.
const tick = 100 * time.Millisecond

// A watch is the one clock of all connections of a server. A timer or a deadline
// for every wait of every request would cost more than the waits are worth, so a
// connection only notes until when something must have happened, and the watch
// looks at all of them ten times a second. While there is no connection it sleeps.
//
// It never writes and never blocks: it makes the read or write that takes too long
// fail, and the goroutine of the connection does what is to be done.
type watch struct {
	now   atomic.Int64 // nanoseconds since base, as of the last tick
	base  time.Time
	dated atomic.Pointer[dated]
	wake  chan struct{} // there is a connection
	quit  chan struct{}
	done  chan struct{}

	polls []unix.PollFd // reused
	asked []*conn       // of polls
}

func newWatch() *watch {
	return &watch{base: time.Now(), wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
}

// date returns the time for a Date field.
func (w *watch) date() string {
	now := time.Unix(0, w.base.UnixNano()+w.now.Load())
	if held := w.dated.Load(); held != nil && held.second == now.Unix() {
		return held.text
	}
	text := now.UTC().Format(http.TimeFormat)
	w.dated.Store(&dated{now.Unix(), text})
	return text
}

// dated is a second as text.
type dated struct {
	second int64
	text   string
}

// after returns the time d from now, for the fields of a deadline.
func (w *watch) after(d time.Duration) int64 { return w.now.Load() + int64(d) }

// run looks until quit is closed. all returns the connections that there are.
func (w *watch) run(all func([]*conn) []*conn) {
	defer close(w.done)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	var conns []*conn
	for {
		select {
		case <-ticker.C:
		case <-w.quit:
			return
		}
		w.now.Store(int64(time.Since(w.base)))
		conns = all(conns[:0])
		if len(conns) == 0 {
			ticker.Stop()
			select {
			case <-w.wake:
			case <-w.quit:
				return
			}
			w.now.Store(int64(time.Since(w.base)))
			ticker.Reset(tick)
			continue
		}
		w.look(conns)
		clear(conns)
	}
}

// nudge ends the sleep of a watch that had no connections.
func (w *watch) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *watch) look(conns []*conn) {
	now := w.now.Load()
	w.polls, w.asked = w.polls[:0], w.asked[:0]
	for _, c := range conns {
		if c.takes.passed(now) || !c.streams.Load() && c.sends.passed(now) {
			c.nc.SetDeadline(longAgo)
		}
		if c.function.passed(now) {
			c.abort(errTimeout)
		}
		if c.endless.Load() {
			c.endIfLeaving()
		}
		if began := c.waits.Load(); began != 0 && now-began >= int64(tick) && c.fd >= 0 {
			w.polls = append(w.polls, unix.PollFd{Fd: int32(c.fd), Events: unix.POLLRDHUP})
			w.asked = append(w.asked, c)
		}
	}
	if len(w.polls) == 0 {
		return
	}
	if n, err := unix.Poll(w.polls, 0); err != nil || n == 0 {
		return
	}
	for i, p := range w.polls {
		// The number may be another connection's by now, so this is only a reason to look.
		if p.Revents != 0 && w.asked[i].hasLeft() {
			w.asked[i].abort(errClientLeft)
		}
	}
	clear(w.asked)
}

// longAgo as a deadline makes reads and writes fail at once.
var longAgo = time.Unix(1, 0)

// A deadline is the time by which something must have happened. One goroutine sets
// it, and the watch makes it pass.
type deadline struct{ at atomic.Int64 }

const (
	noDeadline = 0
	hasPassed  = -1
)

// set exchanges the deadline. It reports false if the one before has passed, which
// then also means that the connection's reads and writes fail.
func (d *deadline) set(at int64) bool {
	return d.at.Swap(at) != hasPassed
}

// clear ends the wait. It reports false if the deadline has passed.
func (d *deadline) clear() bool { return d.set(noDeadline) }

// passed makes a deadline that lies before now pass, and reports whether it did.
func (d *deadline) passed(now int64) bool {
	at := d.at.Load()
	return at > 0 && at <= now && d.at.CompareAndSwap(at, hasPassed)
}

// What ends a request before its time.
var (
	errTimeout    = errors.New("function did not answer in time")
	errClientLeft = errors.New("client left")
	errClientSlow = errors.New("client was too slow")
	errStopping   = errors.New("server is stopping")
)

// An abortable is a request that the watch or the upload can end. It is the
// context of what waits for a process, without the cost of one.
type abortable struct {
	mu       sync.Mutex
	cause    error         // guarded by mu: why it has been ended
	line     net.Conn      // guarded by mu: the connection to the process, when there is one
	lender   Lease         // guarded by mu: of an answer that has no end of its own
	answered bool          // guarded by mu: the function has begun its answer
	done     chan struct{} // guarded by mu: made when somebody asks for it
}

// begin makes a ready for a new request.
func (a *abortable) begin() {
	a.mu.Lock()
	a.cause, a.line, a.lender, a.done = nil, nil, nil, nil
	a.mu.Unlock()
}

// abort ends the request for the reason. Only the first reason counts.
func (a *abortable) abort(cause error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cause != nil {
		return
	}
	a.cause = cause
	if a.done != nil {
		close(a.done)
	}
	if a.line != nil {
		a.line.SetDeadline(longAgo)
	}
}

// attach notes the connection that abort has to end. It returns the reason if that
// has come before.
func (a *abortable) attach(up net.Conn) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.line, a.answered = up, false
	return a.cause
}

// detach is for when the connection is no more the request's.
func (a *abortable) detach() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.line = nil
	return a.cause
}

// Deadline implements context.Context.
func (a *abortable) Deadline() (time.Time, bool) { return time.Time{}, false }

// Value implements context.Context.
func (a *abortable) Value(any) any { return nil }

// Done implements context.Context. The channel is that of the present request.
func (a *abortable) Done() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.done == nil {
		a.done = make(chan struct{})
		if a.cause != nil {
			close(a.done)
		}
	}
	return a.done
}

// Err implements context.Context.
func (a *abortable) Err() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cause != nil {
		return context.Canceled
	}
	return nil
}

// reason returns why the request has been ended, or nil.
func (a *abortable) reason() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cause
}

// endIfLeaving ends an answer that has no end of its own when the server stops or
// the process is to go. The reader of the process sees its read fail, and ending.
func (c *conn) endIfLeaving() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lender == nil || c.line == nil || c.ending.Load() || !c.server.stopping.Load() && !c.lender.Leaving() {
		return
	}
	c.ending.Store(true)
	c.line.SetReadDeadline(longAgo)
}

// setEndless says whether the answer has an end of its own.
func (c *conn) setEndless(lease Lease) {
	c.mu.Lock()
	c.lender = lease
	c.mu.Unlock()
	c.endless.Store(lease != nil)
}

// hasLeft reports whether the client has closed its side.
func (c *conn) hasLeft() bool {
	left := false
	c.control(func(fd int) {
		polls := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(polls, 0)
		left = err == nil && n == 1 && polls[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
	})
	return left
}

// hasInput reports whether bytes of the client are waiting to be read.
func (c *conn) hasInput() bool {
	waiting := false
	c.control(func(fd int) {
		n, _, err := unix.Recvfrom(fd, make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
		waiting = err == nil && n == 1
	})
	return waiting
}

// control calls f with the descriptor of the client's connection, unless it is
// closed.
func (c *conn) control(f func(fd int)) {
	nc := c.nc
	if secure, ok := nc.(*tls.Conn); ok {
		nc = secure.NetConn()
	}
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			raw.Control(func(fd uintptr) { f(int(fd)) })
		}
	}
}
