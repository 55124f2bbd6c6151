package gitreceive

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/storer"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/gitreceive/packfile"
)

// A Repository is a bare repository of a Store. It is safe for concurrent use.
//
// What always holds: every object that an object of the repository refers to is
// there too, but for the parents of the commits in its file "shallow". Pushes are
// checked for it, and consolidation drops all at once what no ref reaches. So it
// is enough to look at what a push brings.
type Repository struct {
	name  denofn.RepositoryName
	dir   string
	cache *packfile.Cache
	turn  chan struct{} // held by the push that deploys and moves refs
	// packsMu is held shared by who relies on objects staying, and exclusively by
	// who removes packs.
	packsMu sync.RWMutex
	refsMu  sync.Mutex // held by who writes refs
	pushes  int        // that use the repository now; guarded by the Store's mu
}

const quarantinePrefix = "quarantine-"

// Name returns the repository's name.
func (r *Repository) Name() denofn.RepositoryName { return r.name }

// clean drops what was left behind by a process that was killed.
func (r *Repository) clean() error {
	for _, pattern := range []string{quarantinePrefix + "*", packfile.TempPrefix + "*", "objects/pack/" + packfile.TempPrefix + "*"} {
		paths, err := filepath.Glob(filepath.Join(r.dir, pattern))
		if err != nil {
			return err
		}
		for _, path := range paths {
			if err := os.RemoveAll(path); err != nil {
				return err
			}
		}
	}
	// A pack without its index was on its way in or out.
	packs, err := filepath.Glob(filepath.Join(r.dir, "objects/pack/pack-*.pack"))
	if err != nil {
		return err
	}
	for _, path := range packs {
		_, err := os.Stat(strings.TrimSuffix(path, ".pack") + ".idx")
		if errors.Is(err, fs.ErrNotExist) {
			err = os.Remove(path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// setHead makes HEAD name the branch that is deployed.
func (r *Repository) setHead(branch string) error {
	path := filepath.Join(r.dir, "HEAD")
	want := "ref: " + branchPrefix + branch + "\n"
	if text, err := os.ReadFile(path); err == nil && string(text) == want {
		return nil
	}
	return writeFile(path, func(w *bufio.Writer) { w.WriteString(want) })
}

func (r *Repository) packDir() string { return filepath.Join(r.dir, "objects", "pack") }

// packPaths returns the paths of the indexes of all packs.
func (r *Repository) packPaths() ([]string, error) {
	return filepath.Glob(filepath.Join(r.packDir(), "pack-*.idx"))
}

// Objects are those of a repository, open until Close.
type Objects interface {
	storer.EncodedObjectStorer
	Close()
}

// Objects returns the repository's objects as they are now. They can be used from
// several goroutines and stay readable whatever happens to the repository. The
// caller closes them.
func (r *Repository) Objects() Objects { return newObjects(r, "") }

// A quarantine is where a push's objects are until it is known that they are good.
type quarantine struct {
	repository *Repository
	dir        string
}

func (r *Repository) quarantine() (*quarantine, error) {
	dir, err := os.MkdirTemp(r.dir, quarantinePrefix)
	if err != nil {
		return nil, fmt.Errorf("make quarantine: %w", err)
	}
	return &quarantine{r, dir}, nil
}

// migrate moves what is in the quarantine into the repository.
func (q *quarantine) migrate() error {
	target := q.repository.packDir()
	for _, ext := range []string{".pack", ".idx"} { // a pack counts once its index is there
		paths, err := filepath.Glob(filepath.Join(q.dir, "pack-*"+ext))
		if err != nil {
			return err
		}
		for _, path := range paths {
			if err := os.Rename(path, filepath.Join(target, filepath.Base(path))); err != nil {
				return err
			}
		}
	}
	return syncDir(target)
}

func (q *quarantine) drop() error { return os.RemoveAll(q.dir) }

// shallow returns the commits whose parents the repository does not have.
func (r *Repository) shallow() (map[plumbing.Hash]bool, error) {
	text, err := os.ReadFile(filepath.Join(r.dir, "shallow"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	commits := make(map[plumbing.Hash]bool)
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); plumbing.IsHash(line) {
			commits[plumbing.NewHash(line)] = true
		}
	}
	return commits, nil
}

// addShallow adds to the commits whose parents the repository does not have.
func (r *Repository) addShallow(more []plumbing.Hash) error {
	if len(more) == 0 {
		return nil
	}
	r.refsMu.Lock()
	defer r.refsMu.Unlock()
	commits, err := r.shallow()
	if err != nil {
		return err
	}
	if commits == nil {
		commits = make(map[plumbing.Hash]bool)
	}
	for _, h := range more {
		commits[h] = true
	}
	return writeFile(filepath.Join(r.dir, "shallow"), func(w *bufio.Writer) {
		for _, h := range sortedHashes(commits) {
			fmt.Fprintln(w, h)
		}
	})
}
