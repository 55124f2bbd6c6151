package metrics_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon/gateway"
	"github.com/denofn/denofn/daemon/metrics"
	"github.com/denofn/denofn/procman"
)

// The board in contrib asks for nothing but what the daemon shows: a panel without a
// metric stays empty, and nobody is told.
func TestBoardAsksForWhatThereIs(t *testing.T) {
	g, err := gateway.New(gateway.Config{Acquire: func(context.Context, denofn.FunctionName) (gateway.Lease, error) { return nil, procman.ErrUnknown }})
	if err != nil {
		t.Fatal(err)
	}
	snapshot := func() []procman.Status {
		return []procman.Status{{Function: "hello", Processes: []procman.ProcessStatus{{State: procman.Ready}}}}
	}
	deploys := metrics.NewDeploys()
	g.Update([]gateway.Function{{Release: &denofn.Release{Function: "hello", ID: "1"}}})
	handler, err := metrics.Handler(slices.Concat(g.Metrics(), deploys.Metrics(), []prometheus.Collector{metrics.Processes(snapshot)})...)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	shown := w.Body.String()

	text, err := os.ReadFile("../../contrib/grafana/denofn.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Title  string
		Panels []struct {
			ID      int
			Title   string
			Targets []struct{ Expr string }
		}
		Templating struct {
			List []struct{ Name, Definition string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	ids := make(map[int]bool)
	name := regexp.MustCompile(`\b(denofn|process|go)_[a-z_]+`)
	asked := 0
	check := func(where, expr string) {
		for _, metric := range name.FindAllString(expr, -1) {
			asked++
			if !strings.Contains(shown, "# TYPE "+strings.TrimSuffix(metric, "_bucket")+" ") {
				t.Errorf("%s asks for %s, which there is not", where, metric)
			}
		}
	}
	for _, p := range board.Panels {
		if ids[p.ID] {
			t.Errorf("two panels have the number %d", p.ID)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			check(p.Title, target.Expr)
		}
	}
	for _, v := range board.Templating.List {
		check("variable "+v.Name, v.Definition)
	}
	if board.Title == "" || asked < 20 {
		t.Errorf("board %q asks for %d metrics", board.Title, asked)
	}
}
