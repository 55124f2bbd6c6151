package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Deploys counts pushes and what else changes what is live. It is safe for
// concurrent use.
type Deploys struct {
	pushes    *prometheus.CounterVec
	deploys   *prometheus.CounterVec
	functions prometheus.Counter
	seconds   prometheus.Histogram
}

// Results of a push or a deploy.
const (
	resultLive    = "live"
	resultRefused = "refused"
)

// NewDeploys returns a Deploys that has counted nothing.
func NewDeploys() *Deploys {
	d := &Deploys{
		pushes:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "denofn_pushes_total", Help: "Pushes to the deploy branch, by what became of them."}, []string{"result"}),
		deploys:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "denofn_deploys_total", Help: "Deploys, by what became of them: of pushes, of rollbacks, and of what a start of the daemon caught up with."}, []string{"result"}),
		functions: prometheus.NewCounter(prometheus.CounterOpts{Name: "denofn_deployed_functions_total", Help: "Functions that deploys have set or removed."}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "denofn_deploy_seconds", Help: "Time from the beginning of a deploy until it was live.", Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}),
	}
	for _, result := range []string{resultLive, resultRefused} {
		d.pushes.WithLabelValues(result)
		d.deploys.WithLabelValues(result)
	}
	return d
}

// Live counts a deploy that went live with so many functions set or removed.
func (d *Deploys) Live(pushed bool, functions int, took time.Duration) {
	d.count(pushed, resultLive)
	d.functions.Add(float64(functions))
	d.seconds.Observe(took.Seconds())
}

// Refused counts a deploy that changed nothing.
func (d *Deploys) Refused(pushed bool) { d.count(pushed, resultRefused) }

func (d *Deploys) count(pushed bool, result string) {
	if pushed {
		d.pushes.WithLabelValues(result).Inc()
	}
	d.deploys.WithLabelValues(result).Inc()
}

// Metrics returns what is counted, to be registered once.
func (d *Deploys) Metrics() []prometheus.Collector {
	return []prometheus.Collector{d.pushes, d.deploys, d.functions, d.seconds}
}
