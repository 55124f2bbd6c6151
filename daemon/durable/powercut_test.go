package durable_test

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/denofn/denofn/daemon/durable"
)

// A watcher knows what a power cut would leave: of every file the content, and of
// every folder the names, as of the last sync. It is strict about renames, which a
// file system may keep earlier than anybody asked: what is renamed has to be synced
// before, all of it.
type watcher struct {
	t       *testing.T
	mu      sync.Mutex
	files   map[uint64]string            // content by inode
	folders map[uint64]map[string]uint64 // inodes by name, by inode
}

func watch(t *testing.T) (*watcher, durable.Disk) {
	w := &watcher{t: t, files: make(map[uint64]string), folders: make(map[uint64]map[string]uint64)}
	return w, durable.Watched(w.sync, w.rename)
}

func inode(info fs.FileInfo) uint64 { return info.Sys().(*syscall.Stat_t).Ino }

func (w *watcher) sync(f *os.File) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.IsDir() {
		w.folders[inode(info)] = names(w.t, f.Name())
		return nil
	}
	content, err := os.ReadFile(f.Name())
	w.files[inode(info)] = string(content)
	return err
}

func names(t *testing.T, dir string) map[string]uint64 {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]uint64)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), durable.TempPrefix) {
			continue // means nothing
		}
		if info, err := e.Info(); err == nil {
			all[e.Name()] = inode(info)
		}
	}
	return all
}

func (w *watcher) rename(from, to string) error {
	w.mu.Lock()
	w.safe(from)
	w.mu.Unlock()
	return os.Rename(from, to)
}

// safe checks that all of what is at path would survive a power cut.
func (w *watcher) safe(path string) {
	w.t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		return // the rename will tell
	}
	switch {
	case info.Mode().IsRegular():
		content, err := os.ReadFile(path)
		if synced, ok := w.files[inode(info)]; err != nil || !ok || synced != string(content) {
			w.t.Errorf("%s would be lost: it has %q, and %q is synced", path, content, synced)
		}
	case info.IsDir():
		now := names(w.t, path)
		if !maps.Equal(w.folders[inode(info)], now) {
			w.t.Errorf("of %s would be lost what is in it: %v, and %v is synced", path, now, w.folders[inode(info)])
		}
		for name := range now {
			w.safe(filepath.Join(path, name))
		}
	}
}

// kept checks that what is below dir would survive as it is.
func (w *watcher) kept(dir string, what string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.t.Failed() {
		return
	}
	w.safe(dir)
	if w.t.Failed() {
		w.t.Errorf("after %s", what)
	}
}

// What a function has returned from survives a power cut, and nothing has its name
// before it would.
func TestPowerCut(t *testing.T) {
	w, d := watch(t)
	dir := t.TempDir()
	check := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		w.kept(dir, what)
	}
	check("MkdirAll", d.MkdirAll(filepath.Join(dir, "a/b"), 0o700))
	for i := range 3 {
		check("WriteFile", d.WriteFile(filepath.Join(dir, "state.json"), fmt.Append(nil, "state ", i), 0o600))
	}
	files := map[string][]byte{"main.js": []byte("code"), "assets/deep/x": []byte("x"), "assets/y": nil}
	check("WriteDir", d.WriteDir(filepath.Join(dir, "a/b/release"), files, 0o700))
	for range 2 {
		check("Symlink", d.Symlink("a/b/release/main.js", filepath.Join(dir, "hello.js")))
	}
	check("RemoveDir", d.RemoveDir(filepath.Join(dir, "a/b/release")))
}
