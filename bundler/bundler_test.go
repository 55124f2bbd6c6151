package bundler_test

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/bundler"
	"github.com/denofn/denofn/micro/denotest"
)

func TestMain(m *testing.M) {
	if bundler.IsWorker() {
		bundler.WorkerMain()
	}
	os.Exit(m.Run())
}

// A tree is a Tree in memory. It takes text by path; "-> TARGET" is a link.
type tree struct {
	fstest.MapFS
}

func newTree(files map[string]string) tree {
	t := tree{make(fstest.MapFS)}
	for name, text := range files {
		f := &fstest.MapFile{Data: []byte(text), Mode: 0o444}
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			f.Data, f.Mode = []byte(target), fs.ModeSymlink|0o777
		}
		t.MapFS[name] = f
	}
	return t
}

// Hash implements bundler.Tree.
func (t tree) Hash(name string) (string, error) {
	f, ok := t.MapFS[name]
	if !ok {
		return "", &fs.PathError{Op: "hash", Path: name, Err: fs.ErrNotExist}
	}
	sum := sha1.Sum(fmt.Appendf(nil, "blob %d\x00%s", len(f.Data), f.Data))
	return hex.EncodeToString(sum[:]), nil
}

func newBundler(t *testing.T) *bundler.Bundler {
	t.Helper()
	return newBundlerWith(t, bundler.Config{CacheDir: t.TempDir()})
}

// newBundlerWith returns a Bundler with workers and the pinned Deno.
func newBundlerWith(t *testing.T, config bundler.Config) *bundler.Bundler {
	t.Helper()
	config.DenoPath = denotest.Path(t)
	if config.Spawner == nil {
		config.Spawner = bundler.PlainSpawner(config.DenoPath)
	}
	b, err := bundler.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// bundle bundles hello/index.ts of the files and fails the test if it cannot.
func bundle(t *testing.T, b *bundler.Bundler, files map[string]string) *bundler.Result {
	t.Helper()
	result, err := b.Bundle(t.Context(), bundler.Source{Tree: newTree(files), Entry: "hello/index.ts"})
	if err != nil {
		t.Fatal(describe(err))
	}
	return result
}

// describe writes an error as a person sees it.
func describe(err error) string {
	found, ok := errors.AsType[denofn.Diagnostics](err)
	if !ok {
		return err.Error()
	}
	var b strings.Builder
	for _, d := range found {
		fmt.Fprintln(&b, d.Error())
		if d.Line > 0 {
			fmt.Fprintf(&b, "  | %s\n", d.Source)
			if d.Column > 0 {
				fmt.Fprintf(&b, "  | %s%s\n", strings.Repeat(" ", d.Column-1), strings.Repeat("^", max(1, d.Length)))
			}
		}
		if d.Hint != "" {
			fmt.Fprintf(&b, "  hint: %s\n", d.Hint)
		}
	}
	return b.String()
}

func paths(inputs []denofn.Input) []string {
	var all []string
	for _, in := range inputs {
		all = append(all, in.Path)
	}
	return all
}

func TestBundle(t *testing.T) {
	b := newBundler(t)
	r := bundle(t, b, map[string]string{
		"hello/index.ts":  "import { words } from \"../lib/words.ts\";\nimport type { Unused } from \"./types.ts\";\nexport default (): string => words;\n",
		"lib/words.ts":    "export const words: string = \"words\";\n",
		"hello/other.txt": "other",
	})
	for _, want := range []string{"words", "Deno.serve", "//# sourceMappingURL=main.js.map\n", "// repo:hello/index.ts\n"} {
		if !strings.Contains(string(r.Code), want) {
			t.Errorf("no %q in the code:\n%s", want, r.Code)
		}
	}
	if strings.Contains(string(r.Code), "node:process") {
		t.Errorf("a function that has no use for process imports it:\n%s", r.Code)
	}
	if !strings.Contains(string(r.SourceMap), `"file:///hello/index.ts"`) {
		t.Errorf("the source map does not name index.ts: %s", r.SourceMap)
	}
	if got := paths(r.Inputs); !slices.Equal(got, []string{"hello/index.ts", "lib/words.ts"}) {
		t.Errorf("inputs %v", got)
	}
}

func TestVersionNamesEsbuild(t *testing.T) {
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mod)) {
		if _, version, ok := strings.Cut(line, "github.com/evanw/esbuild v"); ok {
			version, _, _ = strings.Cut(strings.TrimSpace(version), " ")
			if !strings.Contains(bundler.Version(), "esbuild-"+version+"+") {
				t.Errorf("go.mod has esbuild %s, and the version is %s", version, bundler.Version())
			}
			return
		}
	}
	t.Error("go.mod has no esbuild")
}
