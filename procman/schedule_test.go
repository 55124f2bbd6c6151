package procman_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/procman"
)

// newStage is a stage without a script, for the inside of a synctest bubble.
func newStage(t *testing.T, change func(*procman.Config)) *stage {
	c := procman.Config{}
	if change != nil {
		change(&c)
	}
	deno := &fakeDeno{free: 1 << 30, delivered: make(map[string]int), launched: make(map[denofn.FunctionName]int)}
	s := &stage{pool: procman.NewWithLauncher(c, deno), deno: deno}
	t.Cleanup(func() {
		s.pool.Shutdown(context.Background())
		for _, f := range deno.faults {
			t.Error(f)
		}
	})
	return s
}

func (s *stage) set(name denofn.FunctionName, id denofn.ReleaseID, settings denofn.Settings) {
	spec := procman.Spec{Release: &denofn.Release{Function: name, ID: id, Settings: settings}}
	s.pool.Update(procman.Update{Set: []procman.Change{{Spec: spec}}})
}

// send sends a request and returns its error.
func (s *stage) send(ctx context.Context, method string, name denofn.FunctionName, path string) error {
	lease, err := s.pool.Acquire(ctx, name)
	if err != nil {
		return err
	}
	defer lease.Release()
	r, _ := http.NewRequestWithContext(ctx, method, "http://x"+path, nil)
	_, err = lease.RoundTrip(r)
	return err
}

func (s *stage) launched(name denofn.FunctionName) int {
	s.deno.mu.Lock()
	defer s.deno.mu.Unlock()
	return s.deno.launched[name]
}

func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		s.set("a", "01bad", denofn.Settings{})
		began := time.Now()
		var starts []time.Duration
		for time.Since(began) < 2*time.Minute {
			before := s.launched("a")
			err := s.send(t.Context(), "GET", "a", "/0")
			failure, ok := errors.AsType[*procman.StartError](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			if s.launched("a") > before {
				starts = append(starts, time.Since(began).Round(50*time.Millisecond))
			} else if failure.RetryAfter <= 0 || failure.RetryAfter > 30*time.Second || len(failure.Output) == 0 {
				t.Fatalf("refused without saying why or until when: %+v", failure)
			}
			time.Sleep(10 * time.Millisecond)
		}
		if n := len(starts); n != 11 {
			t.Errorf("%d starts in two minutes of requests: %v", n, starts)
		}
		s.set("a", "02good", denofn.Settings{})
		if err := s.send(t.Context(), "GET", "a", "/0"); err != nil {
			t.Errorf("the next release inherits the backoff: %v", err)
		}
	})
}

func TestScaleOutAndIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		s.set("a", "01good", denofn.Settings{Concurrency: 2, Instances: denofn.Instances{Max: 3}})
		for range 8 {
			s.requests.Go(func() {
				if err := s.send(t.Context(), "GET", "a", "/1000"); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(500 * time.Millisecond)
		if n := len(s.deno.processes("a")); n != 3 {
			t.Errorf("%d processes for 8 requests, two at a time each, of at most 3", n)
		}
		s.requests.Wait()
		// One request at a time keeps one process, and the others become idle.
		for range 400 {
			s.send(t.Context(), "GET", "a", "/1000")
		}
		if n := len(s.deno.processes("a")); n != 1 || s.launched("a") != 3 {
			t.Errorf("%d processes for one request at a time, %d started", n, s.launched("a"))
		}
	})
}

func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, func(c *procman.Config) { c.MaxQueue = 1; c.QueueTimeout = 5 * time.Second })
		s.set("a", "01good", denofn.Settings{Concurrency: 1})
		s.requests.Go(func() { s.send(t.Context(), "GET", "a", "/60000") })
		time.Sleep(time.Second)
		began := time.Now()
		s.requests.Go(func() {
			if err := s.send(t.Context(), "GET", "a", "/0"); !errors.Is(err, procman.ErrBusy) || time.Since(began) != 5*time.Second {
				t.Errorf("the one that waits: %v after %s", err, time.Since(began))
			}
		})
		synctest.Wait()
		err := s.send(t.Context(), "GET", "a", "/0")
		busy, ok := errors.AsType[*procman.BusyError](err)
		if !ok || !errors.Is(err, procman.ErrBusy) || time.Since(began) != 0 || busy.RetryAfter <= 0 || busy.Waiting != 1 {
			t.Errorf("the one for which there is no room: %v after %s", err, time.Since(began))
		}
		s.requests.Wait()
	})
}

func TestStuckProcessIsKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, func(c *procman.Config) { c.Timeout, c.StuckGrace = 2*time.Second, time.Second })
		s.set("a", "01good", denofn.Settings{})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if err := s.send(ctx, "GET", "a", "/loop"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("stuck request: %v", err)
		}
		began := time.Now()
		if err := s.send(t.Context(), "POST", "a", "/0"); err != nil || s.launched("a") != 2 {
			t.Errorf("next request: %v, %d processes started", err, s.launched("a"))
		}
		if took := time.Since(began); took > 1100*time.Millisecond {
			t.Errorf("a fresh process took %s", took)
		}
		status := s.pool.Snapshot()[0]
		if status.State != procman.Ready || status.Failure.Reason != procman.ReasonStuck {
			t.Errorf("status %+v", status)
		}
	})
}

// Who leaves before the timeout does not make it shorter, nor does it take longer to
// find out.
func TestStuckProcessHasItsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, func(c *procman.Config) { c.Timeout, c.StuckGrace = 10*time.Second, time.Second })
		s.set("a", "01good", denofn.Settings{})
		if err := s.pool.Warm(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		s.send(ctx, "GET", "a", "/loop")
		if err := s.send(t.Context(), "POST", "a", "/0"); err != nil || s.launched("a") != 2 {
			t.Errorf("next request: %v, %d processes started", err, s.launched("a"))
		}
		if took := time.Since(began).Round(100 * time.Millisecond); took != 11*time.Second {
			t.Errorf("a fresh process after %s", took)
		}
	})
}

func TestSlowProcessIsNotStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		s.set("a", "01good", denofn.Settings{})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if err := s.send(ctx, "GET", "a", "/60000"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("slow request: %v", err)
		}
		time.Sleep(time.Minute)
		if err := s.send(t.Context(), "GET", "a", "/0"); err != nil || s.launched("a") != 1 {
			t.Errorf("next request: %v, %d processes started", err, s.launched("a"))
		}
	})
}

func TestWarmupsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, func(c *procman.Config) { c.Warmups = 2 })
		names := []denofn.FunctionName{"a", "b", "c", "d", "e", "f", "g"}
		var u procman.Update
		for _, name := range names {
			u.Set = append(u.Set, procman.Change{Spec: procman.Spec{Release: &denofn.Release{
				Function: name, ID: "01good", Settings: denofn.Settings{WarmupOnStart: true},
			}}})
		}
		s.pool.Update(u)
		for ready := 0; ready < len(names); ready = s.count(procman.Ready) {
			if n := s.count(procman.Starting); n > 2 {
				t.Fatalf("%d processes are starting", n)
			}
			time.Sleep(time.Millisecond)
		}
	})
}

func (s *stage) count(state procman.State) int {
	n := 0
	for _, status := range s.pool.Snapshot() {
		if status.State == state {
			n++
		}
	}
	return n
}

func TestDemandOvertakesWarmups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, func(c *procman.Config) { c.Warmups = 1 })
		for _, name := range []denofn.FunctionName{"a", "b", "c"} {
			s.set(name, "01slow", denofn.Settings{WarmupOnStart: true})
		}
		began := time.Now()
		if err := s.send(t.Context(), "GET", "c", "/0"); err != nil || time.Since(began) != time.Second {
			t.Errorf("took %s: %v", time.Since(began), err)
		}
	})
}

func TestKeptProcessesComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		s.set("a", "01good", denofn.Settings{Instances: denofn.Instances{Min: 2, Max: 2}})
		for range 3 {
			time.Sleep(time.Hour)
			ps := s.deno.processes("a")
			if len(ps) != 2 {
				t.Fatalf("%d processes", len(ps))
			}
			ps[0].die(1)
		}
	})
}

func TestStopVerb(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		if err := s.pool.Stop(t.Context(), "a"); !errors.Is(err, procman.ErrUnknown) {
			t.Errorf("stop of an unknown function: %v", err)
		}
		s.set("a", "01good", denofn.Settings{})
		if err := s.pool.Warm(t.Context(), "a"); err != nil || s.launched("a") != 1 {
			t.Errorf("warm: %v, %d started", err, s.launched("a"))
		}
		s.requests.Go(func() {
			if err := s.send(t.Context(), "GET", "a", "/500"); err != nil {
				t.Errorf("request in flight: %v", err)
			}
		})
		synctest.Wait()
		began := time.Now()
		if err := s.pool.Stop(t.Context(), "a"); err != nil || time.Since(began) < 500*time.Millisecond {
			t.Errorf("stop: %v after %s", err, time.Since(began))
		}
		s.requests.Wait()
		if n := len(s.deno.processes("a")); n != 0 {
			t.Errorf("%d processes after stop", n)
		}
	})
}

// What kills a process while it starts is not held against the requests that wait,
// once.
func TestKilledStartIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		s.set("a", "01good", denofn.Settings{})
		for range 3 {
			s.requests.Go(func() {
				if err := s.send(t.Context(), "POST", "a", "/0"); err != nil {
					t.Error(err)
				}
			})
			time.Sleep(5 * time.Millisecond)
			s.deno.processes("a")[0].die(-1)
			s.requests.Wait()
			s.pool.Stop(t.Context(), "a")
		}
		s.requests.Go(func() {
			failure, ok := errors.AsType[*procman.StartError](s.send(t.Context(), "GET", "a", "/0"))
			if !ok || failure.Reason != procman.ReasonExited {
				t.Errorf("killed twice: %v", failure)
			}
		})
		for range 2 {
			time.Sleep(5 * time.Millisecond)
			s.deno.processes("a")[0].die(-1)
		}
		s.requests.Wait()
	})
}
