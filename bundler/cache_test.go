package bundler_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/bundler"
)

// The same tree and lock file make the same release to the byte, whatever the
// folder, the order of the files, what was fetched before, and who bundles.
func TestReproducible(t *testing.T) {
	p := newPackages(t)
	publishAll(p)
	files := map[string]string{
		"hello/index.ts": `import r from "npm:requires@1.0.0"; import * as m from "npm:modern@1"; import { words } from "jsr:@std/words"; import { remote } from "` + p.URL + `/x/lib/mod.ts"; import { a } from "./a.tsx"; import native from "npm:maybe-native@1.0.0";
			new Worker(new URL("./w.ts", import.meta.url), { type: "module" }); export default () => [r, m, words, remote, a, native].join();`,
		"hello/a.tsx":      `export const a = import.meta.url; export const b = () => <p/>; const React = { createElement: () => 1 };`,
		"hello/w.ts":       `import plain from "npm:plain@1.2.3"; console.log(plain());`,
		"hello/page.html":  "page",
		"hello/wasm/a.txt": "a",
	}
	files["deno.lock"] = lockOf(t, p, files)
	source := func() bundler.Source {
		return bundler.Source{Tree: newTree(files), Entry: "hello/index.ts", Include: []string{"*.html", "wasm"}}
	}
	parts := func(r *bundler.Result) map[string]string {
		all := map[string]string{"code": string(r.Code), "map": string(r.SourceMap), "inputs": fmt.Sprint(r.Inputs)}
		for name, content := range r.Files {
			all[name] = string(content)
		}
		return all
	}
	first, err := p.bundler(t, bundler.Config{}).Bundle(t.Context(), source())
	if err != nil {
		t.Fatal(describe(err))
	}
	want := parts(first)
	if names := slices.Sorted(maps.Keys(want)); len(names) != 8 {
		t.Errorf("the release has %v", names)
	}
	for name, text := range want {
		for _, leak := range []string{"/tmp/", "/root", "/home", t.TempDir()} {
			if strings.Contains(text, leak) {
				t.Errorf("%s has %q", name, leak)
			}
		}
	}

	deep := filepath.Join(t.TempDir(), "some", "other", "place")
	warm := p.bundler(t, bundler.Config{CacheDir: deep})
	bundle(t, warm, map[string]string{"hello/index.ts": `import * as m from "npm:modern@1.0.0"; import plain from "npm:plain@1.3.0"; export default () => plain() + m.dev;`, "hello/unused.ts": ""})
	for i, b := range []*bundler.Bundler{warm, warm} {
		r, err := b.Bundle(t.Context(), source())
		if err != nil {
			t.Fatal(describe(err))
		}
		if got := parts(r); !maps.Equal(got, want) {
			for name := range want {
				if got[name] != want[name] {
					t.Errorf("bundle %d: %s differs", i, name)
				}
			}
		}
	}
}

// Bundling is a function of the recorded inputs: a change of anything else makes
// no other bundle, and a change of one is noticed.
func TestInputsDecide(t *testing.T) {
	b := newBundler(t)
	files := map[string]string{
		"hello/index.ts":  `import { a } from "./link/a.ts"; import { b } from "#b"; export { c } from "./c.tsx"; export default () => a + b;`,
		"hello/link":      "-> ../lib",
		"lib/a.ts":        `export const a = 1;`,
		"lib/b.ts":        `export const b = 2;`,
		"hello/c.tsx":     `const React = { createElement: () => 1 }; export const c = <p/>;`,
		"deno.json":       `{"imports": {"#b": "./lib/b.ts"}}`,
		"hello/pages/a":   "a",
		"other/index.ts":  `export default 1;`,
		"hello/README.md": "read me",
	}
	include := []string{"pages/*"}
	made := func() *bundler.Result {
		r, err := b.Bundle(t.Context(), bundler.Source{Tree: newTree(files), Entry: "hello/index.ts", Include: include})
		if err != nil {
			t.Fatal(describe(err))
		}
		return r
	}
	r := made()
	inputs := r.Inputs
	unchanged := func() bool { return bundler.Unchanged(newTree(files), inputs, "hello", include) }
	if !unchanged() {
		t.Fatal("a tree differs from itself")
	}
	for _, name := range []string{"other/index.ts", "hello/README.md", "lib/new.ts", "new.json"} {
		old, had := files[name]
		files[name] = old + "changed"
		if !unchanged() {
			t.Errorf("%s matters", name)
		}
		if again := made(); string(again.Code) != string(r.Code) {
			t.Errorf("%s changes the bundle and is no input", name)
		}
		if files[name] = old; !had {
			delete(files, name)
		}
	}
	for name, text := range map[string]string{
		"hello/index.ts": "x", "hello/link": "-> ../other", "lib/a.ts": "x", "lib/b.ts": "x", "hello/c.tsx": "x", "deno.json": "{}", "hello/pages/a": "b",
		"hello/pages/b": "new", "hello/deno.json": "{}", "hello/deno.jsonc": "{}", "hello/package.json": "{}", "package.json": "{}", "deno.lock": "{}", "hello/deno.lock": "{}",
	} {
		old, had := files[name]
		files[name] = text
		if unchanged() {
			t.Errorf("a change of %s is not noticed", name)
		}
		if had {
			delete(files, name)
			if unchanged() {
				t.Errorf("the end of %s is not noticed", name)
			}
		}
		if files[name] = old; !had {
			delete(files, name)
		}
	}
	if !unchanged() {
		t.Error("the tree is as it was, and differs")
	}
}

// What has not been of use goes by age, and the oldest by size; what is needed is
// fetched again.
func TestCacheIsCollected(t *testing.T) {
	p := newPackages(t)
	content := make([]byte, 300<<10)
	for i := range content {
		content[i] = "abcdefghijklmnop"[rand.IntN(16)]
	}
	for i := range 6 {
		p.publish(fmt.Sprint("large", i), "1.0.0", "", map[string]string{"index.js": fmt.Sprintf("module.exports = %d; // %s", i, content)})
	}
	text := func(i int) map[string]string {
		return map[string]string{"hello/index.ts": fmt.Sprintf(`import x from "npm:large%d@1.0.0"; export default () => String(x);`, i)}
	}
	dir := t.TempDir()
	b := p.bundler(t, bundler.Config{CacheDir: dir, CacheSize: denofn.Bytes(1 << 20)})
	for i := range 6 {
		bundle(t, b, text(i))
	}
	var size int64
	filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			info, _ := d.Info()
			size += info.Size()
		}
		return nil
	})
	if size > 1<<20 {
		t.Errorf("the cache has %d bytes", size)
	}
	bundle(t, b, text(0))

	old := time.Now().Add(-48 * time.Hour)
	packs, _ := filepath.Glob(filepath.Join(dir, "[pg]*s/*"))
	for _, path := range packs {
		os.Chtimes(path, old, old)
	}
	b = p.bundler(t, bundler.Config{CacheDir: dir, CacheAge: 24 * time.Hour})
	bundle(t, b, text(1))
	for _, path := range packs {
		if info, err := os.Stat(path); err == nil && info.ModTime().Before(old.Add(time.Hour)) && !info.IsDir() {
			t.Errorf("%s is still there", path)
		}
	}
	bundle(t, b, text(5))
}
