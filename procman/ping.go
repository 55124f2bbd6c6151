package procman

import (
	"context"
	"errors"
	"net"
	"time"
)

// notHTTP is what no HTTP server takes for a request.
const notHTTP = "\x00\r\n\r\n"

// Ping implements process. It says something on a new connection that is not HTTP.
// Deno's HTTP server refuses it without calling the function, but it does so on
// the thread that runs JavaScript: an answer means that the thread is not in a
// loop.
func (c *child) Ping(ctx context.Context) error {
	conn, err := dial(ctx, c.places.socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := conn.Write([]byte(notHTTP)); err != nil {
		return err
	}
	// The end of the connection is an answer too: something has closed it.
	_, err = conn.Read(make([]byte, 1))
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return context.Cause(ctx)
	}
	return nil
}
