package durable_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/denofn/denofn/daemon/durable"
)

// read returns every path below dir with its content: of a folder "/", of a link
// "→ target".
func read(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		switch {
		case d.IsDir():
			found[name] = "/"
		case d.Type() == fs.ModeSymlink:
			target, err := os.Readlink(path)
			found[name] = "→ " + target
			return err
		default:
			content, err := os.ReadFile(path)
			found[name] = string(content)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func wantTree(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	got := read(t, dir)
	for name, text := range want {
		if got[name] != text {
			t.Errorf("%s is %q, not %q", name, got[name], text)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is left over", name)
		}
	}
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state.json")
	for _, text := range []string{"one", "two, longer", ""} {
		if err := durable.WriteFile(path, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
		wantTree(t, dir, map[string]string{"state.json": text})
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o640 {
		t.Errorf("mode is %v, %v", info.Mode(), err)
	}
}

// A write that fails leaves what was there, and nothing beside it.
func TestWriteFileFails(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "folder/full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := durable.WriteFile(filepath.Join(dir, "folder"), []byte("x"), 0o600); err == nil {
		t.Error("a folder was replaced by a file")
	}
	if err := durable.WriteFile(filepath.Join(dir, "none/x"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("write in a folder that is not there: %v", err)
	}
	wantTree(t, dir, map[string]string{"folder": "/", "folder/full": "/"})
}

func TestWriteDir(t *testing.T) {
	dir := t.TempDir()
	files := map[string][]byte{"main.js": []byte("code"), "assets/deep/logo.svg": []byte("<svg/>")}
	if err := durable.WriteDir(filepath.Join(dir, "release"), files, 0o755); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"release": "/", "release/main.js": "code",
		"release/assets": "/", "release/assets/deep": "/", "release/assets/deep/logo.svg": "<svg/>",
	}
	wantTree(t, dir, want)
	for name, mode := range map[string]fs.FileMode{"release": 0o755 | fs.ModeDir, "release/assets": 0o755 | fs.ModeDir, "release/main.js": 0o644} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != mode {
			t.Errorf("mode of %s is %v, %v", name, info.Mode(), err)
		}
	}

	err := durable.WriteDir(filepath.Join(dir, "release"), map[string][]byte{"main.js": []byte("other")}, 0o755)
	if !errors.Is(err, fs.ErrExist) {
		t.Errorf("an existing folder was written: %v", err)
	}
	for _, name := range []string{"../out", "/etc/out", "a/../../out"} {
		if err := durable.WriteDir(filepath.Join(dir, "other"), map[string][]byte{name: nil}, 0o755); err == nil {
			t.Errorf("%s was written", name)
		}
	}
	wantTree(t, dir, want)
}

func TestRemoveDir(t *testing.T) {
	dir := t.TempDir()
	if err := durable.WriteDir(filepath.Join(dir, "release"), map[string][]byte{"a/b": nil}, 0o755); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing
		if err := durable.RemoveDir(filepath.Join(dir, "release")); err != nil {
			t.Fatal(err)
		}
		wantTree(t, dir, nil)
	}
	if err := durable.RemoveDir(filepath.Join(dir, "none/release")); err != nil {
		t.Error(err)
	}
}

func TestSymlink(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "hello.js")
	if err := os.WriteFile(path, []byte("a file from before"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"releases/one", "releases/two"} {
		if err := durable.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
		wantTree(t, dir, map[string]string{"hello.js": "→ " + target})
	}
}

func TestMkdirAll(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		if err := durable.MkdirAll(filepath.Join(dir, "a/b/c"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	wantTree(t, dir, map[string]string{"a": "/", "a/b": "/", "a/b/c": "/"})
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := durable.MkdirAll(filepath.Join(dir, "file/x"), 0o700); err == nil {
		t.Error("a folder was created below a file")
	}
}

func TestRemoveTemps(t *testing.T) {
	dir := t.TempDir()
	temp, err := os.MkdirTemp(dir, durable.TempPrefix+"*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(temp, "half"), filepath.Join(dir, durable.TempPrefix+"file"), filepath.Join(dir, "kept")} {
		if err := os.WriteFile(path, []byte(strings.Repeat("x", 10)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := durable.RemoveTemps(dir); err != nil {
		t.Fatal(err)
	}
	wantTree(t, dir, map[string]string{"kept": "xxxxxxxxxx"})
}
