package bundler_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/bundler"
)

// lockOf returns the lock file that Deno writes for a function, by asking it the
// way that an author does.
func lockOf(t *testing.T, p *packages, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		at := filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(at), 0o700)
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lock := filepath.Join(dir, "deno.lock")
	runDeno(t, dir, p, "cache", "--quiet", "--lock="+lock, "--allow-import", "hello/index.ts")
	text, err := os.ReadFile(lock)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestVersions holds imports against the rule that they say a version.
func TestVersions(t *testing.T) {
	p := newPackages(t)
	publishAll(p)
	b := p.bundler(t, bundler.Config{})
	importing := func(specifier string) map[string]string {
		return map[string]string{"hello/index.ts": "import x from \"" + specifier + "\"; export default () => String(x);"}
	}
	bare := func(mapped string) map[string]string {
		files := importing("plain")
		files["deno.json"] = `{"imports": {"plain": "` + mapped + `"}}`
		return files
	}
	tests := []struct {
		name           string
		files          map[string]string
		lock, allow    bool
		refused, warns string // parts of the message and the hint, after "|"
	}{
		{"exact", importing("npm:plain@1.2.3"), false, false, "", ""},
		{"none", importing("npm:plain"), false, false, "npm:plain has no version|write npm:plain@1.3.0", ""},
		{"none with a subpath", importing("npm:dual/deep/a"), false, false, "npm:dual/deep/a has no version|write npm:dual@1.0.0/deep/a", ""},
		{"none with a scope", importing("npm:@scope/pkg"), false, false, "npm:@scope/pkg has no version|write npm:@scope/pkg@2.0.0", ""},
		{"a tag", importing("npm:plain@latest"), false, false, "npm:plain@latest has no version|write npm:plain@1.3.0", ""},
		{"none, but a lock file", importing("npm:plain"), true, false, "", ""},
		{"none, and allowed", importing("npm:plain"), false, true, "", ""},
		{"a range", importing("npm:plain@^1.2"), false, false, "", "npm:plain@^1.2 is a range, which is 1.3.0 today|deno.lock, or write npm:plain@1.3.0"},
		{"a range and a lock file", importing("npm:plain@^1.2"), true, false, "", ""},
		{"mapped to a version", bare("npm:plain@1.2.3"), false, false, "", ""},
		{"mapped to none", bare("npm:plain"), false, false, "npm:plain has no version|write npm:plain@1.3.0", ""},
		{"jsr none", map[string]string{"hello/index.ts": `import { words } from "jsr:@std/words"; export default () => words;`}, false, false, "jsr:@std/words has no version|write jsr:@std/words@1.0.0", ""},
		{"an address that leads to a version", map[string]string{"hello/index.ts": `import { remote } from "` + p.URL + `/x/lib/mod.ts"; export default () => remote;`}, false, false, "/x/lib/mod.ts has no version|write " + p.URL + "/x/lib@1.0.0/mod.ts", ""},
		{"an address and a lock file", map[string]string{"hello/index.ts": `import { remote } from "` + p.URL + `/x/lib/mod.ts"; export default () => remote;`}, true, false, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			files := tt.files
			if tt.lock {
				files["deno.lock"] = lockOf(t, p, files)
			}
			r, err := b.Bundle(t.Context(), bundler.Source{Tree: newTree(files), Entry: "hello/index.ts", AllowUnversioned: tt.allow})
			got, want := denofn.Diagnostics(nil), tt.refused
			if err != nil {
				got, _ = errors.AsType[denofn.Diagnostics](err)
			} else if want = tt.warns; tt.refused == "" {
				got = r.Warnings
			}
			if want == "" && err == nil && len(got) == 0 {
				return
			}
			message, hint, _ := strings.Cut(want, "|")
			if len(got) != 1 || want == "" || (err != nil) != (tt.refused != "") || !strings.Contains(got[0].Message, message) || !strings.Contains(got[0].Hint, hint) || got[0].Line != 1 {
				t.Fatalf("got %v, warnings %v, error %v", got, r, err)
			}
		})
	}
}

// A lock file that says something else than the registry refuses the push,
// whatever has been fetched before.
func TestTamperedPackage(t *testing.T) {
	p := newPackages(t)
	publishAll(p)
	files := map[string]string{"hello/index.ts": `import plain from "npm:plain@1.2.3"; export default () => plain();`}
	lock := lockOf(t, p, files)
	refused := func(t *testing.T, b *bundler.Bundler, lock string) {
		t.Helper()
		_, err := b.Bundle(t.Context(), bundler.Source{Tree: newTree(map[string]string{"hello/index.ts": files["hello/index.ts"], "deno.lock": lock}), Entry: "hello/index.ts"})
		found, ok := errors.AsType[denofn.Diagnostics](err)
		if !ok || found[0].File != "deno.lock" || !strings.Contains(found[0].Message, "plain@1.2.3") || strings.Contains(found[0].Message, "/tmp") {
			t.Fatalf("got %v", err)
		}
	}
	b := p.bundler(t, bundler.Config{})
	good := map[string]string{"hello/index.ts": files["hello/index.ts"], "deno.lock": lock}
	var parsed struct {
		NPM map[string]struct{ Integrity string }
	}
	if err := json.Unmarshal([]byte(lock), &parsed); err != nil {
		t.Fatal(err)
	}
	integrity := parsed.NPM["plain@1.2.3"].Integrity
	other := "sha512-" + strings.Repeat("A", len(integrity)-len("sha512-")-2) + "=="
	wrong := strings.Replace(lock, integrity, other, 1)

	refused(t, b, wrong) // nothing fetched yet
	bundle(t, b, good)
	refused(t, b, wrong) // the right one has been

	// The registry serves something else than when the lock file was written.
	p.publish("plain", "1.2.3", "", map[string]string{"index.js": `module.exports = () => "evil";`})
	refused(t, p.bundler(t, bundler.Config{}), lock)
	if got := serve(t, bundle(t, b, good)).get(t, "/"); got != "plain" {
		t.Errorf("what was fetched before answers %q", got)
	}
}

// Nothing of the cache is believed without its hash: what was damaged on the disk
// is fetched again.
func TestDamagedCache(t *testing.T) {
	p := newPackages(t)
	publishAll(p)
	dir := t.TempDir()
	b := p.bundler(t, bundler.Config{CacheDir: dir})
	files := map[string]string{"hello/index.ts": `import plain from "npm:plain@1.2.3"; import { words } from "jsr:@std/words@1.0.0"; export default () => plain() + words;`}
	first := bundle(t, b, files)
	for _, damage := range []struct{ name, glob, old, new string }{
		{"a file of a pack", "packs/*", "plain", "blain"},
		{"the index of a pack", "packs/*", "index.js", "jndex.js"},
		{"a graph", "graphs/*", "plain", "blain"},
	} {
		found, _ := filepath.Glob(filepath.Join(dir, damage.glob))
		damaged := 0
		for _, at := range found {
			text, err := os.ReadFile(at)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), damage.old) {
				damaged++
				os.WriteFile(at, []byte(strings.Replace(string(text), damage.old, damage.new, 1)), 0o600)
			}
		}
		if damaged == 0 {
			t.Fatalf("%s: nothing to damage", damage.name)
		}
		if again := bundle(t, b, files); string(again.Code) != string(first.Code) {
			t.Errorf("%s: the bundle is another one", damage.name)
		}
	}
}

// A function whose imports are the same needs neither Deno nor the network.
func TestKeptAnswers(t *testing.T) {
	p := newPackages(t)
	publishAll(p)
	dir := t.TempDir()
	b := p.bundler(t, bundler.Config{CacheDir: dir})
	text := `import plain from "npm:plain@1.2.3"; import { words } from "jsr:@std/words@1.0.0"; export default () => plain() + words`
	bundle(t, b, map[string]string{"hello/index.ts": text})
	if err := os.RemoveAll(filepath.Join(dir, "deno")); err != nil {
		t.Fatal(err)
	}
	before := p.count()
	bundle(t, b, map[string]string{"hello/index.ts": text + ` + "changed";`})
	if n := p.count() - before; n != 0 {
		t.Errorf("%d requests", n)
	}
	if _, err := os.Stat(filepath.Join(dir, "deno")); err == nil {
		t.Error("Deno was run")
	}
}

// No lifecycle script ever runs, and what may need one is refused by name.
func TestLifecycleScripts(t *testing.T) {
	p := newPackages(t)
	mark := filepath.Join(t.TempDir(), "ran")
	p.publish("evil", "1.0.0", `{"scripts": {"preinstall": "touch `+mark+`", "install": "touch `+mark+`"}}`, map[string]string{"index.js": "module.exports = 1;"})
	b := p.bundler(t, bundler.Config{})
	_, err := b.Bundle(t.Context(), bundler.Source{Tree: newTree(map[string]string{"hello/index.ts": `import evil from "npm:evil@1.0.0"; export default () => String(evil);`}), Entry: "hello/index.ts"})
	if found, ok := errors.AsType[denofn.Diagnostics](err); !ok || !strings.Contains(found[0].Message, "npm:evil@1.0.0 wants to run scripts when it is installed (preinstall, install)") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("a script ran")
	}
}
