package daemon

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon/static"
	"github.com/denofn/denofn/procman"
)

// staticDir returns the folder of f's static files in the tree, or "".
func staticDir(f source) string {
	if f.Settings.Static == "" {
		return ""
	}
	return path.Join(f.Dir, f.Settings.Static)
}

// addStatic adds the static files of f to a release that is being built, each of
// them as an input, and returns how many bytes they have as they were pushed.
//
// previous is the folder of the live release, or "".
func addStatic(ctx context.Context, f source, previous string, release *denofn.Release, files map[string][]byte) (size int64, err error) {
	dir := staticDir(f)
	if dir == "" {
		return 0, nil
	}
	made, err := static.Build(ctx, f.tree, dir, previous)
	if err != nil {
		return 0, err
	}
	paths, err := static.List(f.tree, dir)
	if err != nil {
		return 0, err
	}
	known := make(map[string]bool, len(release.Inputs))
	for _, in := range release.Inputs {
		known[in.Path] = true
	}
	for _, name := range paths {
		if known[name] {
			continue
		}
		hash, err := f.tree.Hash(name)
		if err != nil {
			return 0, fmt.Errorf("hash static file: %w", err)
		}
		release.Inputs = append(release.Inputs, denofn.Input{Path: name, Hash: hash})
	}
	slices.SortFunc(release.Inputs, func(a, b denofn.Input) int { return strings.Compare(a.Path, b.Path) })
	for name, data := range made {
		files[name] = data
	}
	return static.Size(made), nil
}

// staticUnchanged reports whether every static file of f is one that the active
// release was made from. Those that differ or are gone show in the inputs already.
func staticUnchanged(active *denofn.Release, f source) bool {
	dir := staticDir(f)
	if dir == "" {
		return true
	}
	paths, err := static.List(f.tree, dir)
	if err != nil {
		return false
	}
	for _, name := range paths {
		_, ok := slices.BinarySearchFunc(active.Inputs, name, func(in denofn.Input, name string) int { return strings.Compare(in.Path, name) })
		if !ok {
			return false
		}
	}
	return true
}

// poolUpdate is what the pool has to know of changes: a function of static files
// alone has no processes.
func poolUpdate(changes []procman.Change, removed []denofn.FunctionName) procman.Update {
	u := procman.Update{Remove: slices.Clone(removed)}
	for _, change := range changes {
		if r := change.Spec.Release; r.BundleBytes == 0 {
			u.Remove = append(u.Remove, r.Function)
		} else {
			u.Set = append(u.Set, change)
		}
	}
	return u
}
