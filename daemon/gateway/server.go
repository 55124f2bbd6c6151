package gateway

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// silentGrace is how long, while stopping, a connection that has not sent a
// request yet is given to send one.
const silentGrace = time.Second

// A Server serves a handler on one listener and stops without losing a
// connection that the kernel has already accepted for it.
type Server struct {
	http     *http.Server
	listener net.Listener
	served   chan struct{} // closed when Serve has returned

	mu       sync.Mutex
	changed  *sync.Cond                  // on mu: busy shrank, or Shutdown's context ended
	stopping bool                        // guarded by mu
	busy     map[net.Conn]http.ConnState // guarded by mu: connections that are new or in a request
}

// NewServer returns a Server of h on l. It owns l from then on.
func NewServer(l net.Listener, h http.Handler, logger *slog.Logger) *Server {
	s := &Server{listener: l, served: make(chan struct{}), busy: make(map[net.Conn]http.ConnState)}
	s.changed = sync.NewCond(&s.mu)
	s.http = &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 15 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ConnState:         s.track,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
	return s
}

// Addr returns the address of the listener.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Serve answers requests until Shutdown, when it returns nil, or until the
// listener fails. It may be called once.
func (s *Server) Serve() error {
	defer close(s.served)
	err := s.http.Serve(s.listener)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return nil
	}
	return err
}

// Shutdown stops accepting, lets every request end, and returns. When ctx ends
// first it closes what is left and returns ctx's error. Serve must have been
// called.
//
// http.Server.Shutdown alone drops connections that were accepted but not yet
// read. So the listener goes first, and a connection counts as busy from the
// moment it is accepted.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.stopping = true
	s.mu.Unlock()
	s.listener.Close()
	<-s.served
	s.http.SetKeepAlivesEnabled(false)

	wake := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.changed.Broadcast()
	})
	defer wake()
	s.mu.Lock()
	for conn, state := range s.busy {
		if state == http.StateNew {
			conn.SetReadDeadline(time.Now().Add(silentGrace)) // net/http lifts it when a request arrives
		}
	}
	for len(s.busy) > 0 && ctx.Err() == nil {
		s.changed.Wait()
	}
	s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		s.http.Close()
		return err
	}
	return s.http.Shutdown(ctx)
}

// track keeps busy true to what net/http reports.
func (s *Server) track(conn net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case http.StateNew, http.StateActive:
		s.busy[conn] = state
	default:
		delete(s.busy, conn)
		s.changed.Broadcast()
	}
}
