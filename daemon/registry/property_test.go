package registry_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon/registry"
)

// TestProperties plays random pushes, refusals, rollbacks, collections and
// restarts, and compares the registry with a model after each: what is live, who
// owns it, and that everything that can be gone back to is complete on disk.
func TestProperties(t *testing.T) {
	names := []denofn.FunctionName{"a", "b", "B", "c"}
	repositories := []denofn.RepositoryName{"app", "other"}
	texts := []string{"1", "22", "333"}
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "registry")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		m := &model{dir: dir, live: make(map[denofn.FunctionName]*denofn.Release), deployed: make(map[denofn.RepositoryName]string), past: make(map[denofn.FunctionName][]denofn.ReleaseID)}
		m.reopen(t)
		step := 0
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				step++
				repository := rapid.SampledFrom(repositories).Draw(t, "repository")
				pushed := make(map[denofn.FunctionName]string)
				for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, 3, rapid.ID).Draw(t, "functions") {
					pushed[name] = rapid.SampledFrom(texts).Draw(t, "text")
				}
				m.push(t, repository, fmt.Sprintf("c%d", step), pushed, rapid.Bool().Draw(t, "refused"))
			},
			"rollback": func(t *rapid.T) {
				name := rapid.SampledFrom(names).Draw(t, "function")
				if live, ok := m.live[name]; ok && len(m.past[name]) > 0 {
					m.rollback(t, live, rapid.SampledFrom(m.past[name]).Draw(t, "release"))
				}
			},
			"collect": func(t *rapid.T) {
				if _, err := m.r.Collect(func(denofn.FunctionName, denofn.ReleaseID) bool { return false }); err != nil {
					t.Fatal(err)
				}
			},
			"restart": m.reopen,
			"":        m.check,
		})
	})
}

// A model is what the registry has to be.
type model struct {
	dir      string
	r        *registry.Registry
	live     map[denofn.FunctionName]*denofn.Release
	deployed map[denofn.RepositoryName]string
	past     map[denofn.FunctionName][]denofn.ReleaseID // the latest first
}

func (m *model) reopen(t *rapid.T) {
	r, err := registry.Open(m.dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Repairs()) > 0 {
		t.Fatalf("repairs: %v", r.Repairs())
	}
	m.r = r
}

// owned reports whether the repository may have the function.
func (m *model) owned(repository denofn.RepositoryName, name denofn.FunctionName) bool {
	for other, release := range m.live {
		if strings.EqualFold(string(other), string(name)) && release.Repository != repository {
			return false
		}
	}
	return true
}

func (m *model) push(t *rapid.T, repository denofn.RepositoryName, commit string, pushed map[denofn.FunctionName]string, refused bool) {
	var wanted []registry.Wanted
	allowed := true
	folded := make(map[string]bool)
	for name := range pushed {
		allowed = allowed && !folded[name.Fold()]
		folded[name.Fold()] = true
		wanted = append(wanted, registry.Wanted{Function: name})
		allowed = allowed && m.owned(repository, name)
	}
	unclaim, err := m.r.Claim(repository, wanted)
	if (err == nil) != allowed {
		t.Fatalf("claim of %v by %s: %v", pushed, repository, err)
	}
	if err != nil {
		return
	}
	defer unclaim()
	change := registry.Change{Repository: repository, Commit: commit}
	var written []*denofn.Release
	for _, name := range slices.Sorted(maps.Keys(pushed)) {
		release, files := release(repository, name, pushed[name])
		if !m.r.Exists(name, release.ID) {
			written = append(written, release)
		}
		if err := m.r.WriteRelease(release, files); err != nil {
			t.Fatal(err)
		}
		change.Set = append(change.Set, release)
	}
	if refused {
		for _, release := range written {
			if err := m.r.RemoveRelease(release.Function, release.ID); err != nil || m.r.Exists(release.Function, release.ID) {
				t.Fatalf("%s is left of a push that was refused: %v", release, err)
			}
		}
		return
	}
	for name, release := range m.live {
		if _, ok := pushed[name]; release.Repository == repository && !ok {
			change.Remove = append(change.Remove, name)
		}
	}
	if err := m.r.Activate(change); err != nil {
		t.Fatal(err)
	}
	m.deployed[repository] = commit
	for _, name := range change.Remove {
		delete(m.live, name)
		delete(m.past, name)
	}
	for _, release := range change.Set {
		m.set(release)
	}
}

func (m *model) set(release *denofn.Release) {
	name := release.Function
	past := m.past[name]
	if now, ok := m.live[name]; ok && now.ID != release.ID {
		past = slices.Insert(past, 0, now.ID)
	}
	m.past[name] = slices.DeleteFunc(past, func(id denofn.ReleaseID) bool { return id == release.ID })
	m.live[name] = release
}

func (m *model) rollback(t *rapid.T, live *denofn.Release, id denofn.ReleaseID) {
	old := *live
	old.ID = id
	if err := m.r.Activate(registry.Change{Repository: live.Repository, Commit: m.deployed[live.Repository], Set: []*denofn.Release{&old}}); err != nil {
		t.Fatal(err)
	}
	m.set(&old)
}

func (m *model) check(t *rapid.T) {
	functions := m.r.Functions()
	if len(functions) != len(m.live) {
		t.Fatalf("%d functions are live, not %d", len(functions), len(m.live))
	}
	for i, f := range functions {
		want := m.live[f.Function]
		if want == nil || f.ID != want.ID || f.Repository != want.Repository {
			t.Fatalf("%s of %s is live, not %v", f, f.Repository, want)
		}
		if i > 0 && functions[i-1].Function >= f.Function {
			t.Fatalf("%s comes before %s", functions[i-1].Function, f.Function)
		}
		for _, id := range append([]denofn.ReleaseID{f.ID}, m.past[f.Function]...) {
			if !m.r.Exists(f.Function, id) {
				t.Fatalf("%s@%s is gone", f.Function, id)
			}
		}
	}
	for repository, commit := range m.deployed {
		if got, ok := m.r.Deployed(repository); !ok || got != commit {
			t.Fatalf("deployed of %s is %q, not %q", repository, got, commit)
		}
	}
}
