package daemon

import (
	"context"
	"fmt"
	"sync"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon/admin"
	"github.com/denofn/denofn/procman"
)

// What a logbook holds. It is for a look at what a function said just now; the
// journal has the rest.
const (
	pageBytes     = 64 << 10 // of one function
	bookBytes     = 16 << 20 // of all of them
	followerQueue = 1000     // entries that one who follows may be behind
	entryOverhead = 200      // about what an entry takes beside its text
)

// A logbook holds the latest entries of every function and passes new ones on to
// those who follow. It never makes a function wait.
type logbook struct {
	mu        sync.Mutex
	pages     map[denofn.FunctionName]*page
	bytes     int
	followers map[*follower]struct{}
	closed    bool
}

type page struct {
	entries []admin.LogEntry // the oldest first
	bytes   int
}

// A follower is one who is told new entries of a function.
type follower struct {
	function denofn.FunctionName
	entries  chan admin.LogEntry
	missed   int // entries since the queue was full
}

func newLogbook() *logbook {
	return &logbook{pages: make(map[denofn.FunctionName]*page), followers: make(map[*follower]struct{})}
}

// Write implements procman.LogSink.
func (b *logbook) Write(r procman.LogRecord) {
	b.add(r.Function, admin.LogEntry{
		Time: r.Time, Release: r.Release, Stream: r.Stream, Level: levelName(r.Priority), Request: r.RequestID, Text: r.Text,
	})
}

func levelName(priority int) string {
	switch {
	case priority <= procman.PriorityError:
		return "error"
	case priority == procman.PriorityWarning:
		return "warning"
	case priority <= procman.PriorityInfo:
		return "info"
	}
	return "debug"
}

func (b *logbook) add(function denofn.FunctionName, e admin.LogEntry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.pages[function]
	if p == nil {
		p = new(page)
		b.pages[function] = p
	}
	p.entries = append(p.entries, e)
	b.count(p, bytesOf(e))
	for p.bytes > pageBytes && len(p.entries) > 1 {
		b.count(p, -bytesOf(p.entries[0]))
		p.entries[0] = admin.LogEntry{}
		p.entries = p.entries[1:]
	}
	for b.bytes > bookBytes && len(b.pages) > 1 {
		b.tearOut(function)
	}
	for f := range b.followers {
		if f.function == function {
			f.tell(e)
		}
	}
}

func bytesOf(e admin.LogEntry) int { return len(e.Text) + entryOverhead }

func (b *logbook) count(p *page, n int) {
	p.bytes += n
	b.bytes += n
}

// tearOut drops the page that was written last the longest ago, but not keep.
func (b *logbook) tearOut(keep denofn.FunctionName) {
	var oldest denofn.FunctionName
	for name, p := range b.pages {
		last := p.entries[len(p.entries)-1].Time
		if name != keep && (oldest == "" || last.Before(b.last(oldest).Time)) {
			oldest = name
		}
	}
	b.bytes -= b.pages[oldest].bytes
	delete(b.pages, oldest)
}

func (b *logbook) last(name denofn.FunctionName) admin.LogEntry {
	entries := b.pages[name].entries
	return entries[len(entries)-1]
}

// tell passes an entry on, or counts it when the one who follows is too slow.
func (f *follower) tell(e admin.LogEntry) {
	if f.missed > 0 {
		note := admin.LogEntry{Time: e.Time, Level: "warning", Text: fmt.Sprintf("%s left out: they came faster than they could be shown", count(f.missed, "entry"))}
		select {
		case f.entries <- note:
			f.missed = 0
		default:
		}
	}
	if f.missed == 0 {
		select {
		case f.entries <- e:
			return
		default:
		}
	}
	f.missed++
}

// read gives the latest entries of a function to each, the oldest first, and then,
// if follow says so, new ones until ctx ends or the book is closed.
func (b *logbook) read(ctx context.Context, function denofn.FunctionName, most int, follow bool, each func(admin.LogEntry) error) error {
	b.mu.Lock()
	var entries []admin.LogEntry
	if p := b.pages[function]; p != nil {
		entries = append(entries, p.entries[max(0, len(p.entries)-most):]...)
	}
	var f *follower
	if follow && !b.closed {
		f = &follower{function: function, entries: make(chan admin.LogEntry, followerQueue)}
		b.followers[f] = struct{}{}
	}
	b.mu.Unlock()
	if f != nil {
		defer b.leave(f)
	}
	for _, e := range entries {
		if err := each(e); err != nil {
			return err
		}
	}
	if f == nil {
		return nil
	}
	for {
		select {
		case e, ok := <-f.entries:
			if !ok {
				return nil
			}
			if err := each(e); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (b *logbook) leave(f *follower) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.followers, f)
}

// close sends those who follow home.
func (b *logbook) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for f := range b.followers {
		close(f.entries)
		delete(b.followers, f)
	}
}

// Logs implements admin.API.
func (s *steering) Logs(ctx context.Context, q admin.LogsQuery, each func(admin.LogEntry) error) error {
	if _, ok := s.registry.Active(q.Function); !ok {
		return s.unknown(q.Function)
	}
	return s.logbook.read(ctx, q.Function, q.Most, q.Follow, each)
}
