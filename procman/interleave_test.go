package procman_test

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/procman"
)

// An action is one thing that happens to a pool.
type action struct {
	kind     string
	function denofn.FunctionName
	wait     time.Duration // before it
	n        int
	release  string
	settings denofn.Settings
}

func (a action) String() string {
	s := a.settings
	return fmt.Sprintf("+%s %s %s n=%d %s %s warmup=%t concurrency=%d instances=%v\n",
		a.wait, a.kind, a.function, a.n, a.release, s.Handler, s.WarmupOnStart, s.Concurrency, s.Instances)
}

var actions = rapid.Custom(func(t *rapid.T) action {
	return action{
		kind: rapid.SampledFrom([]string{
			"get", "get", "get", "get", "post", "post", "burst", "burst", "impatient", "loop", "kill", "kill", "kill", "kill",
			"update", "update", "deploy", "discard", "remove", "stop", "warm", "kill standby", "memory",
		}).Draw(t, "kind"),
		function: rapid.SampledFrom([]denofn.FunctionName{"a", "b"}).Draw(t, "function"),
		wait: rapid.SampledFrom([]time.Duration{
			0, 0, time.Millisecond, 9 * time.Millisecond, 10 * time.Millisecond, 11 * time.Millisecond,
			300 * time.Millisecond, 2 * time.Second, 10 * time.Second, time.Minute,
		}).Draw(t, "wait"),
		n: rapid.SampledFrom([]int{0, 1, 5, 20, 50, 3000}).Draw(t, "n"),
		release: rapid.SampledFrom([]string{
			goodRelease, goodRelease, goodRelease, goodRelease, slowRelease, badRelease, stuckRelease, deafRelease,
		}).Draw(t, "release"),
		settings: settings.Draw(t, "settings"),
	}
})

var settings = rapid.Custom(func(t *rapid.T) denofn.Settings {
	return denofn.Settings{
		Handler:       rapid.SampledFrom([]denofn.Handler{"", "", "", denofn.HandlerTask}).Draw(t, "handler"),
		WarmupOnStart: rapid.Bool().Draw(t, "warmup"),
		Concurrency:   rapid.SampledFrom([]int{0, 1, 3}).Draw(t, "concurrency"),
		Instances: denofn.Instances{
			Min: rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "min"),
			Max: rapid.SampledFrom([]int{0, 1, 3}).Draw(t, "max"),
		},
	}
})

// Whatever happens in whatever order, the pool keeps its promises.
func TestInterleavings(t *testing.T) {
	checks := flag.Lookup("rapid.checks")
	if checks.Value.String() == checks.DefValue {
		defer checks.Value.Set(checks.DefValue)
		checks.Value.Set("2000") // they are short
	}
	rapid.Check(t, func(rt *rapid.T) {
		script := slices.Concat(
			[]action{{kind: "update", function: "a", release: goodRelease}, {kind: "update", function: "b", release: goodRelease, settings: settings.Draw(rt, "settings")}},
			rapid.SliceOfN(actions, 1, 40).Draw(rt, "script"))
		standby := rapid.IntRange(0, 2).Draw(rt, "standby")
		var faults []string
		synctest.Test(t, func(t *testing.T) { faults = play(t.Context(), standby, script) })
		if len(faults) > 0 {
			rt.Fatalf("standby %d: %v\n%v", standby, faults, script)
		}
	})
}

const mostCalls = 2

func isTask(r denofn.Release) bool { return r.Settings.Handler == denofn.HandlerTask }

// A stage plays a script on a pool with fake processes.
type stage struct {
	pool     *procman.Pool
	deno     *fakeDeno
	requests sync.WaitGroup
	number   int
	releases map[denofn.FunctionName]denofn.Release // current ones
	version  int
	standby  int
}

func play(ctx context.Context, standby int, script []action) []string {
	deno := &fakeDeno{free: 1 << 30, delivered: make(map[string]int), launched: make(map[denofn.FunctionName]int)}
	s := &stage{
		standby: standby,
		pool: procman.NewWithLauncher(procman.Config{
			IdleTimeout: 5 * time.Second, Timeout: 2 * time.Second, StartTimeout: 3 * time.Second, StopTimeout: time.Second,
			DrainTimeout: 20 * time.Second, StuckGrace: time.Second, QueueTimeout: 10 * time.Second, Warmups: 1, MaxQueue: 30, Calls: mostCalls,
			Standby: standby, StandbyReserve: 10 << 20,
		}, deno),
		deno:     deno,
		releases: make(map[denofn.FunctionName]denofn.Release),
	}
	for _, a := range script {
		time.Sleep(a.wait)
		s.act(ctx, a)
		s.check()
	}
	time.Sleep(5 * time.Minute)
	synctest.Wait()
	s.requests.Wait()
	s.checkQuiet()
	if err := s.pool.Shutdown(ctx); err != nil {
		deno.fault("shutdown: %v", err)
	}
	if n := len(deno.live); n > 0 {
		deno.fault("%d processes outlive the pool", n)
	}
	return deno.faults
}

func (s *stage) act(ctx context.Context, a action) {
	switch a.kind {
	case "get":
		s.request(ctx, "GET", a.function, fmt.Sprintf("/%d", a.n), time.Minute)
	case "post":
		s.request(ctx, "POST", a.function, fmt.Sprintf("/%d", a.n), time.Minute)
	case "impatient":
		s.request(ctx, "GET", a.function, fmt.Sprintf("/%d", a.n), time.Duration(a.n/2)*time.Millisecond)
	case "loop":
		s.request(ctx, "GET", a.function, "/loop", 2*time.Second)
	case "burst":
		s.burst(ctx, a.function, a.n)
	case "kill":
		if ps := s.deno.processes(a.function); len(ps) > 0 {
			ps[a.n%len(ps)].die(9 - 10*(a.n%2)) // by itself, or by a signal
		}
	case "kill standby":
		if ps := s.deno.standbys(a.function); len(ps) > 0 {
			ps[a.n%len(ps)].die(9)
		}
	case "memory":
		s.deno.mu.Lock()
		s.deno.free = int64(a.n) << 20
		s.deno.mu.Unlock()
	case "update":
		s.pool.Update(procman.Update{Set: []procman.Change{{Spec: s.release(a)}}})
	case "deploy", "discard":
		spec := s.release(a)
		candidate, err := s.pool.Start(ctx, spec)
		if err != nil {
			return
		}
		if a.kind == "discard" {
			candidate.Discard()
			return
		}
		time.Sleep(time.Duration(a.n) * time.Millisecond)
		s.pool.Update(procman.Update{Set: []procman.Change{{Spec: spec, Candidate: candidate}}})
		s.releases[a.function] = *spec.Release
	case "remove":
		s.pool.Update(procman.Update{Remove: []denofn.FunctionName{a.function}})
		delete(s.releases, a.function)
	case "stop":
		s.requests.Go(func() { s.pool.Stop(ctx, a.function) })
	case "warm":
		s.requests.Go(func() { s.pool.Warm(ctx, a.function) })
	}
}

// release returns a new release. Its ID starts with two characters that make it
// unique.
func (s *stage) release(a action) procman.Spec {
	s.version++
	r := denofn.Release{Function: a.function, ID: denofn.ReleaseID(fmt.Sprintf("%02d%s", s.version, a.release)), Settings: a.settings}
	if a.kind == "update" {
		s.releases[a.function] = r
	}
	return procman.Spec{Release: &r}
}

// request sends one request in a goroutine of its own.
func (s *stage) request(ctx context.Context, method string, name denofn.FunctionName, path string, patience time.Duration) {
	s.number++
	id := fmt.Sprint(s.number)
	s.requests.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		lease, err := s.pool.Acquire(ctx, name)
		if err != nil {
			s.checkRefusal(name, err)
			return
		}
		defer lease.Release()
		r, _ := http.NewRequestWithContext(ctx, method, "http://x"+path, nil)
		r.Header.Set("X-Request-Id", id)
		_, err = lease.RoundTrip(r)
		s.deno.mu.Lock()
		delivered := s.deno.delivered[id]
		s.deno.mu.Unlock()
		switch {
		case method == "POST" && delivered > 1:
			s.deno.fault("POST was delivered %d times", delivered)
		case method == "GET" && errors.Is(err, errCut) && delivered < 2 && ctx.Err() == nil:
			s.deno.fault("GET was not tried again after its process died: %v", err)
		}
	})
}

// checkRefusal holds the errors of Acquire to what it promises.
func (s *stage) checkRefusal(name denofn.FunctionName, err error) {
	_, start := errors.AsType[*procman.StartError](err)
	if !start && !errors.Is(err, procman.ErrUnknown) && !errors.Is(err, procman.ErrBusy) && !errors.Is(err, procman.ErrShuttingDown) &&
		!errors.Is(err, context.DeadlineExceeded) {
		s.deno.fault("acquire %s: %v", name, err)
	}
}

// burst sends requests at once. If the function was cold, they start one process.
func (s *stage) burst(ctx context.Context, name denofn.FunctionName, n int) {
	cold := len(s.deno.processes(name)) == 0
	s.deno.mu.Lock()
	before := s.deno.launched[name]
	s.deno.mu.Unlock()
	for range min(n, 50) {
		s.request(ctx, "GET", name, "/1", time.Minute)
	}
	synctest.Wait()
	s.deno.mu.Lock()
	started := s.deno.launched[name] - before
	s.deno.mu.Unlock()
	if cold && started > 1 && !isTask(s.releases[name]) {
		s.deno.fault("a burst of %d requests started %d processes", n, started)
	}
}

// check looks at what must hold at any time.
func (s *stage) check() {
	synctest.Wait()
	standing := 0
	defer func() {
		if standing > s.standby {
			s.deno.fault("%d processes on standby, above the limit of %d", standing, s.standby)
		}
	}()
	for _, status := range s.pool.Snapshot() {
		n := len(s.deno.standbys(status.Function))
		standing += n
		others := 0
		for _, p := range status.Processes {
			if p.State == procman.Starting || p.State == procman.Ready {
				others++
			}
		}
		if n > 1 || n > 0 && others > 0 {
			s.deno.fault("%s: %d processes on standby beside %d others", status.Function, n, others)
		}
		release, ok := s.releases[status.Function]
		if !ok {
			continue
		}
		starting, serving, outdated, idle := 0, 0, 0, 0
		for _, p := range status.Processes {
			if p.Release == release.ID && p.State == procman.Starting {
				starting++
			}
			if p.Release == release.ID && (p.State == procman.Ready || p.State == procman.Starting) {
				serving++
			}
			if p.State == procman.Ready && p.Release != release.ID {
				outdated++
			}
			if p.State == procman.Ready && !isTask(release) && (release.Settings.Concurrency == 0 || p.Active < release.Settings.Concurrency) ||
				p.State == procman.Ready && isTask(release) && p.Requests == 0 {
				idle++
			}
			if limit := release.Settings.Concurrency; limit > 0 && p.Release == release.ID && p.Active > limit {
				s.deno.fault("%s: a process has %d requests, above its concurrency of %d", status.Function, p.Active, limit)
			}
		}
		if serving > starting && outdated > 0 {
			s.deno.fault("%s: %d processes of an old release serve beside the new one", status.Function, outdated)
		}
		if status.Waiting > 0 && outdated == 0 && idle > s.deno.looping(status.Function) {
			s.deno.fault("%s: %d requests wait while %d processes could take them", status.Function, status.Waiting, idle)
		}
		if starting > 1 && !isTask(release) {
			s.deno.fault("%s: %d processes of %s are starting at once", status.Function, starting, release.ID)
		}
		limit := max(1, release.Settings.Instances.Min, release.Settings.Instances.Max)
		if isTask(release) {
			limit = cmp.Or(release.Settings.Instances.Max, mostCalls)
		}
		if serving > limit {
			s.deno.fault("%s: %d processes, above the limit of %d", status.Function, serving, limit)
		}
		if n := s.deno.primings(status.Function); n > 1 || n > 0 && serving > 0 {
			s.deno.fault("%s: %d processes fill the code cache beside %d that serve", status.Function, n, serving)
		}
		if status.Waiting > 30 {
			s.deno.fault("%s: %d requests wait", status.Function, status.Waiting)
		}
	}
}

// checkQuiet looks at what must hold when nothing has happened for a long time.
func (s *stage) checkQuiet() {
	for _, status := range s.pool.Snapshot() {
		if status.Waiting > 0 {
			s.deno.fault("%s: %d requests wait for ever", status.Function, status.Waiting)
		}
		release, ok := s.releases[status.Function]
		if !ok {
			s.deno.fault("%s is known after its removal", status.Function)
			continue
		}
		s.deno.mu.Lock()
		short := s.deno.free < 10<<20
		s.deno.mu.Unlock()
		if n := len(s.deno.standbys(status.Function)); n > 0 && short {
			s.deno.fault("%s has a process on standby without memory to spare", status.Function)
		}
		status.Processes = slices.DeleteFunc(status.Processes, func(p procman.ProcessStatus) bool { return p.State == procman.Standby })
		kept := release.Settings.Instances.Min
		if isTask(release) {
			kept = 0
		}
		ready := 0
		for _, p := range status.Processes {
			if p.Active > 0 {
				s.deno.fault("%s: a process has %d requests that are nobody's", status.Function, p.Active)
			}
			if p.State == procman.Ready && p.Release == release.ID {
				ready++
			}
		}
		switch string(release.ID)[2:] {
		case goodRelease, slowRelease, deafRelease:
			if ready != kept || len(status.Processes) != kept {
				s.deno.fault("%s: %d processes and %d ready of %s when it is quiet, want %d: %+v", status.Function, len(status.Processes), ready, release.ID, kept, status)
			}
		}
	}
}
