package procman

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A Conn is a connection to the socket of a process, for those who speak HTTP on
// it themselves. Whoever has one either keeps it or closes it.
type Conn struct {
	*net.UnixConn
	home *Socket
	used bool // it has carried a request before
}

// Keep makes the connection the next one that a request is given. The response
// must have been read to its end, and nothing may be on the way in either
// direction.
func (c *Conn) Keep() {
	c.used = true
	h := c.home
	h.mu.Lock()
	if !h.closed {
		h.idle = append(h.idle, c)
		c = nil
	}
	h.mu.Unlock()
	if c != nil {
		c.Close()
	}
}

// A Socket is the HTTP server on a Unix socket, and the connections to it that no
// request uses. All that were opened are kept: the process is ours alone, and goes
// when it is idle. The one that was used last is used next. It is safe for
// concurrent use.
type Socket struct {
	path string

	mu     sync.Mutex
	idle   []*Conn // guarded by mu
	closed bool    // guarded by mu: the process is gone
}

// NewSocket returns the server at path.
func NewSocket(path string) *Socket { return &Socket{path: path} }

// take returns an idle connection, or nil.
func (h *Socket) take() *Conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := len(h.idle)
	if n == 0 {
		return nil
	}
	c := h.idle[n-1]
	h.idle[n-1] = nil
	h.idle = h.idle[:n-1]
	return c
}

// open returns a new connection. The error is a *dialError or that of ctx.
func (h *Socket) open(ctx context.Context) (*Conn, error) {
	conn, err := dial(ctx, h.path)
	if err != nil {
		return nil, err
	}
	return &Conn{UnixConn: conn.(*net.UnixConn), home: h}, nil
}

// Close closes the idle connections, and each of the others when it is kept.
func (h *Socket) Close() {
	h.mu.Lock()
	idle := h.idle
	h.idle, h.closed = nil, true
	h.mu.Unlock()
	for _, c := range idle {
		c.Close()
	}
}

// A connector is a process that gives out connections.
type connector interface {
	socket() *Socket
}

// An Exchange is a request that is sent over a Conn.
type Exchange interface {
	resendable
	// Send writes the request and reads the response as far as its head. After an
	// error the connection belongs to the lease again, and what was read of the
	// response is forgotten.
	Send(*Conn) error
}

// resendable is what has to be known of a request to send it again.
type resendable interface {
	// Intact reports whether nothing of the request's body is gone.
	Intact() bool
	// Idempotent reports whether the request may reach a process twice.
	Idempotent() bool
}

// Do is RoundTrip for those who speak HTTP themselves: it has the same rules for
// sending a request again. When it returns nil the connection belongs to the
// exchange, which must keep or close it before the lease is released.
func (l *Lease) Do(ctx context.Context, x Exchange) error {
	began := time.Now()
	err := l.attempt(ctx, x)
	if err != nil {
		return l.again(ctx, began, err, x, l.attemptLater(ctx, x))
	}
	l.in.hasAnswered()
	return nil
}

func (l *Lease) attemptLater(ctx context.Context, x Exchange) func() error {
	return func() error { return l.attempt(ctx, x) }
}

// attempt sends the request to the process that the lease is on.
func (l *Lease) attempt(ctx context.Context, x Exchange) error {
	process, ok := l.in.process.(connector)
	if !ok {
		return errors.New("process gives out no connections")
	}
	return process.socket().Do(ctx, x)
}

// Do sends a request. A connection that was idle may have been closed by the
// server meanwhile, which says nothing about the server: the request is sent on a
// new one if it has not been read, or may be read twice. The error is a *dialError
// if the server cannot be reached.
func (h *Socket) Do(ctx context.Context, x Exchange) error {
	for conn := h.take(); ; conn = nil {
		if conn == nil {
			var err error
			if conn, err = h.open(ctx); err != nil {
				return err
			}
		}
		err := x.Send(conn)
		if err == nil {
			return nil
		}
		conn.Close()
		if !conn.used || ctx.Err() != nil || !x.Intact() || !errors.Is(err, unix.EPIPE) && !x.Idempotent() {
			return err
		}
	}
}
