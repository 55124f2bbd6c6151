package gitreceive

import (
	"context"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/denofn/denofn/gitreceive/packfile"
)

// A depth says how much of the history a client wants.
type depth struct {
	commits  int // from the tips on; 0: no bound
	relative bool
	since    int64           // seconds; 0: no bound
	not      []string        // refs whose history is left out
	excluded []plumbing.Hash // what those refs point at
}

// infinite is what git asks for with --unshallow.
const infinite = 0x7fffffff

func (d *depth) isSet() bool { return d.commits > 0 || d.since > 0 || len(d.not) > 0 }

// A boundary is where a client's history ends, before and after a fetch.
type boundary struct {
	shallow   []plumbing.Hash        // commits that are to be its last from now on
	unshallow []plumbing.Hash        // commits that were, and get their parents now
	cut       map[plumbing.Hash]bool // all that are from now on
	parents   []plumbing.Hash        // of the unshallow ones: they are wanted too
}

// findBoundary computes it from what the client wants, how deep, and where its
// history ends now. own are the commits at which the repository itself ends.
func findBoundary(ctx context.Context, set *packfile.Set, wants []plumbing.Hash, d depth, client, own map[plumbing.Hash]bool) (*boundary, error) {
	b := &boundary{cut: make(map[plumbing.Hash]bool)}
	for h := range client {
		b.cut[h] = true
	}
	for h := range own {
		b.cut[h] = true
	}
	if !d.isSet() && len(own) == 0 {
		return b, nil
	}
	f := &boundaryFinder{w: &walk{ctx: ctx, set: set}, own: own, included: set.NewBits()}
	starts := wants
	if d.relative && d.commits > 0 {
		starts = sortedHashes(client)
		d.commits++
	}
	var err error
	if d.since > 0 || len(d.not) > 0 {
		err = f.byCondition(starts, d)
	} else {
		most := d.commits
		if most == 0 {
			most = infinite
		}
		err = f.byDepth(starts, most)
	}
	if err != nil {
		return nil, err
	}
	for _, h := range f.last {
		if !client[h] {
			b.shallow = append(b.shallow, h)
		}
		b.cut[h] = true
	}
	if !d.isSet() {
		return b, nil
	}
	for _, h := range sortedHashes(client) {
		id, ok := set.Find(h)
		if !ok || !f.included.Has(id) || slices.Contains(f.last, h) {
			continue
		}
		b.unshallow = append(b.unshallow, h)
		delete(b.cut, h)
		c, err := f.w.read(id)
		if err != nil {
			return nil, err
		}
		b.parents = append(b.parents, c.parents...)
	}
	return b, nil
}

type boundaryFinder struct {
	w        *walk
	own      map[plumbing.Hash]bool
	included packfile.Bits
	last     []plumbing.Hash // commits whose parents are not included
}

// starts returns the commits that hashes peel to, each once.
func (f *boundaryFinder) starts(hashes []plumbing.Hash) ([]packfile.ID, error) {
	var ids []packfile.ID
	for _, h := range hashes {
		if _, ok := f.w.set.Find(h); !ok {
			continue // a commit of the client's that we do not have
		}
		peeled, kind, err := peel(f.w.set, h)
		if err != nil {
			return nil, err
		}
		if id, ok := f.w.set.Find(peeled); ok && kind == plumbing.CommitObject && f.included.Add(id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// byDepth includes so many commits from each start on.
func (f *boundaryFinder) byDepth(hashes []plumbing.Hash, most int) error {
	level, err := f.starts(hashes)
	if err != nil {
		return err
	}
	for n := 1; len(level) > 0; n++ {
		var next []packfile.ID
		for _, id := range level {
			c, err := f.w.read(id)
			if err != nil {
				return err
			}
			h := f.w.set.Hash(id)
			if f.own[h] || n >= most && len(c.parents) > 0 {
				f.last = append(f.last, h)
				continue
			}
			for _, parent := range c.parents {
				if id, ok := f.w.set.Find(parent); ok && f.included.Add(id) {
					next = append(next, id)
				}
			}
		}
		level = next
	}
	return nil
}

// byCondition includes what is new enough and not part of what is excluded.
func (f *boundaryFinder) byCondition(hashes []plumbing.Hash, d depth) error {
	excluded := f.w.set.NewBits()
	if err := f.w.ancestors(d.excluded, excluded); err != nil {
		return err
	}
	fits := func(c walkCommit) bool { return c.time >= d.since && !excluded.Has(c.id) }
	starts, err := f.starts(hashes)
	if err != nil {
		return err
	}
	f.included = f.w.set.NewBits()
	todo := starts
	any := false
	for len(todo) > 0 {
		id := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		c, err := f.w.read(id)
		if err != nil {
			return err
		}
		if !fits(c) || !f.included.Add(id) {
			continue
		}
		any = true
		h := f.w.set.Hash(id)
		ends := f.own[h]
		for _, parent := range c.parents {
			pid, ok := f.w.set.Find(parent)
			if !ok {
				continue
			}
			p, err := f.w.read(pid)
			if err != nil {
				return err
			}
			if fits(p) {
				todo = append(todo, pid)
			} else {
				ends = true
			}
		}
		if ends {
			f.last = append(f.last, h)
		}
	}
	if !any {
		return &refusal{"no commits are that new", ""}
	}
	return nil
}

// ancestors marks commits and everything before them.
func (w *walk) ancestors(hashes []plumbing.Hash, marked packfile.Bits) error {
	todo := slices.Clone(hashes)
	for len(todo) > 0 {
		h := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		id, ok := w.set.Find(h)
		if !ok || !marked.Add(id) {
			continue
		}
		c, err := w.read(id)
		if err != nil {
			return err
		}
		todo = append(todo, c.parents...)
	}
	return nil
}
