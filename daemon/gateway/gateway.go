// Package gateway is the public HTTP side of denofn: it finds the function that
// a request is for, waits for a process of it, and passes the request and the
// answer through without holding either in memory.
//
// A request for /NAME/rest, or for /rest of a host that is routed to the
// function, reaches the function as /rest, byte for byte. Everything below
// /_denofn/ is the daemon's own. What a client is told of a failure is a status
// and one sentence; what happened exactly goes to the log, under the request's ID.
//
// # Reading order
//
// The gateway speaks HTTP/1.1 itself, over package http1, because net/http on
// both sides is most of what a proxied request costs. server.go accepts
// connections and stops without losing one. conn.go is the life of a connection:
// one goroutine reads a head, answers, and reads the next. route.go finds the
// function. exchange.go sends the request to a process: forward.go says with which
// fields, upload.go passes the body. answer.go passes the response back, tunnel.go
// a WebSocket. watch.go is the one clock of all connections: it ends what takes
// too long and notices clients that have left. site.go answers from static files,
// own.go is the daemon's own paths, errors.go what clients are told of failures.
package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/procman"
)

// A Lease is the right to send one request to a process of a function. It must
// be released after the body of the answer has been read. procman.Lease is one.
type Lease interface {
	// Do sends a request; see procman.Lease.Do.
	Do(ctx context.Context, x procman.Exchange) error
	Timeout() time.Duration // longest time to the head of the answer
	Waited() procman.Wait   // what the request has waited for already
	Leaving() bool          // the process is to go: what has no end should end
	Release()
}

// Config is what a Gateway needs.
type Config struct {
	// Acquire waits for a process of the function that can take a request. The
	// errors are procman's.
	Acquire func(ctx context.Context, name denofn.FunctionName) (Lease, error)
	// Invoke runs a function whose handler is a task, once. Nil: tasks are not
	// called over HTTP.
	Invoke func(ctx context.Context, call Call) (Result, error)
	// Own answers what is below /_denofn/, but for /_denofn/health, which is the
	// gateway's. It is called with GET and HEAD alone. Nil: nothing is there.
	Own     http.Handler
	Options Options
	Logger  *slog.Logger
}

// A Gateway answers requests. It is safe for concurrent use. One gateway may have
// several Servers.
type Gateway struct {
	config  Config
	options atomic.Pointer[Options]
	table   atomic.Pointer[table]
	metrics *metrics
}

// New returns a Gateway that knows no function yet.
func New(c Config) (*Gateway, error) {
	if c.Acquire == nil {
		return nil, errors.New("gateway without processes")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	g := &Gateway{config: c, metrics: newMetrics()}
	if err := g.Configure(c.Options); err != nil {
		return nil, err
	}
	g.Update(nil)
	return g, nil
}

// Configure exchanges the options. Requests that have begun keep those that they
// began with.
func (g *Gateway) Configure(o Options) error {
	if err := o.complete(); err != nil {
		return err
	}
	g.options.Store(&o)
	return nil
}
