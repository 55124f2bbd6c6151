package daemon

import (
	"context"
	"net"
	"sync/atomic"
	"time"
)

// An activity knows when somebody last came, and who is still there of those whom
// an exit would disturb. Requests need not be counted: an exit lets them end, and
// while functions run there are their processes.
type activity struct {
	last     atomic.Int64 // when a connection was accepted, Unix nanoseconds
	sessions atomic.Int64 // of SSH, open now
}

// visitors returns l with its connections noted as they come.
func (a *activity) visitors(l net.Listener) net.Listener { return &visitors{l, a} }

// residents returns l with its connections noted for as long as they are open.
func (a *activity) residents(l net.Listener) net.Listener { return &residents{l, a} }

type visitors struct {
	net.Listener
	activity *activity
}

func (l *visitors) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		l.activity.last.Store(time.Now().UnixNano())
	}
	return conn, err
}

type residents struct {
	net.Listener
	activity *activity
}

func (l *residents) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.activity.sessions.Add(1)
	return &resident{Conn: conn, activity: l.activity}, nil
}

type resident struct {
	net.Conn
	activity *activity
	gone     atomic.Bool
}

func (c *resident) Close() error {
	if !c.gone.Swap(true) {
		c.activity.last.Store(time.Now().UnixNano())
		c.activity.sessions.Add(-1)
	}
	return c.Conn.Close()
}

// Idle delivers once, when nothing has happened for the configured time: nobody has
// connected, and no function has a process. It never does when the configuration
// does not ask for it, or when there is no systemd that would start the daemon
// again.
func (d *Daemon) Idle() <-chan struct{} { return d.idle }

// watch begins to look for idleness where an exit is asked for and can be undone.
func (d *Daemon) watch() {
	ctx, cancel := context.WithCancel(context.Background())
	d.endWatch = cancel
	after := d.config.IdleExit.Duration
	if after == 0 {
		return
	}
	if len(d.options.Sockets) == 0 {
		d.options.Logger.Warn("idle_exit has no effect: no socket unit would start the daemon again")
		return
	}
	d.servers.Go(func() error {
		d.watchIdle(ctx, after)
		return nil
	})
}

// watchIdle returns when the daemon is idle or ctx ends.
func (d *Daemon) watchIdle(ctx context.Context, after time.Duration) {
	ticker := time.NewTicker(max(after/4, time.Millisecond))
	defer ticker.Stop()
	busy := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			if last := time.Unix(0, d.activity.last.Load()); last.After(busy) {
				busy = last
			}
			if d.activity.sessions.Load() > 0 || d.processes() > 0 {
				busy = now
			}
			if now.Sub(busy) >= after {
				close(d.idle)
				return
			}
		}
	}
}

// processes returns how many processes functions have.
func (d *Daemon) processes() int {
	n := 0
	for _, s := range d.pool.Snapshot() {
		n += len(s.Processes)
	}
	return n
}
