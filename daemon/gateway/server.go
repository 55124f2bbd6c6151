package gateway

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// While stopping, a connection that has not sent a request yet is given newGrace
// to send one, and one that has been answered before, idleGrace: about the way
// around the world, for what was on its way when the stop began.
const (
	newGrace  = time.Second
	idleGrace = 200 * time.Millisecond
)

// A Server answers the connections of one listener with a Gateway, and stops
// without losing one that the kernel has already accepted for it.
type Server struct {
	gateway  *Gateway
	listener net.Listener
	watch    *watch
	served   chan struct{} // closed when Serve has returned
	stopping atomic.Bool
	running  sync.WaitGroup // a goroutine for each connection

	mu        sync.Mutex
	conns     map[*conn]struct{} // guarded by mu
	byAddress map[netip.Addr]int // guarded by mu: connections of each address that is not trusted
	idle      sync.Once          // the watch is told to end
}

// NewServer returns a Server of g on l. It owns l from then on.
func NewServer(l net.Listener, g *Gateway) *Server {
	return &Server{
		gateway: g, listener: l, watch: newWatch(), served: make(chan struct{}),
		conns: make(map[*conn]struct{}), byAddress: make(map[netip.Addr]int),
	}
}

// Addr returns the address of the listener.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Serve answers requests until Shutdown, when it returns nil, or until the
// listener fails. It may be called once.
func (s *Server) Serve() error {
	defer close(s.served)
	go s.watch.run(s.all)
	for {
		nc, err := s.listener.Accept()
		if err == nil {
			s.accept(nc)
			continue
		}
		if s.stopping.Load() {
			return nil
		}
		// Descriptors run out when very many clients come at once, and come back when
		// those go: this is not a reason to stop serving.
		if isTransient(err) {
			s.gateway.config.Logger.Warn("connection not accepted", "error", err)
			time.Sleep(acceptPause)
			continue
		}
		return err
	}
}

const acceptPause = 50 * time.Millisecond

func isTransient(err error) bool {
	for _, code := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EPROTO} {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}

// accept begins to serve a connection, unless there are too many.
func (s *Server) accept(nc net.Conn) {
	c := newConn(s, nc)
	o := s.gateway.options.Load()
	if refused := s.add(c, o); refused != "" {
		s.gateway.metrics.refused.WithLabelValues(refused).Inc()
		c.refuse()
		return
	}
	s.watch.nudge()
	s.running.Go(c.serve)
}

// add takes a connection in, or says which limit is against it.
func (s *Server) add(c *conn, o *Options) (refused string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) >= o.MaxConnections {
		return limitTotal
	}
	if c.address.IsValid() && !o.trusts(c.address) {
		if s.byAddress[c.address] >= o.MaxPerAddress {
			return limitAddress
		}
		s.byAddress[c.address]++
		c.counted = true
	}
	s.conns[c] = struct{}{}
	s.gateway.metrics.connections.Inc()
	return ""
}

func (s *Server) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	s.gateway.metrics.connections.Dec()
	if c.counted {
		if s.byAddress[c.address]--; s.byAddress[c.address] == 0 {
			delete(s.byAddress, c.address)
		}
	}
}

// all appends every connection to list.
func (s *Server) all(list []*conn) []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		list = append(list, c)
	}
	return list
}

// Shutdown stops accepting, lets every request end, and returns. What has no end
// is ended: WebSockets are closed with 1001, event streams after the event that
// they are in. When ctx ends first, Shutdown closes what is left and returns ctx's
// error. Serve must have been called.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stopping.Store(true)
	s.listener.Close()
	<-s.served
	for _, c := range s.all(nil) {
		c.stop()
	}
	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = context.Cause(ctx)
		for _, c := range s.all(nil) {
			c.abort(errStopping)
			c.nc.Close()
		}
		<-done
	}
	s.idle.Do(func() { close(s.watch.quit) })
	<-s.watch.done
	return err
}
