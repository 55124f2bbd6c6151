package daemon

import (
	"context"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon/admin"
)

// What tests reach of the daemon's own.
var (
	FirstFrame  = firstFrame
	NeedRestart = needRestart
	NewLogbook  = newLogbook
)

const (
	PageBytes     = pageBytes
	BookBytes     = bookBytes
	FollowerQueue = followerQueue
)

func (b *logbook) Read(ctx context.Context, function denofn.FunctionName, most int, follow bool, each func(admin.LogEntry) error) error {
	return b.read(ctx, function, most, follow, each)
}

func (b *logbook) Close() { b.close() }

// Followers returns how many there are.
func (b *logbook) Followers() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.followers)
}

// Bytes returns what the book takes, as it counts, and as it is.
func (b *logbook) Bytes() (counted, real int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.pages {
		for _, e := range p.entries {
			real += bytesOf(e)
		}
	}
	return b.bytes, real
}

// FaultOf returns the message and the hint of the fault that err is, or nothing.
func FaultOf(err error) (message, hint string) {
	if f := asFault(err); f != nil {
		return f.message, f.hint
	}
	return "", ""
}
