package registry_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon/registry"
)

func open(t testing.TB, dir string) *registry.Registry {
	t.Helper()
	r, err := registry.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// release makes a release of a function whose bundle is text.
func release(repository denofn.RepositoryName, name denofn.FunctionName, text string) (*denofn.Release, map[string][]byte) {
	files := map[string][]byte{"main.js": []byte(text), "main.js.map": []byte("{}")}
	r := &denofn.Release{
		Function: name, Repository: repository, Commit: "c0ffee", Entry: string(name) + "/index.ts", Bundler: "1",
		Inputs:      []denofn.Input{{Path: string(name) + "/index.ts", Hash: text}},
		BundleBytes: int64(len(text)),
	}
	r.ID = registry.ID(r, files)
	return r, files
}

func write(t testing.TB, r *registry.Registry, repository denofn.RepositoryName, name denofn.FunctionName, text string) *denofn.Release {
	t.Helper()
	rel, files := release(repository, name, text)
	if err := r.WriteRelease(rel, files); err != nil {
		t.Fatal(err)
	}
	return rel
}

// deploy makes functions live, given as "name=text".
func deploy(t testing.TB, r *registry.Registry, repository denofn.RepositoryName, commit string, functions ...string) []*denofn.Release {
	t.Helper()
	change := registry.Change{Repository: repository, Commit: commit}
	for _, f := range functions {
		name, text, ok := strings.Cut(f, "=")
		if !ok {
			change.Remove = append(change.Remove, denofn.FunctionName(name))
			continue
		}
		change.Set = append(change.Set, write(t, r, repository, denofn.FunctionName(name), text))
	}
	if err := r.Activate(change); err != nil {
		t.Fatal(err)
	}
	return change.Set
}

// live returns "name=text" for what is live, by way of the links, which must
// agree with the releases.
func live(t testing.TB, r *registry.Registry, dir string) string {
	t.Helper()
	var all []string
	for _, f := range r.Functions() {
		text, err := os.ReadFile(filepath.Join(r.ReleaseDir(f.Function, f.ID), "main.js"))
		if err != nil {
			t.Fatal(err)
		}
		linked, err := os.ReadFile(filepath.Join(dir, string(f.Function)+".js"))
		if err != nil || string(linked) != string(text) {
			t.Errorf("link of %s has %q, %v; not %q", f.Function, linked, err, text)
		}
		manifest, err := os.ReadFile(filepath.Join(dir, string(f.Function)+".json"))
		if err != nil || !strings.Contains(string(manifest), string(f.ID)) {
			t.Errorf("link of %s's manifest has %q, %v", f.Function, manifest, err)
		}
		all = append(all, fmt.Sprintf("%s=%s", f.Function, text))
	}
	links, err := filepath.Glob(filepath.Join(dir, "*.js*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		name, _, _ := strings.Cut(filepath.Base(link), ".")
		if _, ok := r.Active(denofn.FunctionName(name)); !ok && name != "state" {
			t.Errorf("link %s is left over", link)
		}
	}
	return strings.Join(all, " ")
}

func wantLive(t testing.TB, r *registry.Registry, dir, want string) {
	t.Helper()
	if got := live(t, r, dir); got != want {
		t.Errorf("live is %q, not %q", got, want)
	}
}

func wantDeployed(t testing.TB, r *registry.Registry, repository denofn.RepositoryName, commit string, ok bool) {
	t.Helper()
	if c, o := r.Deployed(repository); c != commit || o != ok {
		t.Errorf("deployed of %s is %q, %v; not %q, %v", repository, c, o, commit, ok)
	}
}

func TestActivate(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir)
	wantLive(t, r, dir, "")
	wantDeployed(t, r, "app", "", false)

	deploy(t, r, "app", "c1", "b=1", "a=1", "c=1")
	wantLive(t, r, dir, "a=1 b=1 c=1")
	deploy(t, r, "other", "d1", "x=1")
	deploy(t, r, "app", "c2", "b=2", "c")
	for range 2 { // the second time from disk
		wantLive(t, r, dir, "a=1 b=2 x=1")
		wantDeployed(t, r, "app", "c2", true)
		wantDeployed(t, r, "other", "d1", true)
		if rel, ok := r.Active("b"); !ok || rel.Commit != "c0ffee" || rel.Entry != "b/index.ts" || len(rel.Inputs) != 1 {
			t.Errorf("b is %+v", rel)
		}
		r = open(t, dir)
	}
	deploy(t, r, "app", "", "a", "b")
	r = open(t, dir)
	wantLive(t, r, dir, "x=1")
	wantDeployed(t, r, "app", "", true)
}

// Nothing of a change that cannot be made is.
func TestActivateRefuses(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir)
	deploy(t, r, "app", "c1", "a=1")
	deploy(t, r, "other", "d1", "x=1")
	good := write(t, r, "app", "a", "2")
	foreign := write(t, r, "app", "x", "2")
	missing, _ := release("app", "a", "never written")
	for name, change := range map[string]registry.Change{
		"a release that is not there":       {Repository: "app", Commit: "c2", Set: []*denofn.Release{good, missing}},
		"a function of another":             {Repository: "app", Commit: "c2", Set: []*denofn.Release{good, foreign}},
		"a release of another":              {Repository: "other", Commit: "d2", Set: []*denofn.Release{good}},
		"the removal of another's function": {Repository: "app", Commit: "c2", Set: []*denofn.Release{good}, Remove: []denofn.FunctionName{"x"}},
	} {
		if err := r.Activate(change); err == nil {
			t.Errorf("%s is activated", name)
		}
	}
	wantLive(t, r, dir, "a=1 x=1")
	wantDeployed(t, r, "app", "c1", true)
	wantLive(t, open(t, dir), dir, "a=1 x=1")
}

// A disk that cannot be written leaves what was live, in memory and on disk.
func TestActivateFails(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir)
	deploy(t, r, "app", "c1", "a=1", "b=1")
	set := []*denofn.Release{write(t, r, "app", "a", "2"), write(t, r, "app", "b", "2")}
	state := filepath.Join(dir, "state.json")
	if err := os.Rename(state, state+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(state, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := r.Activate(registry.Change{Repository: "app", Commit: "c2", Set: set}); err == nil {
		t.Error("activated without a state file")
	}
	wantLive(t, r, dir, "a=1 b=1")
	os.RemoveAll(state)
	if err := r.Activate(registry.Change{Repository: "app", Commit: "c2", Set: set}); err != nil {
		t.Error(err)
	}
	wantLive(t, open(t, dir), dir, "a=2 b=2")
}

func TestID(t *testing.T) {
	base, files := release("app", "a", "1")
	same, _ := release("app", "a", "1")
	same.Commit = "another"
	if id := registry.ID(same, files); id != base.ID || len(id) != 16 {
		t.Errorf("ID of the same from another commit is %s, not %s", id, base.ID)
	}
	seen := map[denofn.ReleaseID]string{base.ID: "base"}
	for name, change := range map[string]func(*denofn.Release, map[string][]byte){
		"function":    func(r *denofn.Release, _ map[string][]byte) { r.Function = "b" },
		"repository":  func(r *denofn.Release, _ map[string][]byte) { r.Repository = "b" },
		"entry":       func(r *denofn.Release, _ map[string][]byte) { r.Entry = "b" },
		"bundler":     func(r *denofn.Release, _ map[string][]byte) { r.Bundler = "2" },
		"inputs":      func(r *denofn.Release, _ map[string][]byte) { r.Inputs = nil },
		"permissions": func(r *denofn.Release, _ map[string][]byte) { r.Permissions.Net.All = true },
		"settings":    func(r *denofn.Release, _ map[string][]byte) { r.Settings.Tasks = 9 },
		"build":       func(r *denofn.Release, _ map[string][]byte) { r.Build.Check = true },
		"code":        func(_ *denofn.Release, f map[string][]byte) { f["main.js"] = []byte("2") },
		"a file":      func(_ *denofn.Release, f map[string][]byte) { f["x"] = nil },
		"a name": func(_ *denofn.Release, f map[string][]byte) {
			f["main.js.mapp"] = f["main.js.map"]
			delete(f, "main.js.map")
		},
	} {
		r, f := release("app", "a", "1")
		change(r, f)
		id := registry.ID(r, f)
		if other, ok := seen[id]; ok {
			t.Errorf("%s and %s have one ID", name, other)
		}
		seen[id] = name
	}
}

func TestWriteRelease(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir)
	rel, files := release("app", "a", "1")
	if r.Exists("a", rel.ID) || r.Exists("a", "../../..") {
		t.Error("a release exists before it was written")
	}
	for range 2 {
		if err := r.WriteRelease(rel, files); err != nil {
			t.Fatal(err)
		}
	}
	if !r.Exists("a", rel.ID) {
		t.Error("the release does not exist")
	}
	if _, ok := r.Active("a"); ok {
		t.Error("a release is live before it was activated")
	}
	// One that is damaged is written again.
	if err := os.WriteFile(filepath.Join(r.ReleaseDir("a", rel.ID), "main.js"), []byte("half a"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteRelease(rel, files); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(r.ReleaseDir("a", rel.ID), "main.js")); err != nil || string(text) != "1" {
		t.Errorf("main.js is %q, %v", text, err)
	}
	for name, change := range map[string]func(r *denofn.Release, f map[string][]byte){
		"a function that is a path": func(r *denofn.Release, _ map[string][]byte) { r.Function = "../a" },
		"an ID that is a path":      func(r *denofn.Release, _ map[string][]byte) { r.ID = "../../../outside" },
		"a file outside":            func(r *denofn.Release, f map[string][]byte) { r.ID, f["../x"] = "0000000000000000", nil },
		"the manifest's name":       func(r *denofn.Release, f map[string][]byte) { f["manifest.json"] = nil },
	} {
		rel, files := release("app", "a", "2")
		change(rel, files)
		if err := r.WriteRelease(rel, files); err == nil {
			t.Errorf("%s is written", name)
		}
	}
	if err := r.RemoveRelease("a", rel.ID); err != nil || r.Exists("a", rel.ID) {
		t.Errorf("the release is not removed: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "releases", "a")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the function's folder is left: %v", err)
	}
}

// What is live, or was, is not removed with a push that is refused.
func TestRemoveReleaseKeeps(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir)
	old := deploy(t, r, "app", "c1", "a=1")[0]
	now := deploy(t, r, "app", "c2", "a=2")[0]
	for _, rel := range []*denofn.Release{old, now} {
		if err := r.RemoveRelease("a", rel.ID); err != nil || !r.Exists("a", rel.ID) {
			t.Errorf("%s is removed: %v", rel, err)
		}
	}
}

func TestCollect(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir)
	var all []*denofn.Release
	for i := range registry.KeepReleases + 4 {
		all = append(all, deploy(t, r, "app", "c", fmt.Sprintf("a=%d", i))...)
	}
	gone := deploy(t, r, "app", "c", "b=1")[0]
	deploy(t, r, "app", "c", "b")
	running := all[1]
	unclaim, err := r.Claim("app", []registry.Wanted{{Function: "b"}})
	if err != nil {
		t.Fatal(err)
	}
	prepared := write(t, r, "app", "b", "2")
	inUse := func(_ denofn.FunctionName, id denofn.ReleaseID) bool { return id == running.ID }
	removed, err := r.Collect(inUse)
	if err != nil || len(removed) != 2 || removed[0].Function != "a" {
		t.Errorf("removed %v, %v", removed, err)
	}
	for i, rel := range all {
		if want := i == 1 || i >= 3; r.Exists("a", rel.ID) != want {
			t.Errorf("release %d of %d exists: %v", i, len(all), !want)
		}
	}
	if !r.Exists("b", prepared.ID) || !r.Exists("b", gone.ID) {
		t.Error("a release of a push that is being prepared is collected")
	}
	unclaim()
	unclaim()
	if removed, err = r.CollectOf([]denofn.FunctionName{"b", "nobody"}, inUse); err != nil || len(removed) != 2 {
		t.Errorf("removed %v, %v", removed, err)
	}
	r = open(t, dir)
	if _, err := os.Stat(filepath.Join(dir, "releases", "b")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder of a removed function is left: %v", err)
	}

	// What was gone back to counts as the latest.
	if err := r.Activate(registry.Change{Repository: "app", Commit: "c", Set: all[5:6]}); err != nil {
		t.Fatal(err)
	}
	if removed, err := r.Collect(inUse); err != nil || len(removed) != 0 {
		t.Errorf("removed %v, %v", removed, err)
	}
	wantLive(t, r, dir, "a=5")
}

func TestClaim(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir)
	rel, files := release("first", "site", "1")
	rel.Settings.Hosts = []string{"site.example"}
	rel.ID = registry.ID(rel, files)
	if err := r.WriteRelease(rel, files); err != nil {
		t.Fatal(err)
	}
	hello := write(t, r, "first", "hello", "1")
	if err := r.Activate(registry.Change{Repository: "first", Commit: "c", Set: []*denofn.Release{rel, hello}}); err != nil {
		t.Fatal(err)
	}
	hold, err := r.Claim("third", []registry.Wanted{{Function: "new", Hosts: []string{"new.example"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		repository denofn.RepositoryName
		wanted     []registry.Wanted
		refused    []string // one for each finding
	}{
		{"second", []registry.Wanted{{Function: "free", Hosts: []string{"free.example"}}}, nil},
		{"second", []registry.Wanted{{Function: "hello"}}, []string{`function name "hello" belongs to repository "first"`}},
		{"second", []registry.Wanted{{Function: "Hello"}}, []string{`function name "Hello" differs only in case from "hello", which belongs to repository "first"`}},
		{"second", []registry.Wanted{{Function: "hello"}, {Function: "SITE"}}, []string{`"hello"`, `"SITE"`}},
		{"second", []registry.Wanted{{Function: "NEW"}}, []string{`function name "new" is being deployed by a push of repository "third"`}},
		{"second", []registry.Wanted{{Function: "a", Hosts: []string{"site.example"}}}, []string{`function "a" asks for host "site.example", which belongs to function "site" of repository "first"`}},
		{"second", []registry.Wanted{{Function: "a", Hosts: []string{"new.example"}}}, []string{`which belongs to function "new" of repository "third"`}},
		{"second", []registry.Wanted{{Function: "a", Hosts: []string{"x.example"}}, {Function: "b", Hosts: []string{"x.example"}}}, []string{`functions "a" and "b" both ask for host "x.example"`}},
		{"second", []registry.Wanted{{Function: "a"}, {Function: "A"}}, []string{`"a" and "A"`}},
		{"first", []registry.Wanted{{Function: "hello", Hosts: []string{"site.example"}}, {Function: "Site"}}, nil},
		{"third", []registry.Wanted{{Function: "new", Hosts: []string{"new.example"}}}, nil},
	} {
		unclaim, err := r.Claim(c.repository, c.wanted)
		wrong, _ := errors.AsType[denofn.Diagnostics](err)
		if len(wrong) != len(c.refused) || (err == nil) != (unclaim != nil) {
			t.Errorf("claim of %v: %v", c.wanted, err)
		}
		for _, want := range c.refused {
			if !slices.ContainsFunc(wrong, func(d denofn.Diagnostic) bool { return strings.Contains(d.Message, want) && d.Hint != "" }) {
				t.Errorf("claim of %v: no finding has %s: %v", c.wanted, want, err)
			}
		}
		if unclaim != nil {
			unclaim()
		}
	}
	hold()
	if unclaim, err := r.Claim("second", []registry.Wanted{{Function: "new", Hosts: []string{"new.example"}}}); err != nil {
		t.Errorf("a name that was let go of is still claimed: %v", err)
	} else {
		unclaim()
	}
}
