package procman_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/micro/denotest"
	"github.com/denofn/denofn/procman"
)

// A bench is a pool of real Denos and what a test does with it.
type bench struct {
	testing.TB
	pool   *procman.Pool
	config procman.Config
	output *recorder
}

func newBench(t testing.TB, change func(*procman.Config)) *bench {
	t.Helper()
	runtimeDir, err := os.MkdirTemp("", "pm")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(runtimeDir) })
	output := new(recorder)
	c := procman.Config{
		DenoPath:    denotest.Path(t),
		RuntimeDir:  runtimeDir,
		HomeDir:     filepath.Join(t.TempDir(), "home"),
		CacheDir:    filepath.Join(t.TempDir(), "cache"),
		StopTimeout: 10 * time.Second,
		// A machine that is busy with other tests is no failure.
		StartTimeout: time.Minute,
		QueueTimeout: time.Minute,
		Output:       output,
		Logger:       slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&c)
	}
	pool, err := procman.New(c)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{TB: t, pool: pool, config: c, output: output}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := pool.Shutdown(ctx); err != nil {
			t.Errorf("shut down: %v", err)
		}
		if n := len(b.processes("")); n > 0 {
			t.Errorf("%d processes outlive the pool", n)
		}
		left, _ := os.ReadDir(runtimeDir)
		if len(left) > 0 {
			t.Errorf("left in the runtime folder: %v", left)
		}
	})
	return b
}

// spec returns a release of the function with the module on disk.
func (b *bench) spec(name, id, module string, change func(*denofn.Release)) procman.Spec {
	b.Helper()
	runtime, err := os.ReadFile("testdata/runtime.js")
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.js"), append(runtime, module...), 0o644); err != nil {
		b.Fatal(err)
	}
	r := &denofn.Release{ID: denofn.ReleaseID(id), Function: denofn.FunctionName(name)}
	if change != nil {
		change(r)
	}
	return procman.Spec{Release: r, Dir: dir}
}

func (b *bench) set(specs ...procman.Spec) {
	var u procman.Update
	for _, s := range specs {
		u.Set = append(u.Set, procman.Change{Spec: s})
	}
	b.pool.Update(u)
}

// fetch sends a GET to the function and returns the body of the answer.
func (b *bench) fetch(name, path string) (string, error) {
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	lease, err := b.pool.Acquire(ctx, denofn.FunctionName(name))
	if err != nil {
		return "", err
	}
	defer lease.Release()
	response, err := lease.RoundTrip(newRequest(ctx, name, path))
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

func newRequest(ctx context.Context, name, path string) *http.Request {
	r, err := http.NewRequestWithContext(ctx, "GET", "http://"+name+path, nil)
	if err != nil {
		panic(err)
	}
	return r
}

func (b *bench) mustFetch(name, path, want string) {
	b.Helper()
	got, err := b.fetch(name, path)
	if err != nil {
		b.Fatalf("fetch %s%s: %v", name, path, err)
	}
	if got != want {
		b.Fatalf("fetch %s%s: %q, want %q", name, path, got, want)
	}
}

// processes returns the numbers of the running processes of a function, or of all.
func (b *bench) processes(name string) []int {
	prefix := filepath.Join(b.config.RuntimeDir, name)
	if name != "" {
		prefix += "-"
	}
	var pids []int
	paths, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range paths {
		line, _ := os.ReadFile(path)
		if slices.ContainsFunc(strings.Split(string(line), "\x00"), func(arg string) bool { return strings.HasPrefix(arg, prefix) }) {
			var pid int
			fmt.Sscanf(path, "/proc/%d/", &pid)
			pids = append(pids, pid)
		}
	}
	return pids
}

// until polls for a condition.
func (b *bench) until(what string, ok func() bool) {
	b.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatalf("never happened: %s", what)
		}
	}
}

func (b *bench) status(name string) procman.Status {
	for _, s := range b.pool.Snapshot() {
		if string(s.Function) == name {
			return s
		}
	}
	return procman.Status{}
}

// A recorder is a LogSink for tests.
type recorder struct {
	mu      sync.Mutex
	records []procman.LogRecord // guarded by mu
}

func (r *recorder) Write(record procman.LogRecord) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.records = append(r.records, record)
}

func (r *recorder) all() []procman.LogRecord {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.records)
}

func (r *recorder) has(stream, text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.records, func(l procman.LogRecord) bool { return l.Stream == stream && l.Text == text })
}

func (r *recorder) first() procman.LogRecord {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.records[0]
}

func (r *recorder) count(text string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, l := range r.records {
		if l.Text == text {
			n++
		}
	}
	return n
}

type testWriter struct{ testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	if w.Context().Err() == nil {
		w.Log(strings.TrimSpace(string(p)))
	}
	return len(p), nil
}

const hello = `serve(() => new Response("hello"));`

func TestColdRequestsShareOneStart(t *testing.T) {
	b := newBench(t, nil)
	b.set(b.spec("hello", "r1", `console.log("start"); serve(() => new Response(String(Deno.pid)));`, nil))
	if n := len(b.processes("hello")); n != 0 {
		t.Fatalf("%d processes before the first request", n)
	}
	var mu sync.Mutex
	pids := make(map[string]int)
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			body, err := b.fetch("hello", "/")
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			pids[body]++
		})
	}
	group.Wait()
	b.until("start is logged", func() bool { return b.output.count("start") > 0 })
	if len(pids) != 1 || b.output.count("start") != 1 {
		t.Errorf("answered by %v, with %d starts", pids, b.output.count("start"))
	}
	if s := b.status("hello"); s.State != procman.Ready || s.Requests != 50 || len(s.Processes) != 1 {
		t.Errorf("status %+v", s)
	}
}

func TestUnknownFunction(t *testing.T) {
	b := newBench(t, nil)
	if _, err := b.fetch("nobody", "/"); !errors.Is(err, procman.ErrUnknown) {
		t.Errorf("got %v", err)
	}
	b.set(b.spec("hello", "r1", hello, nil))
	b.mustFetch("hello", "/", "hello")
	b.pool.Update(procman.Update{Remove: []denofn.FunctionName{"hello"}})
	if _, err := b.fetch("hello", "/"); !errors.Is(err, procman.ErrUnknown) {
		t.Errorf("after removal: %v", err)
	}
	b.until("process of a removed function goes", func() bool { return len(b.processes("hello")) == 0 })
}

func TestIdleProcessGoes(t *testing.T) {
	b := newBench(t, nil)
	b.set(b.spec("brief", "r1", hello, func(r *denofn.Release) { r.Settings.IdleTimeout.Duration = 20 * time.Millisecond }))
	for range 2 {
		b.mustFetch("brief", "/", "hello")
		b.until("idle process goes", func() bool { return len(b.processes("brief")) == 0 })
		b.until("idle process is stopped", func() bool { return b.status("brief").State == procman.Stopped })
	}
}

func TestBusyProcessIsNotIdle(t *testing.T) {
	b := newBench(t, nil)
	b.set(b.spec("slow", "r1", `serve(async () => { await new Promise((r) => setTimeout(r, 300)); return new Response("done"); });`,
		func(r *denofn.Release) { r.Settings.IdleTimeout.Duration = 10 * time.Millisecond }))
	b.mustFetch("slow", "/", "done")
}

func TestWarmup(t *testing.T) {
	b := newBench(t, nil)
	b.set(b.spec("warm", "r1", hello, func(r *denofn.Release) { r.Settings.WarmupOnStart = true }))
	b.until("warm process is ready", func() bool { return b.status("warm").State == procman.Ready })
}

func TestEndIsNoticedAtOnce(t *testing.T) {
	b := newBench(t, nil)
	b.set(b.spec("mortal", "r1", `serve(() => new Response(String(Deno.pid)));`, nil))
	first, err := b.fetch("mortal", "/")
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	fmt.Sscan(first, &pid)
	syscall.Kill(pid, syscall.SIGKILL)
	b.until("end is noticed", func() bool { return b.status("mortal").State == procman.Failed })
	if f := b.status("mortal").Failure; f.Reason != procman.ReasonCrashed || !strings.Contains(f.Message, "killed") {
		t.Errorf("failure %+v", f)
	}
	second, err := b.fetch("mortal", "/")
	if err != nil || second == first {
		t.Errorf("fresh process: %q after %q, %v", second, first, err)
	}
}

func TestReplacedReleaseDrains(t *testing.T) {
	b := newBench(t, nil)
	slow := func(text string) string {
		return `serve(async (r) => {
			if (new URL(r.url).pathname === "/slow") { console.log("begun"); while (!goOn()) await new Promise((done) => setTimeout(done, 5)); }
			return new Response("` + text + `");
		});
		function goOn() { try { return Deno.statSync("data/go").isFile; } catch { return false; } }`
	}
	reads := func(r *denofn.Release) { r.Permissions.Read.Allow = []string{"./data"} }
	b.set(b.spec("app", "r1", slow("old"), reads))
	answer := make(chan string, 1)
	go func() {
		body, err := b.fetch("app", "/slow")
		answer <- fmt.Sprint(body, err)
	}()
	b.until("slow request begins", func() bool { return b.output.has("stdout", "begun") })

	next := b.spec("app", "r2", slow("new"), reads)
	candidate, err := b.pool.Start(t.Context(), next)
	if err != nil {
		t.Fatal(err)
	}
	b.pool.Update(procman.Update{Set: []procman.Change{{Spec: next, Candidate: candidate}}})
	b.mustFetch("app", "/", "new")
	if n := len(b.processes("app")); n != 2 {
		t.Errorf("%d processes while the old one drains", n)
	}
	if err := os.WriteFile(filepath.Join(b.config.HomeDir, "app", "data", "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := <-answer; got != "old<nil>" {
		t.Errorf("request in flight: %s", got)
	}
	b.until("old process goes", func() bool { return len(b.processes("app")) == 1 })
}

func TestOldServesUntilNewIsReady(t *testing.T) {
	b := newBench(t, nil)
	b.set(b.spec("app", "r1", `serve(() => new Response("old"));`, nil))
	b.mustFetch("app", "/", "old")
	gate := filepath.Join(b.config.HomeDir, "app", "data", "open")
	b.set(b.spec("app", "r2", `
		while (true) { try { Deno.statSync("data/open"); break; } catch { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5); } }
		serve(() => new Response("new"));`,
		func(r *denofn.Release) { r.Permissions.Read.Allow = []string{"./data"} }))
	for range 5 {
		b.mustFetch("app", "/", "old")
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b.until("new release serves", func() bool {
		body, err := b.fetch("app", "/")
		if err != nil {
			t.Fatal(err)
		}
		return body == "new"
	})
}

func TestCandidateOfColdFunctionIsStopped(t *testing.T) {
	b := newBench(t, nil)
	spec := b.spec("cold", "r1", hello, nil)
	candidate, err := b.pool.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	b.pool.Update(procman.Update{Set: []procman.Change{{Spec: spec, Candidate: candidate}}})
	b.until("candidate goes", func() bool { return len(b.processes("cold")) == 0 })
	b.mustFetch("cold", "/", "hello")
}

func TestStartErrors(t *testing.T) {
	b := newBench(t, func(c *procman.Config) { c.StartTimeout = time.Second })
	tests := []struct {
		name, module string
		want         procman.StartError
		output       string
	}{
		{"throws", `throw new Error("boom");`, procman.StartError{Reason: procman.ReasonExited, ExitCode: 1,
			Message: `the module ended while it was loaded: Uncaught (in promise) Error: boom`}, "error: Uncaught (in promise) Error: boom"},
		{"ends", `Deno.exit(0);`, procman.StartError{Reason: procman.ReasonExited,
			Message: "the module ended while it was loaded: exit code 0"}, ""},
		{"unusable", `control('failed {"message":"no export","hint":"export one"}'); Deno.exit(1);`, procman.StartError{
			Reason: procman.ReasonUnusable, ExitCode: 1, Message: "no export", Hint: "export one"}, ""},
		{"denied", `Deno.readTextFileSync("/etc/passwd");`, procman.StartError{Reason: procman.ReasonExited, ExitCode: 1,
			Message: `the module ended while it was loaded: Uncaught (in promise) NotCapable: Requires read access to "/etc/passwd", run again with the --allow-read flag`,
			Hint:    `grant it in registry.json: "permissions": ["--allow-read=/etc/passwd"]`}, ""},
		{"hangs", `setInterval(() => {}, 1000);`, procman.StartError{Reason: procman.ReasonTimedOut, ExitCode: -1,
			Message: "the module was not ready to serve after 1s", Hint: "do long work in the handler or without awaiting it at the top level"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			spec := b.spec(tt.name, "r1", tt.module, nil)
			_, err := b.pool.Start(t.Context(), spec)
			var got *procman.StartError
			if !errors.As(err, &got) {
				t.Fatalf("got %v", err)
			}
			if got.Function != denofn.FunctionName(tt.name) || got.Release != "r1" || got.Reason != tt.want.Reason ||
				got.ExitCode != tt.want.ExitCode || got.Message != tt.want.Message || got.Hint != tt.want.Hint {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
			if tt.output != "" && !slices.Contains(got.Output, tt.output) {
				t.Errorf("output %q", got.Output)
			}
			b.set(spec)
			if _, err := b.fetch(tt.name, "/"); !errors.As(err, &got) {
				t.Errorf("request got %v", err)
			}
		})
	}
}

func TestFailedReplacementLeavesOldServing(t *testing.T) {
	b := newBench(t, nil)
	b.set(b.spec("app", "r1", `serve(() => new Response("old"));`, nil))
	b.mustFetch("app", "/", "old")
	b.set(b.spec("app", "r2", `throw new Error("boom");`, nil))
	b.until("replacement fails", func() bool { return b.status("app").Failure != nil })
	b.mustFetch("app", "/", "old")
}

func TestOutput(t *testing.T) {
	b := newBench(t, nil)
	b.set(b.spec("talker", "r1", `
		console.log("to stdout"); console.error("to stderr\r");
		Deno.stdout.writeSync(Uint8Array.of(0x61, 0xff, 0x62, 0x0a));
		console.log("x".repeat(40000));
		serve(() => { Deno.stdout.writeSync(new TextEncoder().encode("half a line")); Deno.exit(0); });`, nil))
	b.fetch("talker", "/")
	for _, want := range [][2]string{{"stdout", "to stdout"}, {"stderr", "to stderr"}, {"stdout", "a\uFFFDb"},
		{"stdout", strings.Repeat("x", 32<<10)}, {"stdout", strings.Repeat("x", 40000-(32<<10))}, {"stdout", "half a line"}} {
		b.until(want[1][:min(20, len(want[1]))], func() bool { return b.output.has(want[0], want[1]) })
	}
	if r := b.output.first(); r.Function != "talker" || r.Release != "r1" || r.Time.IsZero() {
		t.Errorf("record %+v", r)
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("SECRET_OF_THE_DAEMON", "x")
	b := newBench(t, nil)
	b.set(b.spec("env", "r1", `serve(() => new Response(JSON.stringify([Object.entries(Deno.env.toObject()).sort(), Deno.cwd()])));`, func(r *denofn.Release) {
		r.Permissions.Env.All = true
		r.Permissions.Read.Allow = []string{"./"}
		r.Settings.Env = map[string]string{"GREETING": "hi", "HOME": "/root"}
	}))
	home := filepath.Join(b.config.HomeDir, "env")
	b.mustFetch("env", "/", fmt.Sprintf(
		`[[["DENO_DIR",%q],["DENO_NO_UPDATE_CHECK","1"],["GREETING","hi"],["HOME",%q],["NO_COLOR","1"],["PATH","/usr/bin:/bin"],["TMPDIR",%q]],%q]`,
		filepath.Join(b.config.CacheDir, "env", "r1"), home, filepath.Join(home, "tmp"), home))
}

func TestEnvironmentCannotSteerDeno(t *testing.T) {
	b := newBench(t, nil)
	for _, name := range []string{"LD_PRELOAD", "DENO_DIR", "NODE_OPTIONS", "A=B"} {
		b.set(b.spec("env", "r1", hello, func(r *denofn.Release) { r.Settings.Env = map[string]string{name: "x"} }))
		var failure *procman.StartError
		if _, err := b.fetch("env", "/"); !errors.As(err, &failure) || failure.Reason != procman.ReasonNotStarted {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestShutdownLetsRequestsEnd(t *testing.T) {
	b := newBench(t, nil)
	b.set(b.spec("slow", "r1", `serve(async () => { console.log("begun"); await new Promise((r) => setTimeout(r, 300)); return new Response("done"); });`, nil))
	answer := make(chan string, 1)
	go func() {
		body, err := b.fetch("slow", "/")
		answer <- fmt.Sprint(body, err)
	}()
	b.until("request begins", func() bool { return b.output.has("stdout", "begun") })
	if err := b.pool.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if got := <-answer; got != "done<nil>" {
		t.Errorf("request in flight: %s", got)
	}
	if _, err := b.fetch("slow", "/"); !errors.Is(err, procman.ErrShuttingDown) {
		t.Errorf("after: %v", err)
	}
}

func TestShutdownKillsWhenTimeIsUp(t *testing.T) {
	b := newBench(t, func(c *procman.Config) { c.StopTimeout = time.Hour })
	b.set(b.spec("deaf", "r1", `Deno.addSignalListener("SIGTERM", () => {}); serve(() => { console.log("begun"); return new Promise(() => {}); });`, nil))
	go b.fetch("deaf", "/")
	b.until("request begins", func() bool { return b.output.has("stdout", "begun") })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.pool.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
