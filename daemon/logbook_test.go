package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon"
	"github.com/denofn/denofn/daemon/admin"
	"github.com/denofn/denofn/procman"
)

var logTime = time.Date(2026, 2, 3, 12, 0, 0, 0, time.UTC)

func record(function string, i int, text string) procman.LogRecord {
	return procman.LogRecord{Function: denofn.FunctionName(function), Time: logTime.Add(time.Duration(i) * time.Second), Text: text, Priority: procman.PriorityInfo}
}

func TestLogbookHoldsTheLatest(t *testing.T) {
	b := daemon.NewLogbook()
	read := func(function denofn.FunctionName, most int) []string {
		var texts []string
		if err := b.Read(t.Context(), function, most, false, func(e admin.LogEntry) error { texts = append(texts, e.Text); return nil }); err != nil {
			t.Fatal(err)
		}
		return texts
	}
	if got := read("nobody", 10); len(got) > 0 {
		t.Errorf("nobody wrote %q", got)
	}
	for i := range 5 {
		b.Write(record("a", i, fmt.Sprint(i)))
	}
	b.Write(record("b", 9, "b"))
	if got := strings.Join(read("a", 3), " "); got != "2 3 4" {
		t.Errorf("the latest 3 are %s", got)
	}
	if got := strings.Join(read("a", 100), " "); got != "0 1 2 3 4" {
		t.Errorf("all are %s", got)
	}
	if got := read("a", 0); len(got) > 0 {
		t.Errorf("none are %q", got)
	}

	// One function has no more than its page.
	for i := range 1000 {
		b.Write(record("a", i, strings.Repeat("x", 500)+fmt.Sprint(i)))
	}
	if got := read("a", 10000); len(got) > daemon.PageBytes/500 || !strings.HasSuffix(got[len(got)-1], "999") {
		t.Errorf("%d entries, the last %q", len(got), got[len(got)-1])
	}
	// An entry that is larger than a page is kept alone.
	b.Write(record("a", 1000, strings.Repeat("y", 2*daemon.PageBytes)))
	if got := read("a", 10000); len(got) != 1 {
		t.Errorf("%d entries", len(got))
	}
	if got := read("b", 10); len(got) != 1 {
		t.Errorf("b has %q", got)
	}
}

// However many functions write, the book stays within its size, and drops the
// page that nobody has written on for longest.
func TestLogbookIsBounded(t *testing.T) {
	b := daemon.NewLogbook()
	text := strings.Repeat("x", daemon.PageBytes/2)
	pages := 2*daemon.BookBytes/daemon.PageBytes + 10
	for i := range pages {
		b.Write(record(fmt.Sprint("f", i), i, text))
		b.Write(record("busy", i, "busy"))
	}
	counted, real := b.Bytes()
	if counted != real || counted > daemon.BookBytes {
		t.Errorf("the book has %d bytes and counts %d", real, counted)
	}
	has := func(name string) bool {
		n := 0
		b.Read(t.Context(), denofn.FunctionName(name), 1, false, func(admin.LogEntry) error { n++; return nil })
		return n > 0
	}
	if has("f0") || !has("busy") || !has(fmt.Sprint("f", pages-1)) {
		t.Errorf("f0 %v, busy %v, the last %v", has("f0"), has("busy"), has(fmt.Sprint("f", pages-1)))
	}
}

func TestLogbookFollow(t *testing.T) {
	b := daemon.NewLogbook()
	b.Write(record("a", 0, "before"))
	got := make(chan string, 10)
	ctx, cancel := context.WithCancel(t.Context())
	var following sync.WaitGroup
	var left, closed error
	following.Go(func() {
		left = b.Read(ctx, "a", 10, true, func(e admin.LogEntry) error { got <- e.Text; return nil })
	})
	want := func(texts ...string) {
		t.Helper()
		for _, text := range texts {
			select {
			case line := <-got:
				if line != text {
					t.Errorf("got %q, not %q", line, text)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("%q did not come", text)
			}
		}
	}
	want("before")
	b.Write(record("b", 1, "of another"))
	b.Write(record("a", 1, "after"))
	want("after")
	cancel()
	following.Wait()
	if !errors.Is(left, context.Canceled) || b.Followers() != 0 {
		t.Errorf("left with %v, and %d follow", left, b.Followers())
	}

	// The end of the daemon is the end of following.
	following.Go(func() {
		closed = b.Read(t.Context(), "a", 1, true, func(e admin.LogEntry) error { got <- e.Text; return nil })
	})
	want("after")
	b.Write(record("a", 2, "last"))
	want("last")
	b.Close()
	following.Wait()
	if closed != nil || b.Followers() != 0 {
		t.Errorf("closed with %v, and %d follow", closed, b.Followers())
	}
	if err := b.Read(t.Context(), "a", 1, true, func(admin.LogEntry) error { return nil }); err != nil {
		t.Errorf("a closed book is followed: %v", err)
	}
}

// One who is too slow is told how much is missing, and holds nobody up.
func TestLogbookSlowFollower(t *testing.T) {
	b := daemon.NewLogbook()
	var texts []string
	begun, resume := make(chan struct{}), make(chan struct{})
	var following sync.WaitGroup
	following.Go(func() {
		b.Read(t.Context(), "a", 0, true, func(e admin.LogEntry) error {
			if len(texts) == 0 {
				close(begun)
				<-resume
			}
			texts = append(texts, e.Text)
			return nil
		})
	})
	for b.Followers() == 0 {
		time.Sleep(time.Millisecond)
	}
	b.Write(record("a", 0, "first"))
	<-begun
	for i := range daemon.FollowerQueue + 5 {
		b.Write(record("a", i, fmt.Sprint(i)))
	}
	close(resume)
	deadline := time.Now().Add(10 * time.Second)
	for i := 0; ; i++ { // until there is room again, and so the note
		b.Write(record("a", i, "late"))
		if i%100 == 99 {
			b.Close()
			following.Wait()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("there is never room again")
		}
		time.Sleep(time.Millisecond)
	}
	all := strings.Join(texts, "\n")
	if !strings.HasPrefix(all, "first\n0\n1\n") || !strings.Contains(all, "left out: they came faster") {
		t.Errorf("got %d entries without a note", len(texts))
	}
}
