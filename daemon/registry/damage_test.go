package registry_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/denofn/denofn/daemon/registry"
)

// Whatever is damaged, the registry opens, says what it did, and has the rest.
func TestDamage(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, dir, release string) // release: the folder of a@1
		live   string
		lost   bool   // app has to be deployed again
		says   string // in a repair
	}{
		{"nothing", func(*testing.T, string, string) {}, "a=1 b=1 x=1", false, ""},
		{"no manifest", func(t *testing.T, _, release string) { remove(t, release+"/manifest.json") }, "b=1 x=1", true, "release a@"},
		{"a cut bundle", func(t *testing.T, _, release string) { put(t, release+"/main.js", "") }, "b=1 x=1", true, "has 0 bytes and should have 1"},
		{"another's manifest", func(t *testing.T, _, release string) {
			put(t, release+"/manifest.json", `{"id":"0000000000000000","function":"b"}`)
		}, "b=1 x=1", true, "is that of b@"},
		{"no releases", func(t *testing.T, dir, _ string) { remove(t, dir+"/releases") }, "", true, "release x@"},
		{"a cut state", func(t *testing.T, dir, _ string) { put(t, dir+"/state.json", `{"version": 1, "repos`) }, "", true, "state.json.damaged"},
		{"an empty state", func(t *testing.T, dir, _ string) { put(t, dir+"/state.json", "") }, "", true, "state.json.damaged"},
		{"a state of another kind", func(t *testing.T, dir, _ string) { put(t, dir+"/state.json", "[]") }, "", true, "state.json.damaged"},
		{"a state that leads out", func(t *testing.T, dir, _ string) {
			put(t, dir+"/state.json", `{"version":1,"repositories":{},"functions":{"../../x":{"repository":"app","release":"0000000000000000"}}}`)
		}, "", true, "state.json.damaged"},
		{"a release that leads out", func(t *testing.T, dir, _ string) {
			put(t, dir+"/state.json", `{"version":1,"repositories":{},"functions":{"x":{"repository":"app","release":"../../../etc"}}}`)
		}, "", true, "state.json.damaged"},
		{"no state", func(t *testing.T, dir, _ string) { remove(t, dir+"/state.json") }, "", true, ""},
		{"no links", func(t *testing.T, dir, _ string) { remove(t, dir+"/a.js"); remove(t, dir+"/b.json") }, "a=1 b=1 x=1", false, ""},
		{"wrong links", func(t *testing.T, dir, _ string) {
			remove(t, dir+"/a.js")
			for link, target := range map[string]string{"a.js": "releases/b", "gone.js": "releases/gone/x/main.js", "gone.json": "nowhere"} {
				if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
					t.Fatal(err)
				}
			}
		}, "a=1 b=1 x=1", false, ""},
		{"what a crash left", func(t *testing.T, dir, release string) {
			put(t, dir+"/.tmp-1", "half a state")
			put(t, dir+"/releases/.tmp-2/x", "")
			put(t, dir+"/releases/a/.tmp-3/main.js", "half a bundle")
		}, "a=1 b=1 x=1", false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "registry")
			r := open(t, dir)
			a := deploy(t, r, "app", "c1", "a=1", "b=1")[0]
			deploy(t, r, "other", "d1", "x=1")
			c.damage(t, dir, r.ReleaseDir("a", a.ID))

			r = open(t, dir)
			wantLive(t, r, dir, c.live)
			commit := "c1"
			if c.lost {
				commit = ""
			}
			wantDeployed(t, r, "app", commit, !c.lost)
			said := strings.Join(r.Repairs(), "\n")
			if !strings.Contains(said, c.says) || (c.says == "") != (said == "") {
				t.Errorf("repairs are %q", said)
			}
			leftovers, _ := filepath.Glob(dir + "/.tmp-*")
			deeper, _ := filepath.Glob(dir + "/releases/*/.tmp-*")
			if len(leftovers)+len(deeper) > 0 {
				t.Errorf("%v %v are left over", leftovers, deeper)
			}

			// And it goes on as ever.
			deploy(t, r, "app", "c1", "a=1", "b=1")
			deploy(t, r, "other", "d1", "x=1")
			r = open(t, dir)
			wantLive(t, r, dir, "a=1 b=1 x=1")
			if len(r.Repairs()) > 0 {
				t.Errorf("still repairs: %q", r.Repairs())
			}
		})
	}
}

// A damaged state is kept for people to look at.
func TestDamagedStateIsKept(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/state.json", "precious")
	open(t, dir)
	if text, err := os.ReadFile(dir + "/state.json.damaged"); err != nil || string(text) != "precious" {
		t.Errorf("kept %q, %v", text, err)
	}
}

// A state of a newer denofn is no damage.
func TestNewerState(t *testing.T) {
	dir := t.TempDir()
	const text = `{"version": 2, "functions": {"a": {"releases": []}}}`
	put(t, dir+"/state.json", text)
	_, err := registry.Open(dir)
	if err == nil || !strings.Contains(err.Error(), "newer denofn") {
		t.Errorf("a newer state is read: %v", err)
	}
	if now, err := os.ReadFile(dir + "/state.json"); err != nil || string(now) != text {
		t.Errorf("it is now %q, %v", now, err)
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}
