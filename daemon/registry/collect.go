package registry

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/denofn/denofn"
)

// InUse reports whether a process runs a release.
type InUse func(denofn.FunctionName, denofn.ReleaseID) bool

// Collect removes the releases that nobody needs: those that are not live, cannot
// be gone back to, and of which inUse reports no process. The functions that a
// push which is being prepared has claimed are left alone, since it may have
// written releases or found them there. Collect returns what it removed.
func (r *Registry) Collect(inUse InUse) ([]denofn.Release, error) {
	folders, err := os.ReadDir(r.releasesDir())
	if err != nil {
		return nil, err
	}
	var names []denofn.FunctionName
	for _, folder := range folders {
		if name, err := denofn.ParseFunctionName(folder.Name()); err == nil {
			names = append(names, name)
		}
	}
	return r.CollectOf(names, inUse)
}

// CollectOf is Collect for a few functions.
func (r *Registry) CollectOf(names []denofn.FunctionName, inUse InUse) ([]denofn.Release, error) {
	var removed []denofn.Release
	var errs []error
	for _, name := range names {
		gone, err := r.collectFunction(name, inUse)
		removed, errs = append(removed, gone...), append(errs, err)
	}
	return removed, errors.Join(errs...)
}

// collectFunction holds the lock for one function, so that a push waits for no
// more than that.
func (r *Registry) collectFunction(name denofn.FunctionName, inUse InUse) ([]denofn.Release, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.names[name.Fold()] != nil {
		return nil, nil
	}
	ids, err := os.ReadDir(filepath.Join(r.releasesDir(), string(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var removed []denofn.Release
	var errs []error
	f := r.state.Functions[name]
	for _, entry := range ids {
		id := denofn.ReleaseID(entry.Name())
		if !isReleaseID(id) || id == f.Release || slices.Contains(f.Previous, id) || inUse(name, id) {
			continue
		}
		if err := r.remove(name, id); err != nil {
			errs = append(errs, err)
			continue
		}
		removed = append(removed, denofn.Release{Function: name, ID: id})
	}
	if len(ids) == 0 { // a crash came before the first release
		os.Remove(filepath.Join(r.releasesDir(), string(name)))
	}
	return removed, errors.Join(errs...)
}
