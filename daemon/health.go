package daemon

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Check sends the daemon a request through its HTTP side and looks whether the
// locks of the pool can be had: what a request of anybody's would need. It returns
// nil when both work before ctx ends.
//
// The request comes over a pair of connected sockets that the server takes for one
// it has accepted. So it needs what all connections need, descriptors included, and
// no packet filter or changed address can be in its way: those are no reason to
// restart a daemon.
func (d *Daemon) Check(ctx context.Context) error {
	if err := d.loop.ask(ctx); err != nil {
		return fmt.Errorf("request to itself: %w", err)
	}
	looked := make(chan struct{})
	go func() { // it does not outlive a pool that works
		d.pool.Snapshot()
		close(looked)
	}()
	select {
	case <-looked:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("look at the pool: %w", ctx.Err())
	}
}

// A loop is a listener that only the daemon itself can connect to.
type loop struct {
	conns  chan net.Conn
	closed chan struct{}
	close  sync.Once
}

func newLoop() *loop {
	return &loop{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// Accept implements net.Listener.
func (l *loop) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *loop) Close() error {
	l.close.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *loop) Addr() net.Addr { return &net.UnixAddr{Name: "health", Net: "unix"} }

// dial connects to whoever accepts.
func (l *loop) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs, err := connectedPair()
	if err != nil {
		return nil, err
	}
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.closed:
		err = net.ErrClosed
	case <-ctx.Done():
		err = ctx.Err()
	}
	ours.Close()
	theirs.Close()
	return nil, err
}

func connectedPair() (a, b net.Conn, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make pair of sockets: %w", err)
	}
	first, second := os.NewFile(uintptr(fds[0]), "health"), os.NewFile(uintptr(fds[1]), "health")
	defer first.Close()
	defer second.Close()
	if a, err = net.FileConn(first); err != nil {
		return nil, nil, err
	}
	if b, err = net.FileConn(second); err != nil {
		a.Close()
		return nil, nil, err
	}
	return a, b, nil
}

func (l *loop) ask(ctx context.Context) error {
	client := http.Client{Transport: &http.Transport{DialContext: l.dial, DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/_denofn/health", nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("answered with %s", response.Status)
	}
	return nil
}
