package registry

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/denofn/denofn"
)

// A Kept is a release that is on disk, and since when.
type Kept struct {
	*denofn.Release
	Made time.Time
}

// Releases returns what a function can be served from: the live release, and then
// those that can be gone back to, the one before it first. It returns nil if there
// is no such function.
func (r *Registry) Releases(name denofn.FunctionName) []Kept {
	r.mu.Lock()
	f, ok := r.state.Functions[name]
	r.mu.Unlock()
	if !ok {
		return nil
	}
	var kept []Kept
	for _, id := range slices.Concat([]denofn.ReleaseID{f.Release}, f.Previous) {
		release, err := r.load(name, id)
		if err != nil { // damaged, or collected in this moment
			continue
		}
		k := Kept{Release: release}
		if info, err := os.Stat(filepath.Join(r.ReleaseDir(name, id), manifestFile)); err == nil {
			k.Made = info.ModTime()
		}
		kept = append(kept, k)
	}
	return kept
}

// Former returns the release of a function that id, or its beginning, names; the
// one before the live release when id is empty.
func (r *Registry) Former(name denofn.FunctionName, id string) (*denofn.Release, error) {
	kept := r.Releases(name)
	if len(kept) == 0 {
		return nil, fmt.Errorf("there is no function %s", name)
	}
	if id == "" {
		if len(kept) == 1 {
			return nil, fmt.Errorf("%s has no former release", name)
		}
		return kept[1].Release, nil
	}
	var found []*denofn.Release
	for _, k := range kept {
		if strings.HasPrefix(string(k.ID), id) {
			found = append(found, k.Release)
		}
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("%s has no release %s", name, id)
	case 1:
		return found[0], nil
	}
	return nil, fmt.Errorf("%d releases of %s begin with %s", len(found), name, id)
}
