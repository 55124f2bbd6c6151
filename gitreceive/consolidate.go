package gitreceive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/denofn/denofn/gitreceive/packfile"
)

// manyPacks is how many packs a repository has when it is consolidated.
const manyPacks = 20

// A consolidator makes few packs of many, one repository after the other, when no
// push is being received. Every push leaves a pack, and every pack costs each
// look-up a little.
//
// Small packs are merged so that each that is left is at least twice as large as
// all smaller ones together: what has been written once is written again only a
// few times, however large the repository. When that is all of them, objects that
// no ref reaches any more are left out.
type consolidator struct {
	store  *Store
	logger *slog.Logger
	idle   func() bool // no push is being received

	ctx    context.Context // ends at stop
	cancel context.CancelFunc
	worker sync.WaitGroup

	mu      sync.Mutex // guards what follows
	stopped bool
	running bool
	waiting []*Repository
}

func newConsolidator(store *Store, logger *slog.Logger, idle func() bool) *consolidator {
	ctx, cancel := context.WithCancel(context.Background())
	return &consolidator{store: store, logger: logger, idle: idle, ctx: ctx, cancel: cancel}
}

// consider looks at a repository when nothing else is going on.
func (c *consolidator) consider(r *Repository) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return
	}
	if !slices.Contains(c.waiting, r) {
		c.waiting = append(c.waiting, r)
	}
	if !c.running {
		c.running = true
		c.worker.Go(c.run)
	}
}

// considerAll looks at every repository.
func (c *consolidator) considerAll() {
	names, err := c.store.List()
	if err != nil {
		c.logger.Error("repositories not listed", "error", err)
		return
	}
	for _, name := range names {
		c.consider(c.store.repository(name))
	}
}

// stop ends what runs, without a trace.
func (c *consolidator) stop() {
	c.mu.Lock()
	c.stopped = true
	c.mu.Unlock()
	c.cancel()
	c.worker.Wait()
}

func (c *consolidator) run() {
	for {
		c.mu.Lock()
		if len(c.waiting) == 0 || c.stopped || !c.idle() {
			c.running = false // the next push to end starts it again
			c.mu.Unlock()
			return
		}
		r := c.waiting[0]
		c.waiting = c.waiting[1:]
		c.mu.Unlock()
		began := time.Now()
		before, after, err := r.consolidate(c.ctx)
		switch {
		case c.ctx.Err() != nil:
		case errors.Is(err, errBusy):
			c.logger.Debug("repository in use, consolidated later", "repository", r.name)
		case err != nil:
			c.logger.Error("repository not consolidated", "repository", r.name, "error", err)
		case after != before:
			c.logger.Info("repository consolidated", "repository", r.name, "before", before, "after", after, "took", time.Since(began))
		}
	}
}

var errBusy = errors.New("the repository is in use")

// consolidate merges packs if there are many, and returns how many there were and
// are.
func (r *Repository) consolidate(ctx context.Context) (before, after int, err error) {
	paths, err := r.packPaths()
	if err != nil || len(paths) < manyPacks {
		return len(paths), len(paths), err
	}
	r.packsMu.RLock()
	refs, err := r.refs()
	own, serr := r.shallow()
	o := newObjects(r, "")
	o.once.Do(o.openLocked)
	r.packsMu.RUnlock()
	defer o.Close()
	if err := cmp.Or(err, serr, o.err); err != nil {
		return 0, 0, err
	}
	packs := o.set.Packs()
	merged := smallPacks(packs)
	if len(merged) < 2 {
		return len(packs), len(packs), nil
	}
	all := len(merged) == len(packs)
	set := packfile.NewSet(merged)
	selected := set.NewBits()
	if all {
		if selected, err = reachable(ctx, set, refs, own); err != nil {
			return 0, 0, fmt.Errorf("find what refs reach: %w", err)
		}
	} else {
		for id := range packfile.ID(set.Len()) {
			if first, ok := set.Find(set.Hash(id)); ok {
				selected.Add(first)
			}
		}
	}
	name := ""
	if selected.Count() > 0 {
		name, err = packfile.Create(r.packDir(), packfile.Selection{
			Set: set, Objects: selected,
			Progress: func(string, int, int) error { return context.Cause(ctx) },
		})
		if err == nil {
			err = syncDir(r.packDir())
		}
		if err != nil {
			return 0, 0, fmt.Errorf("write pack: %w", err)
		}
	}
	if err := r.replacePacks(merged, name, all, refs); err != nil {
		return 0, 0, err
	}
	after = len(packs) - len(merged)
	if name != "" {
		after++
	}
	return len(packs), after, nil
}

// smallPacks returns the packs that are to be merged.
func smallPacks(packs []*packfile.Pack) []*packfile.Pack {
	sorted := slices.SortedFunc(slices.Values(packs), func(a, b *packfile.Pack) int { return cmp.Compare(a.Bytes(), b.Bytes()) })
	// From the largest down, as long as each is twice what is below it.
	var below []int64
	sum := int64(0)
	for _, p := range sorted {
		below = append(below, sum)
		sum += p.Bytes()
	}
	keep := len(sorted)
	for keep > 0 && sorted[keep-1].Bytes() >= 2*below[keep-1] && below[keep-1] > 0 {
		keep--
	}
	return sorted[:keep]
}

// reachable returns the objects that refs reach.
func reachable(ctx context.Context, set *packfile.Set, refs []ref, own map[plumbing.Hash]bool) (packfile.Bits, error) {
	w := newWalk(ctx, set)
	w.cut = own
	var wants []plumbing.Hash
	for _, r := range refs {
		wants = append(wants, r.hash)
	}
	err := w.run(wants, nil)
	return w.objects, err
}

// replacePacks removes the packs that were merged, if nobody needs them and, where
// objects were left out, nothing has changed since.
func (r *Repository) replacePacks(merged []*packfile.Pack, name string, all bool, refs []ref) error {
	if !r.packsMu.TryLock() {
		return r.dropPack(merged, name)
	}
	defer r.packsMu.Unlock()
	if all {
		now, err := r.refs()
		if err != nil {
			return err
		}
		paths, err := r.packPaths()
		if err != nil {
			return err
		}
		if !slices.Equal(now, refs) || len(paths) > len(merged)+1 {
			return r.dropPack(merged, name)
		}
	}
	for _, p := range merged {
		if p.Name() == name {
			continue
		}
		// The index first: without it the rest does not count.
		for _, ext := range []string{".idx", ".rev", ".bitmap", ".keep", ".pack"} {
			if err := os.Remove(filepath.Join(r.packDir(), p.Name()+ext)); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
	}
	return syncDir(r.packDir())
}

// dropPack removes a pack that was made in vain.
func (r *Repository) dropPack(merged []*packfile.Pack, name string) error {
	if name == "" || slices.ContainsFunc(merged, func(p *packfile.Pack) bool { return p.Name() == name }) {
		return errBusy
	}
	base := filepath.Join(r.packDir(), name)
	return errors.Join(errBusy, os.Remove(base+".idx"), os.Remove(base+".pack"))
}
