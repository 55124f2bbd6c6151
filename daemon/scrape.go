package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/denofn/denofn/daemon/metrics"
)

// A scrapeServer shows metrics to whoever asks, at an address of its own that the
// configuration names: they tell which functions there are, which the public side
// does not.
type scrapeServer struct {
	listener net.Listener // nil: only the admin socket shows them
	http     http.Server
}

// openMetrics makes the handler of all metrics, and its own listener if the
// configuration asks for one.
func (d *Daemon) openMetrics() (http.Handler, error) {
	handler, err := metrics.Handler(slices.Concat(
		d.gateway.Metrics(),
		d.deployer.deploys.Metrics(),
		[]prometheus.Collector{metrics.Processes(d.pool.Snapshot)},
	)...)
	if err != nil || d.config.HTTP.Metrics == "" {
		return handler, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", handler)
	d.scrapes.http = http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	if d.scrapes.listener, err = net.Listen("tcp", d.config.HTTP.Metrics); err != nil {
		return nil, fmt.Errorf("http.metrics: %w", err)
	}
	return handler, nil
}

func (s *scrapeServer) serve() error {
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (s *scrapeServer) shutdown(ctx context.Context) error {
	if s.listener == nil {
		return nil
	}
	s.listener.Close() // it may never have been served
	return s.http.Shutdown(ctx)
}
