// Package registry keeps releases on disk and knows which of them are live. It is
// where the half that takes pushes and the half that serves requests meet.
//
//	DIR/state.json               the truth: what is live, and of which commit
//	DIR/releases/NAME/ID/        a release: main.js, main.js.map, manifest.json, assets
//	DIR/NAME.js, DIR/NAME.json   links to what is live, for people
//
// Four rules make it safe to lose power at any instant:
//
//   - A release is complete and synced before it has its name, and never changes.
//   - Nothing is live but what state.json names, and the rename of state.json is
//     the only step that makes anything live: all of a push or nothing.
//   - The links follow. Nobody reads them to decide anything, and Open mends them.
//   - The repositories are the truth about source. What is damaged here is put
//     aside and reported by Repairs, and the repository it came from counts as not
//     deployed, so that whoever opened the registry deploys it again. The folder
//     may even be deleted as a whole.
//
// registry.go opens and answers, release.go has one release on disk, activate.go
// the atomic step, claim.go who may have a name, collect.go what is no longer
// needed, and state.go the file.
package registry

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon/durable"
)

// A Registry is the releases below one folder. It is safe for concurrent use; no
// other process may write to the folder.
type Registry struct {
	dir     string
	repairs []string // set by Open

	// mu guards what follows. It is held while state.json is written, so that the
	// file and the memory never differ for a reader, and not while releases are.
	mu         sync.Mutex
	state      state
	active     map[denofn.FunctionName]*denofn.Release
	sorted     []*denofn.Release // active's values by name; replaced, never changed
	names      map[string]*claim // by folded function name
	hosts      map[string]*claim // by host name
	staleLinks map[denofn.FunctionName]bool
}

// Open reads the registry in dir, creating it if there is none, and clears away
// what a crash has left.
func Open(dir string) (*Registry, error) {
	r := &Registry{
		dir:        dir,
		active:     make(map[denofn.FunctionName]*denofn.Release),
		names:      make(map[string]*claim),
		hosts:      make(map[string]*claim),
		staleLinks: make(map[denofn.FunctionName]bool),
	}
	if err := durable.MkdirAll(r.releasesDir(), 0o700); err != nil {
		return nil, fmt.Errorf("create folder: %w", err)
	}
	if err := r.removeTemps(); err != nil {
		return nil, fmt.Errorf("remove leftovers: %w", err)
	}
	if err := r.openState(); err != nil {
		return nil, err
	}
	if err := r.openActive(); err != nil {
		return nil, err
	}
	r.sort()
	if err := r.relink(); err != nil {
		return nil, fmt.Errorf("link releases: %w", err)
	}
	return r, nil
}

func (r *Registry) removeTemps() error {
	names, err := os.ReadDir(r.releasesDir())
	if err != nil {
		return err
	}
	dirs := []string{r.dir, r.releasesDir()}
	for _, n := range names {
		if n.IsDir() {
			dirs = append(dirs, filepath.Join(r.releasesDir(), n.Name()))
		}
	}
	for _, dir := range dirs {
		if err := durable.RemoveTemps(dir); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

// openActive reads the releases that the state names. One that is damaged is
// removed, and its repository counts as not deployed.
func (r *Registry) openActive() error {
	for name, f := range r.state.Functions {
		release, err := r.load(name, f.Release)
		if err == nil {
			r.active[name] = release
			continue
		}
		if err := durable.RemoveDir(r.ReleaseDir(name, f.Release)); err != nil {
			return fmt.Errorf("remove damaged release %s@%s: %w", name, f.Release, err)
		}
		delete(r.state.Functions, name)
		delete(r.state.Repositories, f.Repository)
		r.repairs = append(r.repairs, fmt.Sprintf("release %s@%s was damaged and is removed: %v", name, f.Release, err))
	}
	slices.Sort(r.repairs)
	return nil
}

// Repairs tells what Open found damaged and what it did about it, one sentence
// each, for the log.
func (r *Registry) Repairs() []string { return r.repairs }

// Active returns the live release of a function. It must not be changed.
func (r *Registry) Active(name denofn.FunctionName) (*denofn.Release, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	release, ok := r.active[name]
	return release, ok
}

// Functions returns the live releases, sorted by function. Neither the slice nor
// the releases may be changed.
func (r *Registry) Functions() []*denofn.Release {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sorted
}

// Deployed returns the commit of the repository that was last made live: "" for
// a deploy branch that was deleted. It reports false if nothing ever was, or if
// what was is damaged.
func (r *Registry) Deployed(repository denofn.RepositoryName) (commit string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	commit, ok = r.state.Repositories[repository]
	return commit, ok
}

// sort renews the sorted releases. The lock is held.
func (r *Registry) sort() {
	r.sorted = slices.SortedFunc(maps.Values(r.active), func(a, b *denofn.Release) int {
		return cmp.Compare(a.Function, b.Function)
	})
}

func (r *Registry) releasesDir() string { return filepath.Join(r.dir, "releases") }
