package gateway

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/denofn/denofn"
)

// metrics counts what the gateway does. Its labels are bounded: the functions that
// are live, and five classes of status.
type metrics struct {
	requests    *prometheus.CounterVec
	queue       *prometheus.HistogramVec
	start       *prometheus.HistogramVec
	handler     *prometheus.HistogramVec
	inFlight    *prometheus.GaugeVec
	coldStarts  *prometheus.CounterVec
	sent        *prometheus.CounterVec
	connections prometheus.Gauge
	refused     *prometheus.CounterVec
	nowhere     *functionMetrics // for requests that lead to no function

	mu     sync.Mutex
	byName map[denofn.FunctionName]*functionMetrics // guarded by mu
}

// functionMetrics are the metrics of one function, looked up once.
type functionMetrics struct {
	requests   [5]prometheus.Counter // by the first digit of the status
	cut        prometheus.Counter
	queue      prometheus.Observer
	start      prometheus.Observer
	handler    prometheus.Observer
	inFlight   prometheus.Gauge
	coldStarts prometheus.Counter
	sent       prometheus.Counter
}

// noFunction is the label of requests that lead to no function. It is no name that
// a function can have.
const noFunction = "_none"

// The limits that refuse a connection.
const (
	limitTotal   = "total"
	limitAddress = "address"
)

// buckets go from what a warm function needs to the default timeout, in seconds.
var buckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

func newMetrics() *metrics {
	histogram := func(name, help string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, []string{"function"})
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &metrics{
		requests:    counter("denofn_http_requests_total", "Requests answered, by function and class of status; cut: the answer did not reach its end.", "function", "status"),
		queue:       histogram("denofn_http_queue_seconds", "Time that requests waited for a process that was ready to have room."),
		start:       histogram("denofn_http_start_seconds", "Time that requests waited for a process to become ready."),
		handler:     histogram("denofn_http_handler_seconds", "Time from the request at the process to the head of its answer."),
		inFlight:    prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "denofn_http_requests_in_flight", Help: "Requests that are being answered."}, []string{"function"}),
		coldStarts:  counter("denofn_http_cold_starts_total", "Requests that waited for a process to become ready.", "function"),
		sent:        counter("denofn_http_response_bytes_total", "Bytes of the bodies of answers.", "function"),
		connections: prometheus.NewGauge(prometheus.GaugeOpts{Name: "denofn_http_connections", Help: "Connections of clients that are open."}),
		refused:     counter("denofn_http_connections_refused_total", "Connections refused, by the limit that was reached.", "limit"),
		byName:      make(map[denofn.FunctionName]*functionMetrics),
	}
	m.nowhere = m.resolve(noFunction)
	for _, limit := range []string{limitTotal, limitAddress} {
		m.refused.WithLabelValues(limit)
	}
	return m
}

// Metrics returns what the gateway counts, to be registered once.
func (g *Gateway) Metrics() []prometheus.Collector {
	m := g.metrics
	return []prometheus.Collector{m.requests, m.queue, m.start, m.handler, m.inFlight, m.coldStarts, m.sent, m.connections, m.refused}
}

func (m *metrics) resolve(function string) *functionMetrics {
	f := &functionMetrics{
		cut:        m.requests.WithLabelValues(function, "cut"),
		queue:      m.queue.WithLabelValues(function),
		start:      m.start.WithLabelValues(function),
		handler:    m.handler.WithLabelValues(function),
		inFlight:   m.inFlight.WithLabelValues(function),
		coldStarts: m.coldStarts.WithLabelValues(function),
		sent:       m.sent.WithLabelValues(function),
	}
	for i, class := range []string{"1xx", "2xx", "3xx", "4xx", "5xx"} {
		f.requests[i] = m.requests.WithLabelValues(function, class)
	}
	return f
}

// of returns the metrics of a function.
func (m *metrics) of(name denofn.FunctionName) *functionMetrics {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.byName[name]
	if f == nil {
		f = m.resolve(string(name))
		m.byName[name] = f
	}
	return f
}

// retain forgets the functions that are not live any more, so that a name which was
// used once does not stay for ever.
func (m *metrics) retain(live map[string]*target) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range m.byName {
		if live[string(name)] != nil {
			continue
		}
		delete(m.byName, name)
		labels := prometheus.Labels{"function": string(name)}
		for _, vec := range []interface{ DeletePartialMatch(prometheus.Labels) int }{m.requests, m.queue, m.start, m.handler, m.inFlight, m.coldStarts, m.sent} {
			vec.DeletePartialMatch(labels)
		}
	}
}

// observe counts an answered request.
func (f *functionMetrics) observe(r *request) {
	switch class := r.status / 100; {
	case r.cut:
		f.cut.Inc()
	case class >= 1 && class <= 5:
		f.requests[class-1].Inc()
	}
	f.sent.Add(float64(r.sent))
	if r.lease == nil {
		return
	}
	f.queue.Observe(r.waited.Queue.Seconds())
	f.start.Observe(r.waited.Start.Seconds())
	f.handler.Observe(max(0, r.latency-r.waited.Queue-r.waited.Start).Seconds())
	if r.waited.Start > 0 {
		f.coldStarts.Inc()
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
