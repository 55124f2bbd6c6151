package bundler_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/bundler"
)

// children returns the processes that this one has started and that run.
func children(t *testing.T) []string {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has just ended
		}
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(fields) > 1 && fields[1] == fmt.Sprint(os.Getpid()) && fields[0] != "Z" {
			found = append(found, filepath.Base(filepath.Dir(path)))
		}
	}
	return found
}

// A source that takes more memory than there is fails alone: the daemon and what
// is bundled after it do not notice.
func TestWorkerOutOfMemory(t *testing.T) {
	b := newBundlerWith(t, bundler.Config{CacheDir: t.TempDir(), Memory: 128 << 20})
	huge := "export default [" + strings.Repeat("{a:[1,{b:2}]},", 1<<20) + "];\n"
	_, err := b.Bundle(t.Context(), bundler.Source{Tree: newTree(map[string]string{"hello/index.ts": huge}), Entry: "hello/index.ts"})
	found, ok := errors.AsType[denofn.Diagnostics](err)
	if !ok || found[0].File != "hello/index.ts" || !strings.Contains(found[0].Message, "more than 128M of memory") {
		t.Fatalf("got %v", err)
	}
	bundle(t, b, map[string]string{"hello/index.ts": `export default () => "fine";`})
}

func TestWorkerTimeout(t *testing.T) {
	b := newBundlerWith(t, bundler.Config{CacheDir: t.TempDir(), Timeout: time.Nanosecond})
	_, err := b.Bundle(t.Context(), bundler.Source{Tree: newTree(map[string]string{"hello/index.ts": "export default 1;"}), Entry: "hello/index.ts"})
	found, ok := errors.AsType[denofn.Diagnostics](err)
	if !ok || !strings.Contains(found[0].Message, "took longer than 1ns") {
		t.Fatalf("got %v", err)
	}
}

func TestBundleEndsWithItsContext(t *testing.T) {
	b := newBundler(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.Bundle(ctx, bundler.Source{Tree: newTree(map[string]string{"hello/index.ts": "export default 1;"}), Entry: "hello/index.ts"})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
}

// Several at once are given a worker each, no more than may run, and Close leaves
// none behind.
func TestWorkersAreBounded(t *testing.T) {
	b, err := bundler.New(bundler.Config{Spawner: bundler.PlainSpawner(""), Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	before := len(children(t))
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			source := bundler.Source{Tree: newTree(map[string]string{"hello/index.ts": fmt.Sprintf("export default () => %d;", i)}), Entry: "hello/index.ts"}
			if r, err := b.Bundle(t.Context(), source); err != nil || !strings.Contains(string(r.Code), fmt.Sprintf("() => %d;", i)) {
				t.Error(err)
			}
			if n := len(children(t)) - before; n > 2 {
				t.Errorf("%d workers at once", n)
			}
		})
	}
	all.Wait()
	if n := len(children(t)) - before; n == 0 {
		t.Error("no worker waits for more")
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if n := len(children(t)) - before; n != 0 {
		t.Errorf("%d workers are left", n)
	}
	if _, err := b.Bundle(t.Context(), bundler.Source{Tree: newTree(nil), Entry: "a.ts"}); err == nil {
		t.Error("a closed Bundler bundles")
	}
}
