package procman

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"golang.org/x/sys/unix"
)

// newTransport returns a client of the socket at path. It keeps every connection
// that it opens: the process is ours alone, and goes when it is idle.
func newTransport(path string) *http.Transport {
	return &http.Transport{
		DialContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, path) },
		MaxIdleConnsPerHost: 1 << 20,
		DisableCompression:  true,
	}
}

// dialPause is between attempts to connect to a process whose backlog is full.
const dialPause = time.Millisecond

// dial connects to a socket. Linux does not let a connection to a Unix socket wait
// for room in the backlog, as it does with TCP, when the caller does not block: so
// that is done here. The error is a *dialError.
func dial(ctx context.Context, path string) (net.Conn, error) {
	var dialer net.Dialer
	for {
		conn, err := dialer.DialContext(ctx, "unix", path)
		if err == nil {
			return conn, nil
		}
		if !errors.Is(err, unix.EAGAIN) {
			return nil, &dialError{err}
		}
		select {
		case <-time.After(dialPause):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
