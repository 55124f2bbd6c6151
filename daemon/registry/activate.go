package registry

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon/durable"
)

// KeepReleases is how many former releases of a function can be gone back to.
const KeepReleases = 10

// A Change is what one push makes live.
type Change struct {
	Repository denofn.RepositoryName
	Commit     string            // hexadecimal; "": the deploy branch is gone
	Set        []*denofn.Release // on disk already
	Remove     []denofn.FunctionName
}

// Activate makes all of the change live in one step. After an error nothing of it
// is.
func (r *Registry) Activate(change Change) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := r.state.clone()
	next.Repositories[change.Repository] = change.Commit
	for _, name := range change.Remove {
		if f, ok := next.Functions[name]; ok && f.Repository != change.Repository {
			return fmt.Errorf("remove function %s: it belongs to repository %s", name, f.Repository)
		}
		delete(next.Functions, name)
	}
	set := make([]*denofn.Release, len(change.Set))
	for i, asked := range change.Set {
		// What is on disk counts: a release made by an earlier commit names that one.
		release, err := r.load(asked.Function, asked.ID)
		if err != nil {
			return fmt.Errorf("read release %s: %w", asked, err)
		}
		if release.Repository != change.Repository {
			return fmt.Errorf("set function %s: its release is of repository %s", release.Function, release.Repository)
		}
		if f, ok := next.Functions[release.Function]; ok && f.Repository != change.Repository {
			return fmt.Errorf("set function %s: it belongs to repository %s", release.Function, f.Repository)
		}
		next.Functions[release.Function] = succeed(next.Functions[release.Function], release)
		set[i] = release
	}
	if err := next.check(); err != nil { // nothing is written that could not be read again
		return fmt.Errorf("activate: %w", err)
	}
	if err := r.writeState(next); err != nil {
		// The rename may have been done. Whether it was or not, what is live now is
		// to be live after a restart.
		return errors.Join(fmt.Errorf("write state: %w", err), r.writeState(r.state))
	}
	r.state = next
	for _, name := range change.Remove {
		delete(r.active, name)
		r.staleLinks[name] = true
	}
	for _, release := range set {
		r.active[release.Function] = release
		r.staleLinks[release.Function] = true
	}
	r.sort()
	r.link()
	return nil
}

// succeed makes release the live one of a function and remembers the one before.
func succeed(f functionInForce, release *denofn.Release) functionInForce {
	previous := f.Previous
	if f.Release != "" && f.Release != release.ID {
		previous = slices.Concat([]denofn.ReleaseID{f.Release}, previous)
	}
	previous = slices.DeleteFunc(slices.Clone(previous), func(id denofn.ReleaseID) bool { return id == release.ID })
	if len(previous) > KeepReleases {
		previous = previous[:KeepReleases]
	}
	return functionInForce{Repository: release.Repository, Release: release.ID, Previous: previous}
}

// linkNames are the links of a function and the files of its release.
var linkNames = map[string]string{".js": mainFile, ".json": manifestFile}

// link makes the links of every function that needs it agree with what is live. A
// link that cannot be made waits for the next change: nothing depends on it. The
// lock is held.
func (r *Registry) link() {
	for name := range r.staleLinks {
		if r.linkFunction(name) == nil {
			delete(r.staleLinks, name)
		}
	}
}

func (r *Registry) linkFunction(name denofn.FunctionName) error {
	for suffix, file := range linkNames {
		path := filepath.Join(r.dir, string(name)+suffix)
		release := r.active[name]
		if release == nil || file == mainFile && release.BundleBytes == 0 {
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			continue
		}
		target := filepath.Join("releases", string(name), string(release.ID), file)
		if now, err := os.Readlink(path); err == nil && now == target {
			continue
		}
		if err := durable.Symlink(target, path); err != nil {
			return err
		}
	}
	return nil
}

// relink makes all links agree with what is live, after a crash between the two.
func (r *Registry) relink() error {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		base, ok := strings.CutSuffix(e.Name(), ".json")
		if !ok {
			base, ok = strings.CutSuffix(e.Name(), ".js")
		}
		if ok && e.Type() == fs.ModeSymlink {
			if name, err := denofn.ParseFunctionName(base); err == nil {
				r.staleLinks[name] = true
			}
		}
	}
	for name := range r.active {
		r.staleLinks[name] = true
	}
	r.link()
	return nil
}
