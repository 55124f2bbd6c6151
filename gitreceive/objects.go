package gitreceive

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/storer"

	"github.com/denofn/denofn/gitreceive/packfile"
)

// objects are those of a repository at one moment, with those of a quarantine
// behind them. They implement storer.EncodedObjectStorer, read-only. The packs are
// opened on first use and stay readable when their files are removed.
type objects struct {
	repository *Repository
	quarantine string // folder, or ""

	once sync.Once
	set  *packfile.Set
	err  error
}

var _ storer.EncodedObjectStorer = (*objects)(nil)

func newObjects(r *Repository, quarantine string) *objects {
	return &objects{repository: r, quarantine: quarantine}
}

// open opens all packs. Those of the repository come first, so that a push cannot
// put another object in the place of one that is there.
func (o *objects) open() (*packfile.Set, error) {
	o.once.Do(func() {
		// Shared by who holds it already is fine: exclusively it is only ever tried.
		o.repository.packsMu.RLock()
		defer o.repository.packsMu.RUnlock()
		o.openLocked()
	})
	return o.set, o.err
}

// openLocked is open for who holds packsMu.
func (o *objects) openLocked() {
	paths, err := o.repository.packPaths()
	if err == nil && o.quarantine != "" {
		var more []string
		more, err = filepath.Glob(filepath.Join(o.quarantine, "pack-*.idx"))
		paths = append(paths, more...)
	}
	var packs []*packfile.Pack
	for _, path := range paths {
		if err != nil {
			break
		}
		var p *packfile.Pack
		if p, err = packfile.Open(path, o.repository.cache); err == nil {
			packs = append(packs, p)
		}
	}
	if err != nil {
		for _, p := range packs {
			p.Close()
		}
		o.err = fmt.Errorf("open objects of %s: %w", o.repository.name, err)
		return
	}
	o.set = packfile.NewSet(packs)
}

// Close closes the packs. Nobody may use the objects any more.
func (o *objects) Close() {
	o.once.Do(func() { o.err = fs.ErrClosed })
	if o.set != nil {
		for _, p := range o.set.Packs() {
			p.Close()
		}
		o.set, o.err = nil, fs.ErrClosed
	}
}

func (o *objects) find(h plumbing.Hash) (*packfile.Set, packfile.ID, error) {
	set, err := o.open()
	if err != nil {
		return nil, 0, err
	}
	id, ok := set.Find(h)
	if !ok {
		return nil, 0, plumbing.ErrObjectNotFound
	}
	return set, id, nil
}

var errReadOnly = errors.New("objects are read-only")

// NewEncodedObject implements storer.EncodedObjectStorer.
func (o *objects) NewEncodedObject() plumbing.EncodedObject { return &plumbing.MemoryObject{} }

// SetEncodedObject implements storer.EncodedObjectStorer.
func (o *objects) SetEncodedObject(plumbing.EncodedObject) (plumbing.Hash, error) {
	return plumbing.ZeroHash, errReadOnly
}

// AddAlternate implements storer.EncodedObjectStorer.
func (o *objects) AddAlternate(string) error { return errReadOnly }

// HasEncodedObject implements storer.EncodedObjectStorer.
func (o *objects) HasEncodedObject(h plumbing.Hash) error {
	_, _, err := o.find(h)
	return err
}

// EncodedObjectSize implements storer.EncodedObjectStorer.
func (o *objects) EncodedObjectSize(h plumbing.Hash) (int64, error) {
	set, id, err := o.find(h)
	if err != nil {
		return 0, err
	}
	_, size, err := set.Info(id)
	return size, err
}

// EncodedObject implements storer.EncodedObjectStorer.
func (o *objects) EncodedObject(kind plumbing.ObjectType, h plumbing.Hash) (plumbing.EncodedObject, error) {
	set, id, err := o.find(h)
	if err != nil {
		return nil, err
	}
	is, size, err := set.Info(id)
	if err != nil {
		return nil, err
	}
	if kind != plumbing.AnyObject && kind != is {
		return nil, plumbing.ErrObjectNotFound
	}
	return &storedObject{objects: o, set: set, id: id, hash: h, kind: is, size: size}, nil
}

// IterEncodedObjects implements storer.EncodedObjectStorer.
func (o *objects) IterEncodedObjects(kind plumbing.ObjectType) (storer.EncodedObjectIter, error) {
	set, err := o.open()
	if err != nil {
		return nil, err
	}
	var all []plumbing.Hash
	for id := range packfile.ID(set.Len()) {
		is, _, err := set.Info(id)
		if err != nil {
			return nil, err
		}
		if kind == plumbing.AnyObject || kind == is {
			all = append(all, set.Hash(id))
		}
	}
	slices.SortFunc(all, compareHashes)
	return storer.NewEncodedObjectLookupIter(o, kind, slices.Compact(all)), nil
}

// A storedObject is read when it is asked for its content.
type storedObject struct {
	objects *objects // keeps the packs open
	set     *packfile.Set
	id      packfile.ID
	hash    plumbing.Hash
	kind    plumbing.ObjectType
	size    int64
}

func (s *storedObject) Hash() plumbing.Hash             { return s.hash }
func (s *storedObject) Type() plumbing.ObjectType       { return s.kind }
func (s *storedObject) SetType(plumbing.ObjectType)     {}
func (s *storedObject) Size() int64                     { return s.size }
func (s *storedObject) SetSize(int64)                   {}
func (s *storedObject) Writer() (io.WriteCloser, error) { return nil, errReadOnly }

// inMemory is the size up to which an object is read at once.
const inMemory = 1 << 20

func (s *storedObject) Reader() (io.ReadCloser, error) {
	if s.size > inMemory {
		return s.set.Open(s.id)
	}
	_, content, err := s.set.Read(s.id, inMemory)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(bytes.NewReader(content)), nil
}

func compareHashes(a, b plumbing.Hash) int { return bytes.Compare(a[:], b[:]) }

func sortedHashes(set map[plumbing.Hash]bool) []plumbing.Hash {
	all := make([]plumbing.Hash, 0, len(set))
	for h := range set {
		all = append(all, h)
	}
	slices.SortFunc(all, compareHashes)
	return all
}
