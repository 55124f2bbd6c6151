package gittree_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/storer"

	"github.com/denofn/denofn/daemon/gittree"
)

// names are those that real repositories have and naive code trips over.
// "lib.ts" sorts before the folder "lib" in git and after it in a file system.
var names = []string{
	"index.ts", "lib/a.ts", "lib/deep/er/b.ts", "lib.ts", "lib-x/a.ts", "Grüße/日本語.ts",
	"with space/and 'quotes'.ts", "-dash", "..dots", ".hidden/.x", "new\nline", "emoji/🦕.ts",
}

func TestIsAFileSystem(t *testing.T) {
	r := newRepository(t)
	for _, name := range names {
		r.write(name, "content of "+name)
	}
	r.write("empty", "")
	commit := r.commit()
	check := func(t *testing.T) {
		if err := fstest.TestFS(r.tree(commit), append(names, "empty")...); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("loose objects", check)
	r.git("update-ref", "refs/heads/main", commit.String())
	r.git("gc", "-q", "--prune=now")
	t.Run("packed objects", check)
}

func TestIsAFileSystemWithLinks(t *testing.T) {
	r := newRepository(t)
	r.write("lib/a.ts", "a")
	r.link("lib/a.ts", "a.ts")
	r.link("lib", "library")
	if err := fstest.TestFS(r.tree(r.commit()), "a.ts", "library", "lib/a.ts"); err != nil {
		t.Fatal(err)
	}
}

// A tree reads as the folder that it was committed from.
func TestReadsWhatWasCommitted(t *testing.T) {
	r := newRepository(t)
	for _, name := range names {
		r.write(name, "content of "+name)
	}
	r.write(`back\slash.ts`, "which fstest does not allow")
	r.link("lib", "a link")
	r.link("../index.ts", "lib/up.ts")
	if err := os.Chmod(filepath.Join(r.dir, "-dash"), 0o755); err != nil {
		t.Fatal(err)
	}
	tree := r.tree(r.commit())
	disk := os.DirFS(r.dir)

	describe := func(fsys fs.FS) (lines []string) {
		err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if name == ".git" {
				return fs.SkipDir
			}
			if d.IsDir() {
				lines = append(lines, name+"/")
				return nil
			}
			info, err := fs.Lstat(fsys, name)
			if err != nil {
				return err
			}
			executable := info.Mode()&0o100 != 0
			if d.Type()&fs.ModeSymlink != 0 {
				target, err := fs.ReadLink(fsys, name)
				lines = append(lines, fmt.Sprintf("%s -> %s %d", name, target, info.Size()))
				return err
			}
			content, err := fs.ReadFile(fsys, name)
			lines = append(lines, fmt.Sprintf("%s %v %d %s", name, executable, info.Size(), content))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return lines
	}
	if got, want := describe(tree), describe(disk); !slices.Equal(got, want) {
		t.Errorf("the tree reads\n%s\nbut the folder\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	info, err := tree.Stat("index.ts")
	if err != nil || !info.ModTime().Equal(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) || info.Mode() != 0o444 {
		t.Errorf("index.ts is %v, %v", info, err)
	}
}

func TestEmptyTree(t *testing.T) {
	r := newRepository(t)
	tree := r.tree(r.commit())
	if err := fstest.TestFS(tree); err != nil {
		t.Fatal(err)
	}
	if _, err := tree.Open("index.ts"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open in an empty tree: %v", err)
	}
}

func TestLinks(t *testing.T) {
	r := newRepository(t)
	r.write("secret", "not in the tree")
	r.write("lib/a.ts", "a")
	r.write("lib/deep/b.ts", "b")
	for name, target := range map[string]string{
		"to-file":         "lib/a.ts",
		"to-folder":       "lib",
		"to-link":         "to-folder/deep/b.ts",
		"lib/deep/up":     "../../lib/./a.ts",
		"lib/deep/beyond": "../../../outside",
		"absolute":        "/etc/passwd",
		"parent":          "..",
		"out-and-in":      "../" + filepath.Base(r.dir) + "/lib/a.ts",
		"dangling":        "nowhere",
		"self":            "self",
		"ping":            "pong",
		"pong":            "ping",
		"slash-on-file":   "lib/a.ts/",
		"up-from-file":    "lib/a.ts/../a.ts",
		"long":            strings.Repeat("lib/../", 500) + "lib/a.ts",
	} {
		r.link(target, name)
	}
	tree := r.tree(r.commit())

	for _, tt := range []struct {
		name    string
		content string
		err     error
	}{
		{"to-file", "a", nil},
		{"to-folder/a.ts", "a", nil},
		{"to-link", "b", nil},
		{"to-folder/deep/up", "a", nil},
		{"long", "a", nil},
		{"lib/deep/beyond", "", gittree.ErrEscapes},
		{"absolute", "", gittree.ErrEscapes},
		{"parent", "", gittree.ErrEscapes},
		{"parent/etc/passwd", "", gittree.ErrEscapes},
		{"out-and-in", "", gittree.ErrEscapes},
		{"dangling", "", fs.ErrNotExist},
		{"self", "", syscall.ELOOP},
		{"ping", "", syscall.ELOOP},
		{"slash-on-file", "", fs.ErrNotExist},
		{"up-from-file", "", fs.ErrNotExist},
		{"lib/a.ts/x", "", fs.ErrNotExist},
	} {
		content, err := tree.ReadFile(tt.name)
		if string(content) != tt.content || !errors.Is(err, tt.err) {
			t.Errorf("ReadFile(%q) = %q, %v, not %q, %v", tt.name, content, err, tt.content, tt.err)
		}
		if perr, ok := errors.AsType[*fs.PathError](err); err != nil && (!ok || perr.Path != tt.name) {
			t.Errorf("ReadFile(%q): %v is not an error about the path", tt.name, err)
		}
		if _, err := tree.Open(tt.name); !errors.Is(err, tt.err) {
			t.Errorf("Open(%q): %v, not %v", tt.name, err, tt.err)
		}
		if _, err := tree.Stat(tt.name); !errors.Is(err, tt.err) {
			t.Errorf("Stat(%q): %v, not %v", tt.name, err, tt.err)
		}
	}

	for name, want := range map[string]string{"absolute": "/etc/passwd", "to-folder/deep/up": "../../lib/./a.ts", "dangling": "nowhere"} {
		if got, err := tree.ReadLink(name); got != want || err != nil {
			t.Errorf("ReadLink(%q) = %q, %v", name, got, err)
		}
		if info, err := tree.Lstat(name); err != nil || info.Mode().Type() != fs.ModeSymlink || info.Size() != int64(len(want)) || info.Name() != path.Base(name) {
			t.Errorf("Lstat(%q) = %v, %v", name, info, err)
		}
	}
	if _, err := tree.ReadLink("lib/a.ts"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("ReadLink of a file: %v", err)
	}
	if info, err := tree.Stat("to-folder"); err != nil || !info.IsDir() || info.Name() != "to-folder" {
		t.Errorf("Stat of a link to a folder: %v, %v", info, err)
	}
	if entries, err := tree.ReadDir("to-folder"); err != nil || len(entries) != 2 {
		t.Errorf("ReadDir through a link: %v, %v", entries, err)
	}
}

func TestHash(t *testing.T) {
	r := newRepository(t)
	r.write("lib/a.ts", "a")
	r.link("a.ts", "lib/link.ts")
	r.link("lib", "folder")
	tree := r.tree(r.commit())
	for _, name := range []string{"lib/a.ts", "lib/link.ts", "folder"} {
		want := r.git("rev-parse", ":"+name)
		if got, err := tree.Hash(name); got != want || err != nil {
			t.Errorf("Hash(%q) = %q, %v, not %q", name, got, err, want)
		}
	}
	for _, name := range []string{"folder/a.ts", "lib/none.ts", "lib/a.ts/x"} {
		if got, err := tree.Hash(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Hash(%q) = %q, %v", name, got, err)
		}
	}
	if got, err := tree.Hash("lib"); err == nil {
		t.Errorf("Hash of a folder is %q", got)
	}
}

func TestSubmoduleIsAnEmptyFolder(t *testing.T) {
	r := newRepository(t)
	r.write("index.ts", "")
	r.git("add", "-A")
	r.git("update-index", "--add", "--cacheinfo", "160000,"+strings.Repeat("ab", 20)+",vendored")
	tree := r.tree(r.commitTree(r.git("write-tree")))
	if err := fstest.TestFS(tree, "index.ts", "vendored"); err != nil {
		t.Fatal(err)
	}
	entries, err := tree.ReadDir("vendored")
	if err != nil || len(entries) != 0 {
		t.Errorf("a submodule holds %v, %v", entries, err)
	}
	if _, err := tree.Open("vendored/index.ts"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open in a submodule: %v", err)
	}
	if hash, err := tree.Hash("vendored"); err == nil {
		t.Errorf("a submodule has the blob hash %s", hash)
	}
}

// A hand-made pack may hold trees that git would never write.
func TestNamesThatNoPathCanHave(t *testing.T) {
	r := newRepository(t)
	first, second := r.object("blob", "first"), r.object("blob", "second")
	raw := func(entries ...[2]string) string {
		var tree strings.Builder
		for _, e := range entries {
			hash := plumbing.NewHash(e[1])
			fmt.Fprintf(&tree, "%s\x00%s", e[0], hash[:])
		}
		return r.object("tree", tree.String())
	}
	top := raw(
		[2]string{"100644 good.ts", first},
		[2]string{"100644 good.ts", second},
		[2]string{"100644 .", second},
		[2]string{"100644 ..", second},
		[2]string{"100644 ../../etc/passwd", second},
		[2]string{"100644 latin-\xe9", second},
		[2]string{"100664 aged.ts", first},
	)
	tree := r.tree(r.commitTree(top))
	if err := fstest.TestFS(tree, "good.ts", "aged.ts"); err != nil {
		t.Fatal(err)
	}
	entries, err := tree.ReadDir(".")
	if err != nil || len(entries) != 2 {
		t.Errorf("the tree lists %v, %v", entries, err)
	}
	if content, err := tree.ReadFile("good.ts"); string(content) != "first" || err != nil {
		t.Errorf("good.ts reads %q, %v", content, err)
	}
}

func TestPathsThatAreNone(t *testing.T) {
	r := newRepository(t)
	r.write("lib/a.ts", "a")
	tree := r.tree(r.commit())
	for _, name := range []string{"", "/", "/lib", "lib/", "./lib", "lib/../lib/a.ts", "..", "lib//a.ts"} {
		if _, err := tree.Open(name); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("Open(%q): %v", name, err)
		}
		if _, err := tree.Hash(name); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("Hash(%q): %v", name, err)
		}
	}
}

func TestTooLarge(t *testing.T) {
	r := newRepository(t)
	r.write("large", strings.Repeat("x", gittree.MaxFileBytes))
	r.write("larger", strings.Repeat("x", gittree.MaxFileBytes+1))
	objects := &countingObjects{EncodedObjectStorer: r.objects()}
	tree, err := gittree.New(objects, r.commit())
	if err != nil {
		t.Fatal(err)
	}
	if content, err := tree.ReadFile("large"); len(content) != gittree.MaxFileBytes || err != nil {
		t.Errorf("ReadFile returns %d bytes, %v", len(content), err)
	}
	objects.reset()
	if _, err := tree.ReadFile("larger"); !errors.Is(err, gittree.ErrTooLarge) {
		t.Errorf("ReadFile: %v", err)
	}
	if _, err := tree.Open("larger"); !errors.Is(err, gittree.ErrTooLarge) {
		t.Errorf("Open: %v", err)
	}
	if n := objects.total(); n != 0 {
		t.Errorf("%d objects were read to find that a file is too large", n)
	}
	if info, err := tree.Stat("larger"); err != nil || info.Size() != gittree.MaxFileBytes+1 {
		t.Errorf("Stat: %v, %v", info, err)
	}
}

func TestMissingObjects(t *testing.T) {
	r := newRepository(t)
	if _, err := gittree.New(r.objects(), plumbing.NewHash(strings.Repeat("12", 20))); !errors.Is(err, plumbing.ErrObjectNotFound) {
		t.Errorf("New with a commit that is not there: %v", err)
	}
	absent := strings.Repeat("34", 20)
	top := r.gitInput("100644 blob "+absent+"\ta.ts\n040000 tree "+absent+"\tlib\n", "mktree", "--missing")
	tree := r.tree(r.commitTree(top))
	for name, read := range map[string]func() error{
		"a file":   func() error { _, err := tree.ReadFile("a.ts"); return err },
		"a folder": func() error { _, err := tree.ReadDir("lib"); return err },
		"a path":   func() error { _, err := tree.Stat("lib/a.ts"); return err },
	} {
		// A damaged repository must not look like one without the file.
		if err := read(); !errors.Is(err, plumbing.ErrObjectNotFound) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s whose object is missing: %v", name, err)
		}
	}
}

// countingObjects counts the objects that are read from a storer.
type countingObjects struct {
	storer.EncodedObjectStorer
	mu   sync.Mutex
	read map[plumbing.Hash]int
}

func (c *countingObjects) EncodedObject(kind plumbing.ObjectType, hash plumbing.Hash) (plumbing.EncodedObject, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.read == nil {
		c.read = make(map[plumbing.Hash]int)
	}
	c.read[hash]++
	return c.EncodedObjectStorer.EncodedObject(kind, hash)
}

func (c *countingObjects) reset() { c.read = nil }

func (c *countingObjects) total() (n int) {
	for _, times := range c.read {
		n += times
	}
	return n
}

func TestReadsOnlyThePath(t *testing.T) {
	r := newRepository(t)
	for i := range 300 {
		r.write(fmt.Sprintf("f%d/index.ts", i), fmt.Sprint(i))
		r.write(fmt.Sprintf("f%d/lib/a.ts", i), fmt.Sprint(i))
	}
	objects := &countingObjects{EncodedObjectStorer: r.objects()}
	tree, err := gittree.New(objects, r.commit())
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if content, err := tree.ReadFile("f7/index.ts"); string(content) != "7" || err != nil {
			t.Fatalf("ReadFile: %q, %v", content, err)
		}
		if _, err := tree.Hash("f7/index.ts"); err != nil {
			t.Fatal(err)
		}
	}
	// The commit, the top folder and f7 once, and the file each time.
	if n := objects.total(); n != 6 {
		t.Errorf("%d objects were read, not 6", n)
	}
}

func TestConcurrentUse(t *testing.T) {
	r := newRepository(t)
	for i := range 40 {
		r.write(fmt.Sprintf("f%d/index.ts", i), fmt.Sprint(i))
		r.link("index.ts", fmt.Sprintf("f%d/link.ts", i))
	}
	commit := r.commit()
	r.git("update-ref", "refs/heads/main", commit.String())
	r.git("repack", "-adq")
	tree := r.tree(commit)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 40 {
				f, err := tree.Open(fmt.Sprintf("f%d/link.ts", i))
				if err != nil {
					t.Error(err)
					return
				}
				content, err := io.ReadAll(f)
				if string(content) != fmt.Sprint(i) || err != nil {
					t.Errorf("f%d reads %q, %v", i, content, err)
				}
			}
		})
	}
	all.Wait()
}
