package gitreceive

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/gitreceive/packfile"
)

// ErrNotFound is in the errors about repositories that do not exist.
var ErrNotFound = errors.New("there is no such repository")

const (
	repositorySuffix = ".git"
	newPrefix        = ".new-" // of repositories that are being made
	cacheBytes       = 24 << 20
)

// A Store is the folder of all repositories, each a bare one that git itself
// understands. It is safe for concurrent use. One process has it at a time.
type Store struct {
	dir   string
	cache *packfile.Cache

	mu   sync.Mutex // guards open, and the making and removing of repositories
	open map[denofn.RepositoryName]*Repository
}

// OpenStore opens the repositories in dir, which it makes if need be, drops what
// pushes that were cut off have left behind, and takes in what git's own tools have
// written.
func OpenStore(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	s := &Store{dir: dir, cache: packfile.NewCache(cacheBytes), open: make(map[denofn.RepositoryName]*Repository)}
	unfinished, err := filepath.Glob(filepath.Join(dir, newPrefix+"*"))
	if err != nil {
		return nil, err
	}
	for _, path := range unfinished {
		if err := os.RemoveAll(path); err != nil {
			return nil, fmt.Errorf("drop unfinished repository: %w", err)
		}
	}
	names, err := s.List()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		r := s.repository(name)
		if err := errors.Join(r.clean(), r.packLoose()); err != nil {
			return nil, fmt.Errorf("clean up repository %s: %w", name, err)
		}
	}
	return s, nil
}

// List returns the names of all repositories, sorted.
func (s *Store) List() ([]denofn.RepositoryName, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var names []denofn.RepositoryName
	for _, e := range entries {
		base, ok := strings.CutSuffix(e.Name(), repositorySuffix)
		if !ok || !e.IsDir() {
			continue
		}
		if name, err := denofn.ParseRepositoryName(base); err == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Open returns a repository. The error is ErrNotFound if there is none.
func (s *Store) Open(name denofn.RepositoryName) (*Repository, error) {
	if _, err := denofn.ParseRepositoryName(string(name)); err != nil {
		return nil, err
	}
	r := s.repository(name)
	switch _, err := os.Stat(filepath.Join(r.dir, "HEAD")); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("repository %s: %w", name, ErrNotFound)
	case err != nil:
		return nil, err
	}
	return r, nil
}

// repository returns what all who use a repository share, whether it exists or
// not.
func (s *Store) repository(name denofn.RepositoryName) *Repository {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.open[name]
	if !ok {
		r = &Repository{
			name:  name,
			dir:   filepath.Join(s.dir, string(name)+repositorySuffix),
			cache: s.cache,
			turn:  make(chan struct{}, 1),
		}
		s.open[name] = r
	}
	return r
}

// A caseError is the error of a repository whose name differs from that of
// another only in case.
type caseError struct{ name, other denofn.RepositoryName }

func (e *caseError) Error() string {
	return fmt.Sprintf("there is a repository %s, and names that differ only in case are one name", e.other)
}

// checkNew reports why a repository cannot be made beside the others.
func (s *Store) checkNew(name denofn.RepositoryName) error {
	names, err := s.List()
	if err != nil {
		return err
	}
	for _, other := range names {
		if other != name && other.Fold() == name.Fold() {
			return &caseError{name, other}
		}
	}
	return nil
}

// create makes a repository if it does not exist. It counts as used until release
// is called, which removes it again if nothing was pushed to it.
func (s *Store) create(name denofn.RepositoryName, branch string) (_ *Repository, release func(), err error) {
	r := s.repository(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.checkNew(name); err != nil {
		return nil, nil, err
	}
	if _, err := os.Stat(r.dir); errors.Is(err, fs.ErrNotExist) {
		if err := s.make(r.dir, branch); err != nil {
			return nil, nil, fmt.Errorf("make repository: %w", err)
		}
	} else if err != nil {
		return nil, nil, err
	}
	r.pushes++
	return r, func() { s.release(r) }, nil
}

// make puts an empty repository in place at once.
func (s *Store) make(dir, branch string) error {
	temp, err := os.MkdirTemp(s.dir, newPrefix)
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp) // unless it has got its name by then
	for _, name := range []string{"objects/info", "objects/pack", "refs/heads", "refs/tags"} {
		if err := os.MkdirAll(filepath.Join(temp, name), 0o700); err != nil {
			return err
		}
	}
	files := map[string]string{
		"HEAD":        "ref: " + branchPrefix + branch + "\n",
		"config":      "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n[gc]\n\tauto = 0\n",
		"description": "A repository of denofn.\n",
	}
	for name, text := range files {
		if err := writeFile(filepath.Join(temp, name), func(w *bufio.Writer) { w.WriteString(text) }); err != nil {
			return err
		}
	}
	if err := os.Rename(temp, dir); err != nil {
		return err
	}
	return syncDir(s.dir)
}

func (s *Store) release(r *Repository) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.pushes--
	if r.pushes > 0 {
		return
	}
	refs, err := r.refs()
	packs, perr := r.packPaths()
	if err == nil && perr == nil && len(refs) == 0 && len(packs) == 0 {
		os.RemoveAll(r.dir)
	}
}
