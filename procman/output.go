package procman

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/denofn/denofn"
)

// A LogRecord is one entry of what a function wrote.
type LogRecord struct {
	Function  denofn.FunctionName
	Release   denofn.ReleaseID
	Stream    string // "stdout" or "stderr"
	Time      time.Time
	Text      string // UTF-8, perhaps of several lines, without the last line's end
	Priority  int    // syslog: 3 error, 4 warning, 6 information, 7 debug
	RequestID string // of the request that it was written for; empty if not known
}

// A LogSink takes what functions write. Write is called by one goroutine at a
// time. A sink that is slow makes entries be dropped, and never a function wait.
type LogSink interface {
	Write(LogRecord)
}

// The syslog priorities that records have.
const (
	PriorityError   = 3
	PriorityWarning = 4
	PriorityInfo    = 6
	PriorityDebug   = 7
)

const (
	streamStdout = "stdout"
	streamStderr = "stderr"
)

// An outlet carries records to the sink, in the order in which they come. It holds
// a bounded number of them, whatever the sink does.
type outlet struct {
	sink    LogSink
	records chan LogRecord
	bytes   atomic.Int64 // of text in records
	done    chan struct{}
}

const (
	outletRecords = 4096
	outletBytes   = 4 << 20
)

func newOutlet(sink LogSink) *outlet {
	o := &outlet{sink: sink, records: make(chan LogRecord, outletRecords), done: make(chan struct{})}
	go o.run()
	return o
}

func (o *outlet) run() {
	defer close(o.done)
	for r := range o.records {
		o.sink.Write(r)
		o.bytes.Add(-int64(len(r.Text)))
	}
}

// put takes a record, or reports that there is no room for it.
func (o *outlet) put(r LogRecord) bool {
	if o.bytes.Add(int64(len(r.Text))) <= outletBytes {
		select {
		case o.records <- r:
			return true
		default:
		}
	}
	o.bytes.Add(-int64(len(r.Text)))
	return false
}

// close gives the sink what is left. Nothing may be put any more.
func (o *outlet) close() {
	close(o.records)
	<-o.done
}

// A flood holds back a function that writes more than the log should be given, and
// counts what it drops. It is a bucket of tokens; an entry costs one, and one more
// for each kilobyte.
type flood struct {
	rate float64 // tokens a second; the bucket holds floodSeconds of them

	mu      sync.Mutex
	tokens  float64   // guarded by mu
	filled  time.Time // guarded by mu
	dropped int       // guarded by mu: since it was last told
}

// floodSeconds is for how long a function may write at any speed.
const floodSeconds = 5

func newFlood(rate int) *flood {
	return &flood{rate: float64(rate), tokens: float64(rate) * floodSeconds, filled: time.Now()}
}

// admit reports whether an entry with so many bytes may pass, and how many were
// dropped before it.
func (f *flood) admit(now time.Time, size int) (ok bool, droppedBefore int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tokens = min(f.rate*floodSeconds, f.tokens+f.rate*now.Sub(f.filled).Seconds())
	f.filled = now
	cost := 1 + float64(size)/1024
	// After a drop the next entry waits until the bucket has something in it again:
	// a few gaps with their sizes tell more than every other line.
	if f.tokens < cost || f.dropped > 0 && f.tokens < f.rate {
		f.dropped++
		return false, 0
	}
	f.tokens -= cost
	droppedBefore, f.dropped = f.dropped, 0
	return true, droppedBefore
}

// drop counts an entry that was lost elsewhere.
func (f *flood) drop(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dropped += n
}

// told returns how many were dropped and have not been told, and forgets them.
func (f *flood) told() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.dropped
	f.dropped = 0
	return n
}

// A writer turns the entries of one process into records.
type writer struct {
	base   LogRecord // what all of them have in common
	flood  *flood
	outlet *outlet
}

func (w *writer) write(e entry) {
	ok, dropped := w.flood.admit(e.time, len(e.text))
	if !ok {
		return
	}
	if dropped > 0 {
		w.tell(dropped)
	}
	r := w.base
	r.Stream, r.Time, r.Text, r.Priority, r.RequestID = e.stream, e.time, e.text, e.priority, e.request
	if !w.outlet.put(r) {
		w.flood.drop(1)
	}
}

// tell puts a record about what is missing before it.
func (w *writer) tell(dropped int) {
	r := w.base
	r.Stream, r.Time, r.Priority = streamStderr, time.Now(), PriorityWarning
	r.Text = fmt.Sprintf("denofn: %d log entries dropped: the function writes more than %.0f a second", dropped, w.flood.rate)
	if !w.outlet.put(r) {
		w.flood.drop(dropped)
	}
}

// close tells of what was dropped last.
func (w *writer) close() {
	if n := w.flood.told(); n > 0 {
		w.tell(n)
	}
}

const tailLines = 20 // of standard error are kept to explain a failure

// A tail keeps the last lines of a stream.
type tail struct {
	lines []string // at most tailLines
}

func (t *tail) add(line string) {
	if len(t.lines) == tailLines {
		copy(t.lines, t.lines[1:])
		t.lines = t.lines[:tailLines-1]
	}
	t.lines = append(t.lines, line)
}
