package main

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/bundler"
)

const (
	bundled    = 300 // functions in the repository
	bundledFew = 30  // of them, for peers that take their time
	sharing    = 40  // of them import the shared file
)

// A workshop is a repository of functions and the ways to bundle them.
type workshop struct {
	b       *bench
	dir     string
	bundler *bundler.Bundler
	inputs  map[string][]denofn.Input // of each function, as last bundled

	mu     sync.Mutex        // guards hashes
	hashes map[string]string // of files, as git's trees have them
}

// newWorkshop writes the functions: each has a module of its own, and the first
// ones import a shared file.
func newWorkshop(b *bench) (*workshop, error) {
	w := &workshop{b: b, dir: b.path("bundled"), inputs: make(map[string][]denofn.Input), hashes: make(map[string]string)}
	for i := range bundled {
		text := fmt.Sprintf("import { greet } from \"./greet.ts\";\nexport default (request: Request): string => greet(request.url, %d);\n", i)
		if i < sharing {
			text = fmt.Sprintf("import { greet } from \"./greet.ts\";\nimport { shared } from \"../lib/shared.ts\";\nexport default (request: Request): string => greet(shared(request.url), %d);\n", i)
		}
		if err := w.write(fmt.Sprintf("f%d/index.ts", i), text); err != nil {
			return nil, err
		}
		if err := w.write(fmt.Sprintf("f%d/greet.ts", i), "interface Greeting { to: string; times: number }\nexport function greet(to: string, times: number): string {\n  const g: Greeting = { to, times };\n  return Array.from({ length: g.times }, () => `Hello, ${g.to}`).join(\"\\n\");\n}\n"); err != nil {
			return nil, err
		}
	}
	if err := w.share(0); err != nil {
		return nil, err
	}
	var err error
	w.bundler, err = bundler.New(bundler.Config{Spawner: worker{}})
	if err != nil {
		return nil, err
	}
	b.atClose(func() { w.bundler.Close() })
	return w, nil
}

func (w *workshop) write(name, text string) error {
	w.mu.Lock()
	delete(w.hashes, name)
	w.mu.Unlock()
	at := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	return os.WriteFile(at, []byte(text), 0o644)
}

// share changes the file that functions share.
func (w *workshop) share(round int) error {
	return w.write("lib/shared.ts", fmt.Sprintf("export const shared = (s: string): string => s.toUpperCase() + %d;\n", round))
}

// bundle bundles what differs from the last time of the functions from to to, and
// returns how many that were.
func (w *workshop) bundle(from, to int) (int, error) {
	tree := dirTree{os.DirFS(w.dir).(osFS), w}
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	made := make([][]denofn.Input, to)
	for i := from; i < to; i++ {
		name := fmt.Sprintf("f%d", i)
		if inputs := w.inputs[name]; inputs != nil && bundler.Unchanged(tree, inputs, name, nil) {
			continue
		}
		group.Go(func() error {
			r, err := w.bundler.Bundle(context.Background(), bundler.Source{Tree: tree, Entry: name + "/index.ts"})
			if err == nil {
				made[i] = r.Inputs
			}
			return err
		})
	}
	err := group.Wait()
	count := 0
	for i, inputs := range made {
		if inputs != nil {
			count++
			w.inputs[fmt.Sprintf("f%d", i)] = inputs
		}
	}
	return count, err
}

// ours measures the bundling of count functions after change.
func (w *workshop) ours(from, to, count int, change func(round int) error) measurement {
	return func(round int) (time.Duration, error) {
		if err := change(round); err != nil {
			return 0, err
		}
		began := time.Now()
		n, err := w.bundle(from, to)
		if err == nil && n != count {
			err = fmt.Errorf("%d functions were bundled, not %d", n, count)
		}
		return time.Since(began), err
	}
}

// forget makes everything new.
func (w *workshop) forget(int) error {
	clear(w.inputs)
	return nil
}

// peer measures a program that is run once for each function, as many at a time as
// there are processors.
func (w *workshop) peer(to int, command func(entry, out string) *exec.Cmd) measurement {
	return func(int) (time.Duration, error) {
		began := time.Now()
		var group errgroup.Group
		group.SetLimit(runtime.GOMAXPROCS(0))
		for i := range to {
			group.Go(func() error {
				c := command(fmt.Sprintf("f%d/index.ts", i), w.b.path(fmt.Sprintf("out/f%d.js", i)))
				c.Dir = w.dir
				if out, err := c.CombinedOutput(); err != nil {
					return fmt.Errorf("%v: %w\n%s", c.Args, err, out)
				}
				return nil
			})
		}
		err := group.Wait()
		return time.Since(began), err
	}
}

// esbuild builds the command line of the esbuild that go.mod names.
func (w *workshop) esbuild() (func(entry, out string) *exec.Cmd, error) {
	program := w.b.path("esbuild")
	build := exec.Command("go", "build", "-o", program, "github.com/evanw/esbuild/cmd/esbuild")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build esbuild: %w\n%s", err, out)
	}
	return func(entry, out string) *exec.Cmd {
		return exec.Command(program, entry, "--bundle", "--format=esm", "--sourcemap=linked", "--log-level=warning", "--outfile="+out)
	}, nil
}

func (w *workshop) denoBundle(entry, out string) *exec.Cmd {
	c := exec.Command(w.b.deno, "bundle", "--quiet", "--no-lock", "--sourcemap=linked", "--output", out, entry)
	// The first time, it fetches an esbuild of its own.
	c.Env = append(os.Environ(), "HOME="+w.b.dir, "DENO_DIR="+w.b.path("deno"), "DENO_TLS_CA_STORE=system,mozilla")
	return c
}

// compareBundle makes all functions of a first push.
func compareBundle(b *bench) (ours, peer measurement, err error) {
	w, err := newWorkshop(b)
	if err != nil {
		return nil, nil, err
	}
	esbuild, err := w.esbuild()
	if err != nil {
		return nil, nil, err
	}
	return w.ours(0, bundled, bundled, w.forget), w.peer(bundled, esbuild), nil
}

// compareBundleDeno makes a few, since deno bundle takes its time.
func compareBundleDeno(b *bench) (ours, peer measurement, err error) {
	w, err := newWorkshop(b)
	if err != nil {
		return nil, nil, err
	}
	return w.ours(0, bundledFew, bundledFew, w.forget), w.peer(bundledFew, w.denoBundle), nil
}

// compareBundleShared changes the file that some functions share, and lets the
// peer make just these.
func compareBundleShared(b *bench) (ours, peer measurement, err error) {
	w, err := newWorkshop(b)
	if err != nil {
		return nil, nil, err
	}
	esbuild, err := w.esbuild()
	if err != nil {
		return nil, nil, err
	}
	if _, err := w.bundle(0, bundled); err != nil {
		return nil, nil, err
	}
	return w.ours(0, bundled, sharing, func(round int) error { return w.share(round + 1) }), w.peer(sharing, esbuild), nil
}

// compareBundleOne changes one of all functions, and the same one where it is
// alone.
func compareBundleOne(b *bench) (ours, peer measurement, err error) {
	w, err := newWorkshop(b)
	if err != nil {
		return nil, nil, err
	}
	if _, err := w.bundle(0, bundled); err != nil {
		return nil, nil, err
	}
	last := bundled - 1
	change := func(side string) func(int) error {
		return func(round int) error {
			return w.write(fmt.Sprintf("f%d/index.ts", last), fmt.Sprintf("export default (): string => \"%s %d\";\n", side, round))
		}
	}
	return w.ours(0, bundled, 1, change("ours")), w.ours(last, bundled, 1, change("peer")), nil
}

// worker starts bin/denofn as the bundler's worker, without a sandbox: the peers
// have none.
type worker struct{}

func (worker) Command(ctx context.Context, c bundler.Child) (*exec.Cmd, func(), error) {
	command := exec.CommandContext(ctx, "bin/denofn")
	command.Args = append([]string{bundler.WorkerName}, c.Args...)
	command.Env = c.Env
	return command, func() {}, nil
}

func (worker) Start(command *exec.Cmd) error { return command.Start() }

// dirTree is a folder on disk as a tree. In a push, git's trees have the hashes of
// all files; here each is made once.
type dirTree struct {
	osFS
	w *workshop
}

type osFS interface {
	fs.ReadFileFS
	fs.ReadDirFS
	fs.ReadLinkFS
}

// Hash implements bundler.Tree.
func (t dirTree) Hash(name string) (string, error) {
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	if hash, ok := t.w.hashes[name]; ok {
		return hash, nil
	}
	content, err := t.ReadFile(name)
	if err != nil {
		return "", err
	}
	sum := sha1.Sum(fmt.Appendf(nil, "blob %d\x00%s", len(content), content))
	t.w.hashes[name] = hex.EncodeToString(sum[:])
	return t.w.hashes[name], nil
}
