package procman_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/micro"
	"github.com/denofn/denofn/procman"
)

// bundled is spec with the runtime that functions really have.
func (b *bench) bundled(name, id, module string, change func(*denofn.Release)) procman.Spec {
	b.Helper()
	source := b.TempDir()
	if err := os.CopyFS(source, micro.Files); err != nil {
		b.Fatal(err)
	}
	main := `import { start } from "./serve.ts"; import * as module from "./function.ts"; start(module);`
	for name, text := range map[string]string{"main.ts": main, "function.ts": module} {
		if err := os.WriteFile(filepath.Join(source, name), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	spec := b.spec(name, id, "", change)
	result := api.Build(api.BuildOptions{
		EntryPoints: []string{filepath.Join(source, "main.ts")}, Outfile: filepath.Join(spec.Dir, "main.js"),
		Bundle: true, Write: true, AllowOverwrite: true, Format: api.FormatESModule, Target: api.ESNext,
	})
	if len(result.Errors) > 0 {
		b.Fatalf("bundle: %+v", result.Errors)
	}
	return spec
}

// What a function sees is the same, however its process began; but for the start
// it does not wait.
func TestStandbyInDeno(t *testing.T) {
	b := newBench(t, func(c *procman.Config) { c.Standby, c.IdleTimeout, c.StandbyReserve = 1, 50*time.Millisecond, 1 })
	b.set(b.bundled("app", "r1", `
		const tell = (what) => { try { return String(what()); } catch (e) { return e.name; } };
		export default () => Response.json([
			import.meta.main, Deno.args, tell(() => Deno.mainModule === import.meta.url), tell(() => Deno.readTextFileSync(import.meta.filename)),
			tell(() => Deno.readTextFileSync("data/x")), Deno.env.toObject().GREETING,
		]);`, func(r *denofn.Release) {
		r.Permissions.Read.Allow = []string{"./data"}
		r.Permissions.Env.All = true
		r.Settings.Env = map[string]string{"GREETING": "hi"}
	}))
	if err := os.MkdirAll(filepath.Join(b.config.HomeDir, "app", "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.config.HomeDir, "app", "data", "x"), []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	const want = `[true,[],"true","NotCapable","kept","hi"]`
	b.mustFetch("app", "/", want)
	for range 3 {
		b.until("a process stands by", func() bool { return b.status("app").State == procman.Standby && b.status("app").Processes[0].PID != 0 })
		standby := b.status("app").Processes[0].PID
		b.mustFetch("app", "/", want)
		b.until("its process is known", func() bool {
			s := b.status("app")
			return len(s.Processes) == 1 && s.Processes[0].PID == standby || s.State == procman.Standby
		})
	}
	if err := b.pool.Stop(t.Context(), "app"); err != nil {
		t.Fatal(err)
	}
	if n := len(b.processes("app")); n != 0 {
		t.Errorf("%d processes after stop", n)
	}
}

// A standby process that has died is nothing that a request notices.
func TestDeadStandbyInDeno(t *testing.T) {
	b := newBench(t, func(c *procman.Config) { c.Standby, c.IdleTimeout, c.StandbyReserve = 1, 50*time.Millisecond, 1 })
	b.set(b.spec("app", "r1", hello, nil))
	b.mustFetch("app", "/", "hello")
	b.until("a process stands by", func() bool { return b.status("app").State == procman.Standby && b.status("app").Processes[0].PID != 0 })
	syscall.Kill(b.status("app").Processes[0].PID, syscall.SIGKILL)
	b.mustFetch("app", "/", "hello")
}

func TestStandbyFollowsUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, func(c *procman.Config) { c.Standby, c.IdleTimeout = 2, time.Minute })
		for _, name := range []denofn.FunctionName{"a", "b", "c", "d"} {
			s.set(name, "01good", denofn.Settings{})
		}
		standing := func() string {
			synctest.Wait()
			list := ""
			for _, name := range []denofn.FunctionName{"a", "b", "c", "d"} {
				if len(s.deno.standbys(name)) > 0 {
					list += string(name)
				}
			}
			return list
		}
		use := func(name denofn.FunctionName) time.Duration {
			began := time.Now()
			if err := s.send(t.Context(), "GET", name, "/0"); err != nil {
				t.Error(err)
			}
			took := time.Since(began)
			time.Sleep(2 * time.Minute)
			return took
		}
		if got := standing(); got != "" {
			t.Errorf("nothing was used, and standing by: %s", got)
		}
		for i, want := range []string{"a", "ab", "bc", "cd"} {
			use(denofn.FunctionName("abcd"[i : i+1]))
			if got := standing(); got != want {
				t.Errorf("after %d: %s, want %s", i, got, want)
			}
		}
		if took := use("c"); took != time.Millisecond {
			t.Errorf("with a standby process it took %s", took)
		}
		s.deno.mu.Lock()
		s.deno.free = 0
		s.deno.mu.Unlock()
		time.Sleep(time.Minute)
		if got := standing(); got != "" {
			t.Errorf("without memory: %s", got)
		}
		if took := use("c"); took != 10*time.Millisecond {
			t.Errorf("without a standby process it took %s", took)
		}
	})
}
