package gitreceive

import (
	"container/heap"
	"context"
	"fmt"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/denofn/denofn/gitreceive/fsck"
	"github.com/denofn/denofn/gitreceive/packfile"
)

// A walk finds out which objects a client lacks. It remembers a bit an object, and
// nothing of their content.
type walk struct {
	ctx context.Context
	set *packfile.Set
	// cut are commits at which the client's history is to end; had are those at
	// which it ended before.
	cut, had map[plumbing.Hash]bool

	queue       commitQueue
	wanted      packfile.Bits // commits reached from what the client wants
	common      packfile.Bits // commits reached from what it has
	queued      packfile.Bits // wanted ones that wait in the queue
	interesting int           // of them that are not common
	commits     []walkCommit  // wanted, in the order in which they were reached

	objects packfile.Bits // what the client lacks
	has     packfile.Bits // what it has, as far as is known
	steps   int
}

// A walkCommit is a commit on the way.
type walkCommit struct {
	id      packfile.ID
	tree    plumbing.Hash
	parents []plumbing.Hash
	time    int64
}

func newWalk(ctx context.Context, set *packfile.Set) *walk {
	return &walk{
		ctx: ctx, set: set,
		wanted: set.NewBits(), common: set.NewBits(), queued: set.NewBits(),
		objects: set.NewBits(), has: set.NewBits(),
	}
}

// A commitQueue gives the newest commit first.
type commitQueue []walkCommit

func (q commitQueue) Len() int           { return len(q) }
func (q commitQueue) Less(i, j int) bool { return q[i].time > q[j].time }
func (q commitQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *commitQueue) Push(c any)        { *q = append(*q, c.(walkCommit)) }
func (q *commitQueue) Pop() any {
	last := len(*q) - 1
	c := (*q)[last]
	*q = (*q)[:last]
	return c
}

// run finds what is reached from wants and not from haves.
func (w *walk) run(wants, haves []plumbing.Hash) error {
	var trees []plumbing.Hash
	for _, h := range haves {
		if err := w.have(h); err != nil {
			return err
		}
	}
	for _, h := range wants {
		tree, err := w.want(h)
		if err != nil {
			return err
		}
		if !tree.IsZero() {
			trees = append(trees, tree)
		}
	}
	if err := w.paint(); err != nil {
		return err
	}
	if err := w.markEdges(haves); err != nil {
		return err
	}
	for _, c := range w.commits {
		if w.common.Has(c.id) {
			continue
		}
		w.objects.Add(c.id)
		if err := w.tree(c.tree, w.objects); err != nil {
			return err
		}
	}
	for _, tree := range trees {
		if err := w.tree(tree, w.objects); err != nil {
			return err
		}
	}
	return nil
}

// want starts at something that the client wants. What is no commit is returned
// or added.
func (w *walk) want(h plumbing.Hash) (tree plumbing.Hash, err error) {
	for {
		id, kind, err := w.find(h)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		switch kind {
		case plumbing.CommitObject:
			return plumbing.ZeroHash, w.push(id, w.wanted)
		case plumbing.TreeObject:
			return h, nil
		case plumbing.BlobObject:
			w.objects.Add(id)
			return plumbing.ZeroHash, nil
		}
		w.objects.Add(id)
		if h, err = w.tagged(id); err != nil {
			return plumbing.ZeroHash, err
		}
	}
}

// have starts at something that the client has.
func (w *walk) have(h plumbing.Hash) error {
	for {
		id, kind, err := w.find(h)
		if err != nil {
			return err
		}
		switch kind {
		case plumbing.CommitObject:
			return w.push(id, w.common)
		case plumbing.TagObject:
			w.has.Add(id)
			if h, err = w.tagged(id); err != nil {
				return err
			}
		default:
			w.has.Add(id)
			return nil
		}
	}
}

func (w *walk) find(h plumbing.Hash) (packfile.ID, plumbing.ObjectType, error) {
	id, ok := w.set.Find(h)
	if !ok {
		return 0, 0, fmt.Errorf("object %s is missing", h)
	}
	kind, _, err := w.set.Info(id)
	return id, kind, err
}

func (w *walk) tagged(id packfile.ID) (plumbing.Hash, error) {
	_, content, err := w.set.Read(id, maxObjectInMemory)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	link, ok := fsck.ParseTag(content)
	if !ok {
		return plumbing.ZeroHash, fmt.Errorf("tag %s is malformed", w.set.Hash(id))
	}
	return link.Hash, nil
}

func (w *walk) read(id packfile.ID) (walkCommit, error) {
	if w.steps++; w.steps&255 == 0 && w.ctx.Err() != nil {
		return walkCommit{}, context.Cause(w.ctx)
	}
	_, content, err := w.set.Read(id, maxObjectInMemory)
	if err != nil {
		return walkCommit{}, err
	}
	c := fsck.ParseCommit(content)
	return walkCommit{id, c.Tree, c.Parents, c.Time}, nil
}

// push puts a commit into the queue, as wanted or as common.
func (w *walk) push(id packfile.ID, as packfile.Bits) error {
	if !as.Add(id) {
		return nil
	}
	isCommon := w.common.Has(id)
	if isCommon && w.queued.Has(id) {
		w.interesting-- // it waits there as one that is not
		w.queued[id/64] &^= 1 << (id % 64)
	}
	c, err := w.read(id)
	if err != nil {
		return err
	}
	if !isCommon {
		w.queued.Add(id)
		w.interesting++
	}
	heap.Push(&w.queue, c)
	return nil
}

// paint walks from the newest commit to the oldest, until all that is left is
// common.
func (w *walk) paint() error {
	for w.interesting > 0 {
		c := heap.Pop(&w.queue).(walkCommit)
		if w.queued.Has(c.id) {
			w.queued[c.id/64] &^= 1 << (c.id % 64)
			w.interesting--
		}
		as, ends := w.wanted, w.cut
		if w.common.Has(c.id) {
			as, ends = w.common, w.had
		} else {
			w.commits = append(w.commits, c)
		}
		if ends[w.set.Hash(c.id)] {
			continue
		}
		for _, parent := range c.parents {
			id, ok := w.set.Find(parent)
			if !ok {
				return fmt.Errorf("commit %s is missing", parent)
			}
			if err := w.push(id, as); err != nil {
				return err
			}
		}
	}
	return nil
}

// markEdges marks the trees of the commits that the client has next to those that
// it lacks, so that what did not change in between is not sent.
func (w *walk) markEdges(haves []plumbing.Hash) error {
	const most = 64 // of the others, whose trees may help too
	for i, h := range haves {
		if i == most {
			break
		}
		if id, kind, err := w.find(h); err != nil {
			return err
		} else if kind == plumbing.CommitObject {
			if err := w.markEdge(id); err != nil {
				return err
			}
		}
	}
	for _, c := range w.commits {
		if w.common.Has(c.id) || w.cut[w.set.Hash(c.id)] {
			continue
		}
		for _, parent := range c.parents {
			if id, ok := w.set.Find(parent); ok && w.common.Has(id) {
				if err := w.markEdge(id); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (w *walk) markEdge(id packfile.ID) error {
	if !w.has.Add(id) {
		return nil
	}
	c, err := w.read(id)
	if err != nil {
		return err
	}
	return w.tree(c.tree, w.has)
}

// tree adds a tree and everything below it that the client is not known to have.
func (w *walk) tree(root plumbing.Hash, to packfile.Bits) error {
	add := func(h plumbing.Hash) (packfile.ID, bool, error) {
		id, ok := w.set.Find(h)
		if !ok {
			return 0, false, fmt.Errorf("object %s is missing", h)
		}
		return id, !w.has.Has(id) && to.Add(id), nil
	}
	id, fresh, err := add(root)
	if err != nil || !fresh {
		return err
	}
	todo := []packfile.ID{id}
	for len(todo) > 0 {
		if w.steps++; w.steps&255 == 0 && w.ctx.Err() != nil {
			return context.Cause(w.ctx)
		}
		_, content, err := w.set.Read(todo[len(todo)-1], maxObjectInMemory)
		if err != nil {
			return err
		}
		todo = todo[:len(todo)-1]
		for e := range fsck.Entries(content) {
			if e.Mode == fsck.ModeSubmodule {
				continue
			}
			id, fresh, err := add(e.Hash)
			if err != nil {
				return err
			}
			if fresh && e.Mode == fsck.ModeFolder {
				todo = append(todo, id)
			}
		}
	}
	return nil
}

// includeTags adds the annotated tags of commits that are sent.
func (w *walk) includeTags(refs []ref) error {
	for _, r := range refs {
		if r.peeled.IsZero() {
			continue
		}
		if id, ok := w.set.Find(r.peeled); !ok || !w.objects.Has(id) {
			continue
		}
		for h := r.hash; h != r.peeled; {
			id, kind, err := w.find(h)
			if err != nil {
				return err
			}
			if kind != plumbing.TagObject {
				break
			}
			w.objects.Add(id)
			if h, err = w.tagged(id); err != nil {
				return err
			}
		}
	}
	return nil
}

// reachesAll reports whether every want reaches something that is common, so
// that more haves would not help.
func reachesAll(ctx context.Context, set *packfile.Set, wants, common []plumbing.Hash) (bool, error) {
	if len(common) == 0 {
		return false, nil
	}
	targets := set.NewBits()
	oldest := int64(1) << 62
	w := &walk{ctx: ctx, set: set}
	for _, h := range common {
		id, kind, err := w.find(h)
		if err != nil {
			return false, err
		}
		if kind != plumbing.CommitObject {
			continue
		}
		targets.Add(id)
		c, err := w.read(id)
		if err != nil {
			return false, err
		}
		oldest = min(oldest, c.time)
	}
	for _, h := range wants {
		ok, err := w.reaches(h, targets, oldest)
		if !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// reaches looks for a target among the ancestors of a commit that are not older
// than all of them.
func (w *walk) reaches(h plumbing.Hash, targets packfile.Bits, oldest int64) (bool, error) {
	h, kind, err := peel(w.set, h)
	if err != nil || kind != plumbing.CommitObject {
		return err == nil, err
	}
	seen := w.set.NewBits()
	todo := []plumbing.Hash{h}
	for len(todo) > 0 {
		id, ok := w.set.Find(todo[len(todo)-1])
		todo = todo[:len(todo)-1]
		if !ok || !seen.Add(id) {
			continue
		}
		if targets.Has(id) {
			return true, nil
		}
		c, err := w.read(id)
		if err != nil {
			return false, err
		}
		if c.time >= oldest {
			todo = append(todo, c.parents...)
		}
	}
	return false, nil
}
