package metrics_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/denofn/denofn/daemon/metrics"
	"github.com/denofn/denofn/procman"
)

func TestScrape(t *testing.T) {
	deploys := metrics.NewDeploys()
	deploys.Live(true, 3, 200*time.Millisecond)
	deploys.Live(false, 1, time.Second)
	deploys.Refused(true)
	snapshot := func() []procman.Status {
		return []procman.Status{{
			Function: "hello", Waiting: 2, Totals: procman.Totals{Starts: 4, Failures: 1, CPU: time.Second},
			Processes: []procman.ProcessStatus{
				{State: procman.Ready, MemoryBytes: 10, CPU: 500 * time.Millisecond},
				{State: procman.Ready, MemoryBytes: 20},
				{State: procman.Draining, MemoryBytes: 30},
			},
		}, {Function: "idle"}}
	}
	handler, err := metrics.Handler(append(deploys.Metrics(), metrics.Processes(snapshot))...)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	text := w.Body.String()
	for _, want := range []string{
		`denofn_pushes_total{result="live"} 1`, `denofn_pushes_total{result="refused"} 1`, `denofn_deploys_total{result="live"} 2`, `denofn_deployed_functions_total 4`, `denofn_deploy_seconds_count 2`,
		`denofn_functions 2`, `denofn_function_processes{function="hello",state="ready"} 2`, `denofn_function_processes{function="hello",state="draining"} 1`,
		`denofn_function_waiting_requests{function="hello"} 2`, `denofn_function_memory_bytes{function="hello"} 60`, `denofn_function_cpu_seconds_total{function="hello"} 1.5`,
		`denofn_function_process_starts_total{function="hello"} 4`, `denofn_function_process_failures_total{function="hello"} 1`, `denofn_function_memory_bytes{function="idle"} 0`,
		"go_goroutines", "process_resident_memory_bytes",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
	if _, err := metrics.Handler(append(deploys.Metrics(), deploys.Metrics()...)...); err == nil {
		t.Error("the same metrics twice are no error")
	}
}
