package gitreceive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/denofn/denofn/gitreceive/fsck"
	"github.com/denofn/denofn/gitreceive/packfile"
)

// An incoming is what a push brings: its objects in quarantine, over those of the
// repository. It makes sure that nothing is missing and nothing is malicious
// before any of it counts.
type incoming struct {
	repository *Repository
	quarantine *quarantine // nil when nothing was sent
	objects    *objects
	received   *packfile.Received
	links      linkSet
	modules    map[plumbing.Hash]bool // blobs that are a .gitmodules
	pointers   map[plumbing.Hash]bool // blobs that are an LFS pointer
	submodules bool                   // some tree has one
	// The client's shallow commits that it sent, with their parents, which it need
	// not have sent.
	shallow  map[plumbing.Hash]bool
	grafts   map[plumbing.Hash][]plumbing.Hash
	newGraft []plumbing.Hash // those of grafts that the repository becomes shallow at
}

// A linkSet is what objects refer to. Most is referred to many times, so it is
// kept small by sorting now and then.
type linkSet struct {
	links  []fsck.Link
	sorted int
}

func (s *linkSet) add(l fsck.Link) {
	s.links = append(s.links, l)
	if len(s.links) > 2*s.sorted+1<<14 {
		s.compact()
	}
}

func (s *linkSet) compact() {
	slices.SortFunc(s.links, func(a, b fsck.Link) int {
		if c := compareHashes(a.Hash, b.Hash); c != 0 {
			return c
		}
		return int(a.Kind) - int(b.Kind)
	})
	s.links = slices.Compact(s.links)
	s.sorted = len(s.links)
}

// receive reads the pack that r starts with into quarantine.
func (in *incoming) receive(ctx context.Context, r io.Reader, limits Limits, progress func(string, int, int) error) error {
	q, err := in.repository.quarantine()
	if err != nil {
		return err
	}
	in.quarantine = q
	before := newObjects(in.repository, "")
	defer before.Close()
	set, err := before.open()
	if err != nil {
		return err
	}
	in.received, err = packfile.Receive(r, packfile.Options{
		Dir:    q.dir,
		Limits: packfile.Limits{PackBytes: limits.PackBytes, ObjectBytes: limits.ObjectBytes, Objects: limits.Objects},
		Cache:  in.repository.cache,
		Find: func(h plumbing.Hash) (*packfile.Pack, int, bool) {
			id, ok := set.Find(h)
			if !ok {
				return nil, 0, false
			}
			pack, pos := set.Locate(id)
			return pack, pos, true
		},
		Object: in.object,
		Progress: func(stage string, done, total int) error {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			return progress(stage, done, total)
		},
	})
	return err
}

// object looks into an object that came in.
func (in *incoming) object(kind plumbing.ObjectType, hash plumbing.Hash, content []byte) error {
	if kind == plumbing.BlobObject {
		if isPointer(content) {
			add(&in.pointers, hash)
		}
		return nil
	}
	links := fsck.Links{
		Link:      in.links.add,
		Modules:   func(blob plumbing.Hash) { add(&in.modules, blob) },
		Submodule: func(plumbing.Hash) { in.submodules = true },
	}
	if kind == plumbing.CommitObject && in.shallow[hash] {
		if in.grafts == nil {
			in.grafts = make(map[plumbing.Hash][]plumbing.Hash)
		}
		in.grafts[hash] = nil
		links.Link = func(l fsck.Link) {
			if l.Kind == plumbing.CommitObject {
				in.grafts[hash] = append(in.grafts[hash], l.Hash)
			} else {
				in.links.add(l)
			}
		}
	}
	return fsck.Check(kind, hash, content, links)
}

func add(set *map[plumbing.Hash]bool, h plumbing.Hash) {
	if *set == nil {
		*set = make(map[plumbing.Hash]bool)
	}
	(*set)[h] = true
}

// isPointer reports whether a blob stands for a file in Git LFS.
func isPointer(content []byte) bool {
	return bytes.HasPrefix(content, []byte("version https://git-lfs.github.com/spec/")) && bytes.Contains(content, []byte("\noid "))
}

// A missingError is the error of an object that another refers to.
type missingError struct{ link fsck.Link }

func (e *missingError) Error() string {
	return fmt.Sprintf("the %s %s is missing", e.link.Kind, e.link.Hash)
}

// check makes sure that everything that came in is connected: see Repository.
func (in *incoming) check(ctx context.Context) error {
	in.links.compact()
	set, err := in.objects.open()
	if err != nil {
		return err
	}
	for i, l := range in.links.links {
		if i&1023 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := in.expect(set, l); err != nil {
			return err
		}
	}
	in.links = linkSet{}
	for commit, parents := range in.grafts {
		for _, parent := range parents {
			err := in.expect(set, fsck.Link{Hash: parent, Kind: plumbing.CommitObject})
			if _, missing := errors.AsType[*missingError](err); missing {
				in.newGraft = append(in.newGraft, commit)
				break
			}
			if err != nil {
				return err
			}
		}
	}
	in.received = nil // it has a line for every object
	for blob := range in.modules {
		id, ok := set.Find(blob)
		if !ok {
			return &missingError{fsck.Link{Hash: blob, Kind: plumbing.BlobObject}}
		}
		_, content, err := set.Read(id, fsck.MaxModulesBytes)
		if err == nil {
			err = fsck.CheckModules(blob, content)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (in *incoming) expect(set *packfile.Set, l fsck.Link) error {
	kind, ok := plumbing.InvalidObject, false
	if in.received != nil {
		kind, ok = in.received.Kind(l.Hash)
	}
	if !ok {
		id, ok := set.Find(l.Hash)
		if !ok {
			return &missingError{l}
		}
		var err error
		if kind, _, err = set.Info(id); err != nil {
			return err
		}
	}
	if kind != l.Kind {
		return fmt.Errorf("%s is a %s, but something refers to it as a %s", l.Hash, kind, l.Kind)
	}
	return nil
}

// A kindError is the error of a branch that would not point at a commit.
type kindError struct {
	name string
	kind plumbing.ObjectType
}

func (e *kindError) Error() string {
	return fmt.Sprintf("%s would point at a %s: a branch points at a commit", shortRef(e.name), e.kind)
}

// tip checks what a ref is to point at, and returns what it points at in the end
// if it is an annotated tag.
func (in *incoming) tip(name string, hash plumbing.Hash) (peeled plumbing.Hash, err error) {
	set, err := in.objects.open()
	if err != nil {
		return plumbing.ZeroHash, err
	}
	peeled, kind, err := peel(set, hash)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	if peeled == hash {
		peeled = plumbing.ZeroHash
	} else if len(name) > len(branchPrefix) && name[:len(branchPrefix)] == branchPrefix {
		kind = plumbing.TagObject
	}
	if len(name) > len(branchPrefix) && name[:len(branchPrefix)] == branchPrefix && kind != plumbing.CommitObject {
		return plumbing.ZeroHash, &kindError{name, kind}
	}
	return peeled, nil
}

// peel follows tags to what they point at in the end.
func peel(set *packfile.Set, hash plumbing.Hash) (plumbing.Hash, plumbing.ObjectType, error) {
	const longest = 64 // chain of tags
	for range longest {
		id, ok := set.Find(hash)
		if !ok {
			return hash, 0, &missingError{fsck.Link{Hash: hash, Kind: plumbing.CommitObject}}
		}
		kind, size, err := set.Info(id)
		if err != nil || kind != plumbing.TagObject {
			return hash, kind, err
		}
		_, content, err := set.Read(id, size)
		if err != nil {
			return hash, kind, err
		}
		link, ok := fsck.ParseTag(content)
		if !ok {
			return hash, kind, fmt.Errorf("tag %s is malformed", hash)
		}
		hash = link.Hash
	}
	return hash, 0, errors.New("more than 64 tags point at each other")
}

// drop gives back everything, and what has not been migrated is gone.
func (in *incoming) drop() error {
	if in.objects != nil {
		in.objects.Close()
	}
	if in.quarantine != nil {
		return in.quarantine.drop()
	}
	return nil
}
