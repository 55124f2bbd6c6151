//go:build proof

package procman_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/procman"
)

var soakTime = flag.Duration("soak", time.Minute, "how long TestProofSoak goes on")

// soakModule does what its path says.
const soakModule = `
	serve(async (request) => {
		const path = new URL(request.url).pathname;
		if (path === "/exit") Deno.exit(1);
		if (path === "/loop") while (true);
		if (path === "/throw") setTimeout(() => { throw new Error("late"); });
		if (path === "/log") for (let i = 0; i < 2000; i++) console.log("line " + i);
		if (path === "/slow") await new Promise((r) => setTimeout(r, 100));
		return new Response("hello");
	});`

// A soak is a thousand functions with random traffic, deploys, kills and stops.
type soak struct {
	*bench
	spec    procman.Spec // of every function, but for its name and release
	version atomic.Int64
	updates sync.Mutex // one deploy at a time, as in the daemon

	asked, unanswered atomic.Int64 // of requests that ought to be answered
	harmful           atomic.Int64 // requests that were meant to do harm
	deploys, kills    atomic.Int64
}

const soakFunctions = 1000

// name picks a function: some are asked often and most now and then.
func (s *soak) name(r *rand.Rand) denofn.FunctionName {
	return denofn.FunctionName(fmt.Sprintf("f%d", int(float64(soakFunctions)*r.Float64()*r.Float64()*r.Float64())))
}

func (s *soak) release(name denofn.FunctionName, r *rand.Rand) procman.Spec {
	release := denofn.Release{Function: name, ID: denofn.ReleaseID(fmt.Sprintf("r%d", s.version.Add(1)))}
	switch r.IntN(10) {
	case 0:
		release.Settings.Handler = denofn.HandlerTask
	case 1:
		release.Settings.Concurrency, release.Settings.Instances.Max = 1, 3
	}
	return procman.Spec{Release: &release, Dir: s.spec.Dir}
}

func (s *soak) act(ctx context.Context, r *rand.Rand) {
	name := s.name(r)
	switch n := r.IntN(100); {
	case n < 80:
		s.ask(ctx, name, []string{"/", "/", "/", "/slow"}[r.IntN(4)])
	case n < 84:
		var burst sync.WaitGroup
		for range 10 {
			burst.Go(func() { s.ask(ctx, name, "/slow") })
		}
		burst.Wait()
	case n < 87:
		s.harm(ctx, name, []string{"/exit", "/throw", "/log"}[r.IntN(3)])
	case n < 88:
		s.harm(ctx, name, "/loop")
	case n < 94:
		s.updates.Lock()
		defer s.updates.Unlock()
		s.deploys.Add(1)
		spec := s.release(name, r)
		change := procman.Change{Spec: spec}
		if r.IntN(3) == 0 {
			candidate, err := s.pool.Start(ctx, spec)
			if start, ok := errors.AsType[*procman.StartError](err); ok && strings.Contains(start.Message, "signal killed") {
				return // by the next case, which takes any process there is
			}
			if err != nil && ctx.Err() == nil {
				s.Errorf("deploy %s: %v", name, err)
			}
			if err != nil {
				return
			}
			if r.IntN(4) == 0 {
				candidate.Discard()
				return
			}
			change.Candidate = candidate
		}
		s.pool.Update(procman.Update{Set: []procman.Change{change}})
	case n < 98:
		status := s.pool.Snapshot()
		for _, i := range r.Perm(len(status)) {
			if ps := status[i].Processes; len(ps) > 0 && ps[0].PID != 0 && ps[0].Active == 0 {
				s.kills.Add(1)
				syscall.Kill(ps[0].PID, syscall.SIGKILL)
				return
			}
		}
	default:
		s.pool.Stop(ctx, name)
	}
}

// ask sends a request that must be answered, whatever happens to processes.
func (s *soak) ask(ctx context.Context, name denofn.FunctionName, path string) {
	s.asked.Add(1)
	if err := s.send(ctx, string(name), path); err != nil && ctx.Err() == nil {
		s.unanswered.Add(1)
		s.Logf("%s%s: %v", name, path, err)
	}
}

func (s *soak) harm(ctx context.Context, name denofn.FunctionName, path string) {
	s.harmful.Add(1)
	ctx, cancel := context.WithTimeout(ctx, 400*time.Millisecond)
	defer cancel()
	lease, err := s.pool.Acquire(ctx, name)
	if err != nil {
		return
	}
	defer lease.Release()
	request := newRequest(ctx, string(name), path)
	request.Method = http.MethodPost // not to be repeated
	if response, err := lease.RoundTrip(request); err == nil {
		response.Body.Close()
	}
}

// resources are what must not grow.
type resources struct {
	descriptors, goroutines int
	heap                    uint64
}

func measure(t *testing.T) resources {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return resources{len(fds), runtime.NumGoroutine(), m.HeapAlloc}
}

// A thousand functions and all that happens to them in a day, in a minute: nothing
// is lost, nothing is left, and nothing grows.
func TestProofSoak(t *testing.T) {
	before := measure(t)
	b := newBench(t, func(c *procman.Config) {
		c.Logger, c.Output = nil, nil
		c.IdleTimeout, c.Timeout, c.StuckGrace, c.StopTimeout = 500*time.Millisecond, 300*time.Millisecond, time.Second, 5*time.Second
		c.Standby, c.StandbyReserve = 4, 1
	})
	s := &soak{bench: b, spec: b.spec("all", "r0", soakModule, nil)}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	var all procman.Update
	for i := range soakFunctions {
		all.Set = append(all.Set, procman.Change{Spec: s.release(denofn.FunctionName(fmt.Sprintf("f%d", i)), r)})
	}
	b.pool.Update(all)

	run := func(d time.Duration) {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		var workers sync.WaitGroup
		for i := range 8 {
			workers.Go(func() {
				r := rand.New(rand.NewPCG(seed, uint64(i+1)))
				for ctx.Err() == nil {
					s.act(ctx, r)
				}
			})
		}
		workers.Wait()
	}
	// quiet waits until all that is left are processes on standby.
	quiet := func() resources {
		b.until("it is quiet", func() bool {
			processes := 0
			for _, status := range b.pool.Snapshot() {
				for _, p := range status.Processes {
					if p.State != procman.Standby {
						processes++
					}
				}
			}
			return processes == 0
		})
		return measure(t)
	}
	run(*soakTime / 3)
	middle := quiet()
	run(*soakTime * 2 / 3)
	end := quiet()
	t.Logf("%d requests, %d not answered, %d harmful, %d deploys, %d kills", s.asked.Load(), s.unanswered.Load(), s.harmful.Load(), s.deploys.Load(), s.kills.Load())
	t.Logf("before %+v, after a third %+v, at the end %+v", before, middle, end)
	// A process may be killed twice while a request that was sent again is in it.
	if lost := s.unanswered.Load(); lost*1000 > s.asked.Load() {
		t.Errorf("%d of %d requests were not answered", lost, s.asked.Load())
	}
	if end.descriptors > middle.descriptors+40 || end.goroutines > middle.goroutines+40 {
		t.Errorf("descriptors or goroutines leak: %+v, then %+v", middle, end)
	}
	if end.heap > middle.heap*3/2+(2<<20) {
		t.Errorf("memory grows: %+v, then %+v", middle, end)
	}
	if caches, _ := filepath.Glob(filepath.Join(b.config.CacheDir, "*", "*")); len(caches) > soakFunctions {
		t.Errorf("%d code caches for %d functions", len(caches), soakFunctions)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := b.pool.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if n := len(b.processes("")); n > 0 {
		t.Errorf("%d processes are left", n)
	}
	if after := measure(t); after.descriptors > before.descriptors || after.goroutines > before.goroutines {
		t.Errorf("left behind: %+v before, %+v after", before, after)
	}
	if _, err := b.pool.Acquire(ctx, "f0"); !errors.Is(err, procman.ErrShuttingDown) {
		t.Error(err)
	}
}
