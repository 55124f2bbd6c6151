package procman_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/procman"
)

func TestMemoryLimitIsTold(t *testing.T) {
	b := newBench(t, nil)
	b.set(b.spec("hog", "r1", `serve(() => { const a = []; while (true) a.push(new Array(1e5).fill(Math.random())); });`,
		func(r *denofn.Release) { r.Settings.Memory = 64 << 20 }))
	if _, err := b.fetch("hog", "/"); err == nil {
		t.Fatal("answered")
	}
	b.until("the limit is told", func() bool {
		f := b.status("hog").Failure
		return f != nil && f.Reason == procman.ReasonLimit && f.Message == "hog was killed: memory limit 64M"
	})
}

func TestDiskLimitIsTold(t *testing.T) {
	b := newBench(t, func(c *procman.Config) { c.Disk = 4 << 20 })
	spec := b.spec("hoarder", "r1", `
		serve(async (r) => {
			if (new URL(r.url).pathname === "/remove") { for (const f of Deno.readDirSync("data")) Deno.removeSync("data/" + f.name); return new Response("removed"); }
			for (let i = 0; ; i++) { Deno.writeFileSync("data/" + i, new Uint8Array(1 << 20)); await new Promise((r) => setTimeout(r, 1)); }
		});`, func(r *denofn.Release) {
		r.Permissions.Read.Allow = []string{"./data"}
		r.Permissions.Write.Allow = []string{"./data"}
	})
	b.set(spec)
	b.fetch("hoarder", "/")
	b.until("the limit is told", func() bool {
		f := b.status("hoarder").Failure
		return f != nil && f.Reason == procman.ReasonLimit && f.Message == "hoarder was killed: disk limit 4M"
	})
	b.until("it is started to remove", func() bool {
		body, _ := b.fetch("hoarder", "/remove")
		return body == "removed"
	})
}

// The processes of a deploy fill the code cache of a release, and no other can
// change it.
func TestCodeCacheIsReadOnlyOnceFilled(t *testing.T) {
	b := newBench(t, nil)
	spec := b.spec("cached", "r1", hello, nil)
	candidate, err := b.pool.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	b.pool.Update(procman.Update{Set: []procman.Change{{Spec: spec, Candidate: candidate}}})
	dir := filepath.Join(b.config.CacheDir, "cached", "r1")
	b.until("the cache is marked", func() bool {
		_, err := os.Stat(filepath.Join(dir, ".filled"))
		return err == nil
	})
	filled := contents(t, dir)
	b.mustFetch("cached", "/", "hello")
	if err := b.pool.Stop(t.Context(), "cached"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(filled, contents(t, dir)); diff != "" {
		t.Errorf("a later process wrote to the cache: (-before +after)\n%s", diff)
	}
	if len(filled) < 3 {
		t.Errorf("nothing was cached: %v", filled)
	}
}

// contents returns the files of a folder with a hash of each.
func contents(t *testing.T, dir string) map[string]string {
	files := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		files[path] = fmt.Sprintf("%x", sha256.Sum256(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestCacheGoesWithItsRelease(t *testing.T) {
	b := newBench(t, nil)
	caches := func() []string {
		list, _ := filepath.Glob(filepath.Join(b.config.CacheDir, "app", "*"))
		for i := range list {
			list[i] = filepath.Base(list[i])
		}
		return list
	}
	b.set(b.spec("app", "r1", hello, nil))
	b.mustFetch("app", "/", "hello")
	b.set(b.spec("app", "r2", hello, nil))
	b.until("only the cache of the new release is left", func() bool { return strings.Join(caches(), " ") == "r2" })
	b.pool.Update(procman.Update{Remove: []denofn.FunctionName{"app"}})
	b.until("none is left", func() bool {
		_, err := os.Stat(filepath.Join(b.config.CacheDir, "app"))
		return errors.Is(err, os.ErrNotExist)
	})
}

func TestLoopIsKilledInDeno(t *testing.T) {
	b := newBench(t, func(c *procman.Config) { c.Timeout = 200 * time.Millisecond; c.StuckGrace = 300 * time.Millisecond })
	b.set(b.spec("loop", "r1", `serve((r) => { if (new URL(r.url).pathname === "/loop") while (true); return new Response("hello"); });`, nil))
	b.mustFetch("loop", "/", "hello")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := b.send(ctx, "loop", "/loop"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("stuck request: %v", err)
	}
	b.mustFetch("loop", "/", "hello")
	if s := b.status("loop"); len(s.Processes) == 0 || s.Processes[0].Requests != 1 {
		t.Errorf("not a fresh process: %+v", s)
	}
}

func TestSlowFunctionIsNotKilledInDeno(t *testing.T) {
	b := newBench(t, func(c *procman.Config) { c.Timeout = 100 * time.Millisecond; c.StuckGrace = 10 * time.Second })
	b.set(b.spec("slow", "r1", `serve((r) => new URL(r.url).pathname === "/slow" ? new Promise(() => {}) : new Response(String(Deno.pid)));`, nil))
	before, err := b.fetch("slow", "/")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	b.send(ctx, "slow", "/slow")
	b.mustFetch("slow", "/", before)
}

// send sends a GET under a context of its own.
func (b *bench) send(ctx context.Context, name, path string) error {
	lease, err := b.pool.Acquire(ctx, denofn.FunctionName(name))
	if err != nil {
		return err
	}
	defer lease.Release()
	response, err := lease.RoundTrip(newRequest(ctx, name, path))
	if err == nil {
		response.Body.Close()
	}
	return err
}

// More connections at once than the socket's backlog has room for.
func TestManyRequestsAtOnce(t *testing.T) {
	b := newBench(t, nil)
	b.set(b.spec("busy", "r1", `serve(async () => { await new Promise((r) => setTimeout(r, 20)); return new Response("hello"); });`, nil))
	var group sync.WaitGroup
	for range 800 {
		group.Go(func() {
			if body, err := b.fetch("busy", "/"); err != nil || body != "hello" {
				t.Errorf("%q, %v", body, err)
			}
		})
	}
	group.Wait()
	if s := b.status("busy"); len(s.Processes) != 1 || s.Failure != nil {
		t.Errorf("status %+v", s)
	}
}

// A request whose process dies is answered by the next one.
func TestRetryInDeno(t *testing.T) {
	b := newBench(t, nil)
	b.set(b.spec("flaky", "r1", `
		let first = true;
		try { Deno.statSync("data/died"); first = false; } catch { /* never died */ }
		serve(() => { if (first) { Deno.writeTextFileSync("data/died", ""); Deno.exit(3); } return new Response("hello"); });`, func(r *denofn.Release) {
		r.Permissions.Read.Allow = []string{"./data"}
		r.Permissions.Write.Allow = []string{"./data"}
	}))
	b.mustFetch("flaky", "/", "hello")
}

func TestUsageIsTold(t *testing.T) {
	b := newBench(t, nil)
	b.set(b.spec("app", "r1", hello, nil))
	b.mustFetch("app", "/", "hello")
	if p := b.status("app").Processes[0]; p.MemoryBytes < 1<<20 || p.CPU <= 0 || p.PID == 0 || p.Started.IsZero() {
		t.Errorf("process %+v", p)
	}
}
