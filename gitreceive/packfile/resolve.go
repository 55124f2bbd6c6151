package packfile

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"sort"

	"github.com/go-git/go-git/v5/plumbing"
)

// deltas are those of a pack that is being received, by what they build on.
type deltas struct {
	byOffset    []offsetDelta
	byReference []referenceDelta
}

type offsetDelta struct {
	base  int64
	entry int
}

type referenceDelta struct {
	base  plumbing.Hash
	entry int
}

func (d *deltas) addOffset(base int64, entry int) {
	d.byOffset = append(d.byOffset, offsetDelta{base, entry})
}

func (d *deltas) addReference(base plumbing.Hash, entry int) {
	d.byReference = append(d.byReference, referenceDelta{base, entry})
}

func (d *deltas) sort() {
	slices.SortFunc(d.byOffset, func(a, b offsetDelta) int {
		return cmp.Or(cmp.Compare(a.base, b.base), cmp.Compare(a.entry, b.entry))
	})
	slices.SortFunc(d.byReference, func(a, b referenceDelta) int {
		return cmp.Or(bytes.Compare(a.base[:], b.base[:]), cmp.Compare(a.entry, b.entry))
	})
}

// children returns the deltas that build on an entry.
func (d *deltas) children(e *entry) ([]offsetDelta, []referenceDelta) {
	low := sort.Search(len(d.byOffset), func(i int) bool { return d.byOffset[i].base >= e.offset })
	high := low
	for high < len(d.byOffset) && d.byOffset[high].base == e.offset {
		high++
	}
	return d.byOffset[low:high], d.references(e.hash)
}

func (d *deltas) references(h plumbing.Hash) []referenceDelta {
	low := sort.Search(len(d.byReference), func(i int) bool { return bytes.Compare(d.byReference[i].base[:], h[:]) >= 0 })
	high := low
	for high < len(d.byReference) && d.byReference[high].base == h {
		high++
	}
	return d.byReference[low:high]
}

// A resolver walks from every object that is no delta to the deltas that build
// on it, and on. It keeps the few contents that it will need next.
type resolver struct {
	*receiver
	inflater *inflater
	parents  []int // one more than the entry that a delta builds on; 0: no delta, or not reached
	recent   []recent
	todo     []int
	done     int
}

// A recent is a content that deltas still to come build on.
type recent struct {
	entry   int
	content *content
}

// recentBytes bounds the contents in memory, recentFiles those on disk.
const (
	recentBytes = 32 << 20
	recentFiles = 4
)

// resolve finds out what the deltas make. The pack may be thin: bases that are
// missing are appended.
func (x *receiver) resolve() error {
	if len(x.deltas.byOffset)+len(x.deltas.byReference) == 0 {
		return nil
	}
	x.deltas.sort()
	r := &resolver{receiver: x, inflater: x.options.Cache.inflater(), parents: make([]int, len(x.entries))}
	defer x.options.Cache.release(r.inflater)
	defer r.forgetAll()
	total := len(x.deltas.byOffset) + len(x.deltas.byReference)
	for i := range x.count {
		if x.entries[i].kind != 0 && r.parents[i] == 0 {
			if err := r.from(i, total); err != nil {
				return err
			}
		}
	}
	if err := r.fromOutside(total); err != nil {
		return err
	}
	if r.done != total {
		return fmt.Errorf("resolve deltas: %w", errBase)
	}
	return nil
}

// from resolves everything that builds on an entry.
func (r *resolver) from(root, total int) error {
	r.push(root)
	for len(r.todo) > 0 {
		i := r.todo[len(r.todo)-1]
		r.todo = r.todo[:len(r.todo)-1]
		if r.entries[i].kind != 0 {
			continue // two bases have the same hash: it was resolved on the other
		}
		if err := r.one(i); err != nil {
			return fmt.Errorf("resolve the delta at %d: %w", r.entries[i].offset, err)
		}
		r.done++
		if err := r.progress("Resolving deltas", r.done, total); err != nil {
			return err
		}
		r.push(i)
	}
	return nil
}

// push puts what builds on an entry on the list.
func (r *resolver) push(i int) {
	offsets, references := r.deltas.children(&r.entries[i])
	for _, d := range slices.Backward(references) {
		r.child(d.entry, i)
	}
	for _, d := range slices.Backward(offsets) {
		r.child(d.entry, i)
	}
}

func (r *resolver) child(entry, parent int) {
	if r.entries[entry].kind == 0 {
		r.parents[entry] = parent + 1
		r.todo = append(r.todo, entry)
	}
}

// one resolves an entry whose base is resolved.
func (r *resolver) one(i int) error {
	base, err := r.content(r.parents[i] - 1)
	if err != nil {
		return err
	}
	c, err := r.apply(i, base)
	if err != nil {
		return err
	}
	e := &r.entries[i]
	if c.file == nil && (c.kind != plumbing.BlobObject || c.size <= SmallBlob) {
		err = r.see(e, c.kind, c.data)
	} else if c.kind != plumbing.BlobObject && c.size > maxParsed {
		err = &LimitError{c.kind.String(), maxParsed}
	} else if c.kind != plumbing.BlobObject {
		data := make([]byte, c.size)
		if _, err = io.ReadFull(c.reader(), data); err == nil {
			err = r.see(e, c.kind, data)
		}
	} else {
		r.sum.begin(c.kind, c.size)
		if _, err = io.Copy(r.sum, c.reader()); err == nil {
			e.hash, err = r.sum.end()
			e.kind = c.kind
		}
	}
	if err != nil {
		c.drop()
		return err
	}
	offsets, references := r.deltas.children(e)
	if len(offsets)+len(references) > 0 {
		r.remember(i, c)
	} else {
		c.drop()
	}
	return nil
}

func (r *resolver) apply(i int, base *content) (*content, error) {
	h, err := r.inflater.seek(r.file, r.entries[i].offset)
	if err != nil {
		return nil, err
	}
	limit := int64(-1)
	if most := r.options.Limits.ObjectBytes; most > 0 {
		limit = most
	}
	c, err := r.inflater.onBase(h, base, limit, r.options.Dir)
	if err == ErrTooLarge {
		err = &LimitError{"object", limit}
	}
	return c, err
}

// content returns what a resolved entry holds: from what is remembered, or made
// again from the nearest base that is.
func (r *resolver) content(i int) (*content, error) {
	var chain []int
	var base *content
	for base = r.recall(i); base == nil; base = r.recall(i) {
		if r.parents[i] == 0 {
			h, err := r.inflater.seek(r.file, r.entries[i].offset)
			if err != nil {
				return nil, err
			}
			if base, err = r.inflater.whole(h, r.options.Dir); err != nil {
				return nil, err
			}
			r.remember(i, base)
			break
		}
		chain = append(chain, i)
		i = r.parents[i] - 1
	}
	for _, i := range slices.Backward(chain) {
		next, err := r.apply(i, base)
		if err != nil {
			return nil, err
		}
		r.remember(i, next)
		base = next
	}
	return base, nil
}

func (r *resolver) recall(i int) *content {
	for at := len(r.recent) - 1; at >= 0; at-- {
		if r.recent[at].entry == i {
			return r.recent[at].content
		}
	}
	return nil
}

// remember keeps a content, and forgets the oldest when it is too much. The
// newest two always stay, because they are in use.
func (r *resolver) remember(i int, c *content) {
	r.recent = append(r.recent, recent{i, c})
	bytes, files, keep := int64(0), 0, len(r.recent)
	for keep > 0 {
		c := r.recent[keep-1].content
		if c.file != nil {
			files++
		} else {
			bytes += c.size
		}
		if (bytes > recentBytes || files > recentFiles || len(r.recent)-keep >= 64) && keep < len(r.recent)-1 {
			break
		}
		keep--
	}
	for _, old := range r.recent[:keep] {
		old.content.drop()
	}
	r.recent = slices.Delete(r.recent, 0, keep)
}

func (r *resolver) forgetAll() {
	for _, old := range r.recent {
		old.content.drop()
	}
	r.recent = nil
}

// fromOutside resolves the deltas whose base the pack does not hold.
func (r *resolver) fromOutside(total int) error {
	for at := 0; at < len(r.deltas.byReference); at++ {
		d := r.deltas.byReference[at]
		if r.entries[d.entry].kind != 0 {
			continue
		}
		if r.options.Find == nil {
			return fmt.Errorf("the base %s of a delta is missing", d.base)
		}
		pack, pos, ok := r.options.Find(d.base)
		if !ok {
			continue // perhaps another delta makes it; if not, the count tells
		}
		c, err := pack.content(pos, -1)
		if err != nil {
			return err
		}
		i := len(r.entries)
		err = r.appendBase(c, d.base)
		if err == nil {
			r.parents = append(r.parents, 0)
			err = r.from(i, total)
		}
		c.drop()
		if err != nil {
			return err
		}
	}
	return nil
}
