package procman_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/procman"
)

func task(r *denofn.Release) { r.Settings.Handler = denofn.HandlerTask }

func TestTaskInDeno(t *testing.T) {
	b := newBench(t, func(c *procman.Config) { c.AllowPrivateNet = true })
	b.set(b.spec("job", "r1", `
		let calls = 0;
		serve(async (request) => {
			calls++;
			const text = await request.text();
			console.log("about to do " + text);
			if (text === "exit") Deno.exit(3);
			if (text === "leave") Deno.exit(0);
			if (text === "throw") return new Response("no", { status: 500 });
			if (text === "connect") {
				try { await Deno.connect({ hostname: "127.0.0.1", port: 1 }); } catch (e) { return new Response(e.name); }
			}
			return new Response(calls + " " + text + " " + request.headers.get("content-type"));
		});`, func(r *denofn.Release) { task(r); r.Permissions.Net.All = true }))
	for _, tt := range []struct {
		input, output string
		code          int
	}{{"a", "1 a text/plain", 0}, {"b", "1 b text/plain", 0}, {"exit", "", 3}, {"leave", "", 0}, {"throw", "no", 1}, {"connect", "NotCapable", 0}} {
		got, err := b.pool.Invoke(t.Context(), procman.Call{Function: "job", Input: []byte(tt.input), ContentType: "text/plain", RequestID: "q1"})
		if err != nil || string(got.Output) != tt.output || got.ExitCode != tt.code {
			t.Errorf("%s: %+v, %v", tt.input, got, err)
		}
		b.until("its output is in the log", func() bool { return b.output.has("stdout", "about to do "+tt.input) })
	}
	b.until("no process is left", func() bool { return len(b.processes("job")) == 0 })
	if err := b.pool.Warm(t.Context(), "job"); !errors.Is(err, procman.ErrTask) {
		t.Errorf("warm: %v", err)
	}
}

func TestTaskHasItsTime(t *testing.T) {
	b := newBench(t, nil)
	b.set(b.spec("loop", "r1", `serve(() => { while (true); });`, func(r *denofn.Release) {
		task(r)
		r.Settings.Timeout.Duration = 200 * time.Millisecond
	}))
	_, err := b.pool.Invoke(t.Context(), procman.Call{Function: "loop"})
	if err == nil || !strings.Contains(err.Error(), "loop did not answer within its timeout of 200ms") {
		t.Errorf("got %v", err)
	}
	b.until("the process is gone", func() bool { return len(b.processes("loop")) == 0 })
}

// Calls run side by side up to a bound, and a burst of them needs no longer than
// it must.
func TestCallsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, func(c *procman.Config) { c.Calls = 3 })
		s.set("a", "01good", denofn.Settings{Handler: denofn.HandlerTask})
		began := time.Now()
		var calls sync.WaitGroup
		for range 9 {
			calls.Go(func() {
				if err := s.send(t.Context(), "POST", "a", "/1000"); err != nil {
					t.Error(err)
				}
			})
		}
		for range 30 {
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
			if n := len(s.deno.processes("a")); n > 3 {
				t.Fatalf("%d at once", n)
			}
		}
		calls.Wait()
		if took := time.Since(began); took > 3100*time.Millisecond || s.launched("a") != 9 {
			t.Errorf("%d processes in %s", s.launched("a"), took)
		}
	})
}

// A task that fails again and again is called again and again: the calls differ.
func TestTaskHasNoBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, nil)
		s.set("a", "01good", denofn.Settings{Handler: denofn.HandlerTask})
		for range 5 {
			s.requests.Go(func() {
				if err := s.send(t.Context(), "POST", "a", "/1000"); !errors.Is(err, errCut) {
					t.Errorf("got %v", err)
				}
			})
			time.Sleep(500 * time.Millisecond)
			s.deno.processes("a")[0].die(1)
			time.Sleep(10 * time.Millisecond)
		}
		s.requests.Wait()
	})
}
