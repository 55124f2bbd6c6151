package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/denofn/denofn/procman"
)

// processes reads the pool when it is scraped: nothing is counted twice, and
// nothing is counted when nobody asks.
type processes struct {
	snapshot func() []procman.Status

	count, waiting, memory, cpu, starts, failures, functions *prometheus.Desc
}

// Processes returns a collector of what a pool's snapshot says of functions.
func Processes(snapshot func() []procman.Status) prometheus.Collector {
	describe := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("denofn_"+name, help, labels, nil)
	}
	return &processes{
		snapshot:  snapshot,
		functions: describe("functions", "Functions that are live and have processes."),
		count:     describe("function_processes", "Processes of a function, by state.", "function", "state"),
		waiting:   describe("function_waiting_requests", "Requests in the queue of a function.", "function"),
		memory:    describe("function_memory_bytes", "Resident memory of a function's processes, most of which they share.", "function"),
		cpu:       describe("function_cpu_seconds_total", "Processor time that a function's processes have used.", "function"),
		starts:    describe("function_process_starts_total", "Processes of a function that became ready.", "function"),
		failures:  describe("function_process_failures_total", "Processes of a function that did not become ready, or ended although they were wanted.", "function"),
	}
}

// Describe implements prometheus.Collector.
func (p *processes) Describe(descriptions chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{p.functions, p.count, p.waiting, p.memory, p.cpu, p.starts, p.failures} {
		descriptions <- d
	}
}

// Collect implements prometheus.Collector.
func (p *processes) Collect(samples chan<- prometheus.Metric) {
	all := p.snapshot()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		samples <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		samples <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	gauge(p.functions, float64(len(all)))
	for _, s := range all {
		name := string(s.Function)
		states := make(map[string]int)
		memory, cpu := int64(0), s.Totals.CPU
		for _, process := range s.Processes {
			states[process.State.String()]++
			memory += process.MemoryBytes
			cpu += process.CPU
		}
		for state, n := range states {
			gauge(p.count, float64(n), name, state)
		}
		gauge(p.waiting, float64(s.Waiting), name)
		gauge(p.memory, float64(memory), name)
		counter(p.cpu, cpu.Seconds(), name)
		counter(p.starts, float64(s.Totals.Starts), name)
		counter(p.failures, float64(s.Totals.Failures), name)
	}
}
