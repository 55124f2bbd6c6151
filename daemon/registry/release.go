package registry

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon/durable"
)

const (
	manifestFile = "manifest.json"
	mainFile     = "main.js"
)

var releaseID = regexp.MustCompile(`^[0-9a-f]{16}$`)

func isReleaseID(id denofn.ReleaseID) bool { return releaseID.MatchString(string(id)) }

// ID returns the ID of a release with these files. It derives from all that
// shaped the release, so the same input has the same ID on every machine. The
// commit is left out: one that changes nothing about a function makes no release.
func ID(release *denofn.Release, files map[string][]byte) denofn.ReleaseID {
	content := *release
	content.ID, content.Commit = "", ""
	manifest, err := json.Marshal(content)
	if err != nil {
		panic(fmt.Sprintf("registry: a release cannot be written as JSON: %v", err)) // its types rule this out
	}
	h := sha256.New()
	add := func(b []byte) { // with its length, so that no two lists of parts look alike
		binary.Write(h, binary.BigEndian, uint64(len(b)))
		h.Write(b)
	}
	io.WriteString(h, "denofn release 1\n")
	add(manifest)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		add([]byte(name))
		add(files[name])
	}
	return denofn.ReleaseID(hex.EncodeToString(h.Sum(nil)[:8]))
}

// ReleaseDir returns the folder of a release, whether it exists or not.
func (r *Registry) ReleaseDir(name denofn.FunctionName, id denofn.ReleaseID) string {
	return filepath.Join(r.releasesDir(), string(name), string(id))
}

// Exists reports whether the release is on disk.
func (r *Registry) Exists(name denofn.FunctionName, id denofn.ReleaseID) bool {
	if !isReleaseID(id) {
		return false
	}
	_, err := os.Stat(filepath.Join(r.ReleaseDir(name, id), manifestFile))
	return err == nil
}

// WriteRelease puts a release on disk, where it has no effect until it is
// activated. A release that is there already is left as it is: its ID says that
// it is the same. The caller has a claim on the function's name.
func (r *Registry) WriteRelease(release *denofn.Release, files map[string][]byte) error {
	if _, err := denofn.ParseFunctionName(string(release.Function)); err != nil {
		return err
	}
	if !isReleaseID(release.ID) {
		return fmt.Errorf("release ID %q is not 16 hexadecimal digits", release.ID)
	}
	if _, ok := files[manifestFile]; ok {
		return fmt.Errorf("the file %s is the registry's own", manifestFile)
	}
	dir := r.ReleaseDir(release.Function, release.ID)
	if _, err := r.load(release.Function, release.ID); err == nil {
		return nil
	}
	manifest, err := json.MarshalIndent(release, "", "\t")
	if err != nil {
		return err
	}
	all := maps.Clone(files)
	if all == nil {
		all = make(map[string][]byte)
	}
	all[manifestFile] = append(manifest, '\n')
	if err := durable.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	err = durable.WriteDir(dir, all, 0o700)
	if errors.Is(err, fs.ErrExist) {
		if _, err := r.load(release.Function, release.ID); err == nil {
			return nil // another push of the repository was faster
		}
		if err := durable.RemoveDir(dir); err != nil {
			return fmt.Errorf("remove damaged release: %w", err)
		}
		err = durable.WriteDir(dir, all, 0o700)
	}
	return err
}

// RemoveRelease removes a release from disk, if there is nothing else that may
// need it: one that is live or can be gone back to stays.
func (r *Registry) RemoveRelease(name denofn.FunctionName, id denofn.ReleaseID) error {
	if !isReleaseID(id) {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.names[name.Fold()]; c != nil && c.holders > 1 {
		return nil // another push of the repository may have found it there
	}
	if f, ok := r.state.Functions[name]; ok && (f.Release == id || slices.Contains(f.Previous, id)) {
		return nil
	}
	return r.remove(name, id)
}

// remove removes a release, and the function's folder with the last of them.
func (r *Registry) remove(name denofn.FunctionName, id denofn.ReleaseID) error {
	dir := r.ReleaseDir(name, id)
	if err := durable.RemoveDir(dir); err != nil {
		return err
	}
	os.Remove(filepath.Dir(dir)) // fails if there are others, as it should
	return nil
}

// load reads the manifest of a release and checks that it belongs here and that
// its bundle is complete.
func (r *Registry) load(name denofn.FunctionName, id denofn.ReleaseID) (*denofn.Release, error) {
	dir := r.ReleaseDir(name, id)
	text, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if err != nil {
		return nil, err
	}
	release := new(denofn.Release)
	if err := json.Unmarshal(text, release); err != nil {
		return nil, fmt.Errorf("%s: %w", manifestFile, err)
	}
	if release.Function != name || release.ID != id {
		return nil, fmt.Errorf("%s is that of %s", manifestFile, release)
	}
	if release.BundleBytes == 0 {
		return release, nil
	}
	info, err := os.Stat(filepath.Join(dir, mainFile))
	if err != nil {
		return nil, err
	}
	if info.Size() != release.BundleBytes {
		return nil, fmt.Errorf("%s has %d bytes and should have %d", mainFile, info.Size(), release.BundleBytes)
	}
	return release, nil
}
