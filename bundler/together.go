package bundler

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
)

// The functions of one push tend to have questions for Deno at the same time and
// about the same settings. Those that wait while Deno runs are asked together in
// its next run, if a lock file pins all of it: then the answer to each is what it
// would be alone.

// asked is a question that waits for its answer.
type asked struct {
	question question
	key      string
	alone    bool   // it could not be asked together with others
	answer   *graph // from a run for several
}

// joins reports whether two questions can be asked together.
func (a *asked) joins(other *asked) bool {
	q, o := a.question, other.question
	_, locked := q.Files[q.Lock]
	return locked && !a.alone && !other.alone && q.Dir == o.Dir && q.Lock == o.Lock && maps.EqualFunc(q.Files, o.Files, bytes.Equal)
}

// join returns the question that is all of several.
func join(several []*asked) question {
	q := several[0].question
	q.Wants = nil
	for _, a := range several {
		q.Wants = append(q.Wants, a.question.Wants...)
	}
	slices.SortFunc(q.Wants, compareWants)
	q.Wants = slices.Compact(q.Wants)
	return q
}

// askTogether gets the answer to a question, with those of all that wait and can
// be asked with it.
//
// Deno verifies a package when it unpacks it, and never again. That a package was
// unpacked by this run and for this lock file can only be told when there is one
// run at a time.
func (b *Bundler) askTogether(ctx context.Context, own *asked) (*graph, error) {
	b.queueing.Lock()
	b.queue = append(b.queue, own)
	b.queueing.Unlock()
	b.fetching.Lock()
	defer b.fetching.Unlock()
	several := b.take(own)
	if own.answer != nil {
		return own.answer, nil
	}
	if g, ok := b.kept(own.key); ok {
		return g, nil
	}
	err := b.answer(ctx, several)
	if cause := context.Cause(ctx); cause != nil {
		return nil, cause
	}
	if own.answer == nil && len(several) > 1 {
		for _, a := range several {
			a.alone = true
		}
		err = b.answer(ctx, []*asked{own})
	}
	return own.answer, err
}

// take removes a question from the queue and returns it with those that can be
// asked with it, which stay: who gets an answer finds it there.
func (b *Bundler) take(own *asked) []*asked {
	b.queueing.Lock()
	defer b.queueing.Unlock()
	b.queue = slices.DeleteFunc(b.queue, func(a *asked) bool { return a == own })
	several := []*asked{own}
	for _, a := range b.queue {
		if a.answer == nil && own.joins(a) {
			several = append(several, a)
		}
	}
	return several
}

// answer asks Deno once and fills in the answers. Without an error there may be
// none, when the questions have to be asked one by one. The Bundler's fetching is
// held.
func (b *Bundler) answer(ctx context.Context, several []*asked) error {
	graphs, grown, err := b.fetch(ctx, several)
	if err != nil {
		return err
	}
	for i, g := range graphs {
		several[i].answer = g
		if !g.whole() {
			continue
		}
		if err := b.keep(several[i].key, g); err != nil {
			return fmt.Errorf("write cache: %w", err)
		}
	}
	b.collectSoon(grown)
	return nil
}
