// Package metrics shows what the daemon counts in the form of Prometheus.
//
// Parts of the daemon count for themselves and return their collectors; here is
// what brings them together, and what counts for parts that do not know of
// Prometheus: Processes reads the pool's own numbers when it is asked, and Deploys
// is told. Every name begins with denofn_, times are in seconds, sizes in bytes,
// and labels are bounded: a function is one that is live.
package metrics

import (
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Handler returns what answers a scrape with the collectors' numbers, and those of
// the Go runtime and of the daemon's own process.
func Handler(own ...prometheus.Collector) (http.Handler, error) {
	registry := prometheus.NewRegistry()
	all := append([]prometheus.Collector{
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	}, own...)
	for _, c := range all {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), nil
}
