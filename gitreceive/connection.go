package gitreceive

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

// maxSessions is how many commands one connection runs at once.
const maxSessions = 10

// A connection is one client's. It logs in within the login time, and from then
// on gives a sign of life at least every idle time.
type connection struct {
	server   *Server
	address  string
	conn     *deadlineConn
	sessions atomic.Int32
}

func newConnection(s *Server, conn net.Conn, address string) *connection {
	return &connection{server: s, address: address, conn: &deadlineConn{Conn: conn}}
}

// serve runs the connection until it ends.
func (c *connection) serve() {
	defer c.conn.Close()
	limits := &c.server.config.Limits
	logger := c.server.config.Logger.With("address", c.address)
	c.conn.SetDeadline(time.Now().Add(limits.LoginTime))
	conn, channels, requests, err := ssh.NewServerConn(c.conn, c.server.ssh)
	if err != nil {
		logger.Debug("no login", "error", err)
		return
	}
	c.conn.startIdle(limits.IdleTime)
	key := conn.Permissions.ExtraData[keyOf{}].(Key)
	logger = logger.With("key", key.Fingerprint, "name", key.Name)

	var workers sync.WaitGroup
	defer workers.Wait()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	workers.Go(func() { ssh.DiscardRequests(requests) })
	workers.Go(func() { c.keepAlive(ctx, conn) })
	for channel := range channels {
		switch {
		case channel.ChannelType() != "session":
			channel.Reject(ssh.Prohibited, "denofn forwards nothing")
		case c.sessions.Load() >= maxSessions:
			channel.Reject(ssh.ResourceShortage, "too many sessions on one connection")
		default:
			c.sessions.Add(1)
			workers.Go(func() {
				defer c.sessions.Add(-1)
				c.session(ctx, channel, key, logger)
			})
		}
	}
}

// keepAlive asks for a sign of life often enough that a client that is there is
// never taken for gone, and lets go of those who do nothing.
func (c *connection) keepAlive(ctx context.Context, conn *ssh.ServerConn) {
	idle := c.server.config.Limits.IdleTime
	ticker := time.NewTicker(idle / 3)
	defer ticker.Stop()
	for quiet := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if c.sessions.Load() > 0 {
			quiet = 0
		} else if quiet++; quiet > 3 {
			conn.Close()
			return
		}
		// The answer comes in through the reader, which moves the deadline. It may
		// say no, which is as good.
		if _, _, err := conn.SendRequest("keepalive@openssh.com", true, nil); err != nil {
			return
		}
	}
}

// A deadlineConn gives up on a peer that neither sends nor takes anything.
type deadlineConn struct {
	net.Conn
	idle atomic.Int64 // time.Duration; 0: the deadlines that were set stand
}

func (d *deadlineConn) startIdle(idle time.Duration) {
	d.Conn.SetDeadline(time.Time{})
	d.idle.Store(int64(idle))
	d.Conn.SetReadDeadline(time.Now().Add(idle)) // of the read that is waiting already
}

func (d *deadlineConn) Read(p []byte) (int, error) {
	if idle := d.idle.Load(); idle > 0 {
		d.Conn.SetReadDeadline(time.Now().Add(time.Duration(idle)))
	}
	return d.Conn.Read(p)
}

func (d *deadlineConn) Write(p []byte) (int, error) {
	if idle := d.idle.Load(); idle > 0 {
		d.Conn.SetWriteDeadline(time.Now().Add(time.Duration(idle)))
	}
	return d.Conn.Write(p)
}
