package procman_test

import (
	"fmt"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/denofn/denofn/procman"
)

const ctl = "\x1edenofn/1 "

func TestFrame(t *testing.T) {
	const (
		out, err                 = "stdout", "stderr"
		errorP, warn, info, dbug = procman.PriorityError, procman.PriorityWarning, procman.PriorityInfo, procman.PriorityDebug
	)
	plain := func(priority int, text string) procman.Entry { return procman.Entry{Priority: priority, Text: text} }
	tests := []struct {
		name   string
		stream string
		writes []string // "" is a pause
		want   []procman.Entry
	}{
		{"lines", out, []string{"one\ntwo\n"}, []procman.Entry{plain(info, "one"), plain(info, "two")}},
		{"stderr", err, []string{"one\r\n"}, []procman.Entry{plain(warn, "one")}},
		{"empty lines", out, []string{"\n\nx\n"}, []procman.Entry{plain(info, ""), plain(info, ""), plain(info, "x")}},
		{"partial last line", out, []string{"one\nhalf"}, []procman.Entry{plain(info, "one"), plain(info, "half")}},
		{"line in pieces", out, []string{"on", "", "e\n"}, []procman.Entry{plain(info, "one")}},
		{"binary", out, []string{"a\xff\x00b\n"}, []procman.Entry{plain(info, "a\uFFFD\x00b")}},
		{"stack trace", err, []string{"Error: boom\n    at f (x.ts:1:2)\n    at g\nnext\n"},
			[]procman.Entry{plain(warn, "Error: boom\n    at f (x.ts:1:2)\n    at g"), plain(warn, "next")}},
		{"stack trace after a pause", err, []string{"Error: boom\n", "", "    at f\n"},
			[]procman.Entry{plain(warn, "Error: boom"), plain(warn, "    at f")}},
		{"last words", err, []string{"error: Uncaught Error: boom\nthrow new Error(\"boom\");\n      ^\n    at f\n"},
			[]procman.Entry{plain(errorP, "error: Uncaught Error: boom\nthrow new Error(\"boom\");\n      ^\n    at f")}},
		{"no last words on stdout", out, []string{"error: x\ny\n"}, []procman.Entry{plain(info, "error: x"), plain(info, "y")}},
		{"announced", out, []string{ctl + "line debug r-1 2\na\nb\nc\n"},
			[]procman.Entry{{Priority: dbug, Request: "r-1", Text: "a\nb"}, plain(info, "c")}},
		{"announced, no request", err, []string{ctl + "line error - 1\na\n  b\n"},
			[]procman.Entry{plain(errorP, "a"), plain(warn, "  b")}},
		{"announced in pieces", out, []string{ctl + "line warn r1", "", " 2\na", "", "\nb\n"}, []procman.Entry{{Priority: warn, Request: "r1", Text: "a\nb"}}},
		{"announced and ended", out, []string{ctl + "line warn r1 5\na\n"}, []procman.Entry{{Priority: warn, Request: "r1", Text: "a"}}},
		{"announced twice", out, []string{ctl + "line warn r1 1\na\n" + ctl + "line info r2 1\nb\n"},
			[]procman.Entry{{Priority: warn, Request: "r1", Text: "a"}, {Priority: info, Request: "r2", Text: "b"}}},
		{"announced text that looks like control", out, []string{ctl + "line warn r1 3\n" + ctl + "failed {}\na" + ctl + "ready\n" + ctl + "line info r2 1\nb\n"},
			[]procman.Entry{{Priority: warn, Request: "r1", Text: ctl + "failed {}\na" + ctl + "ready\n" + ctl + "line info r2 1"}, plain(info, "b")}},
		{"announced behind half a line", out, []string{"half" + ctl + "line warn r1 1\na\n"},
			[]procman.Entry{plain(info, "half"), {Priority: warn, Request: "r1", Text: "a"}}},
		{"announced nonsense", out, []string{ctl + "line loud r1 1\na\n" + ctl + "line info r1 -1\nb\n" + ctl + "line info r1 99999999999999\nc\n" + ctl + "line\nd\n" + ctl + "line info a=b 1\ne\n"},
			[]procman.Entry{plain(info, "a"), plain(info, "b"), plain(info, "c"), plain(info, "d"), plain(info, "e")}},
		{"control", out, []string{"a\n" + ctl + "ready\n" + ctl + "future verb\nb\n"}, []procman.Entry{plain(info, "a"), plain(info, "verb ready"), plain(info, "verb future"), plain(info, "b")}},
		{"control inside a line", out, []string{"a" + ctl + "ready\n"}, []procman.Entry{plain(info, "verb ready"), plain(info, "a")}},
		{"long line", out, []string{strings.Repeat("x", procman.MaxEntryBytes+5) + "\ny\n"},
			[]procman.Entry{plain(info, strings.Repeat("x", procman.MaxEntryBytes)), plain(info, "xxxxx"), plain(info, "y")}},
		{"long entry", out, []string{ctl + "line warn r1 3\n" + strings.Repeat("x", procman.MaxEntryBytes-10) + "\n" + strings.Repeat("y", 20) + "\nz\n"},
			[]procman.Entry{{Priority: warn, Request: "r1", Text: strings.Repeat("x", procman.MaxEntryBytes-10)}, {Priority: warn, Request: "r1", Text: strings.Repeat("y", 20) + "\nz"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, w := net.Pipe()
				go func() {
					defer w.Close()
					for _, text := range tt.writes {
						if text == "" {
							time.Sleep(time.Second)
						}
						w.Write([]byte(text))
					}
				}()
				var got []procman.Entry
				procman.Frame(tt.stream, r, func(e procman.Entry) { got = append(got, e) },
					func(verb string) { got = append(got, plain(info, "verb "+verb)) })
				if tt.name == "control" { // what is pending when a verb comes is told after it
					got[0], got[1], got[2] = got[2], got[0], got[1]
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("entries (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// What a function writes comes out whole, whatever it is and however it is cut,
// but for the lines that are control.
func FuzzFrame(f *testing.F) {
	f.Add("one\ntwo\n", 3, false)
	f.Add(ctl+"line warn r1 2\na\nb\n", 1, true)
	f.Add("error: x\n  at y\n", 100, true)
	f.Fuzz(func(t *testing.T, text string, size int, stderr bool) {
		size = max(1, size)
		stream := "stdout"
		if stderr {
			stream = "stderr"
		}
		r, w := net.Pipe()
		go func() {
			defer w.Close()
			for rest := text; rest != ""; {
				n := min(size, len(rest))
				w.Write([]byte(rest[:n]))
				rest = rest[n:]
			}
		}()
		var got []string
		procman.Frame(stream, r, func(e procman.Entry) {
			if len(e.Text) > 3*procman.MaxEntryBytes {
				t.Errorf("an entry of %d bytes", len(e.Text))
			}
			got = append(got, e.Text)
		}, func(string) {})
		for line := range strings.Lines(text) {
			if len(line) >= procman.MaxEntryBytes {
				return // cut at its length
			}
		}
		if diff := cmp.Diff(bare(text), bare(strings.Join(got, "\n"))); diff != "" {
			t.Errorf("text (-want +got):\n%s", diff)
		}
	})
}

var (
	controlOrEnd = regexp.MustCompile(`\x1edenofn/1 [^\n]*|[\r\n]`)
	invalid      = regexp.MustCompile("\uFFFD+")
)

// bare drops what may be control, the ends of lines, and how many bytes in a row
// are no text.
func bare(text string) string {
	text = controlOrEnd.ReplaceAllString(strings.ToValidUTF8(text, "\uFFFD"), "")
	return invalid.ReplaceAllString(text, "\uFFFD")
}

func TestFloodIsHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		output := new(recorder)
		o := procman.NewOutlet(output, 100)
		for range 60 { // a minute at ten times the rate
			for i := range 1000 {
				o.Write(fmt.Sprint(i))
				time.Sleep(time.Millisecond)
			}
		}
		synctest.Wait()
		passed, dropped := 0, 0
		for _, r := range output.records {
			var n int
			if _, err := fmt.Sscanf(r.Text, "denofn: %d log entries dropped", &n); err == nil {
				dropped += n
			} else {
				passed++
			}
		}
		if passed < 5000 || passed > 6700 {
			t.Errorf("%d entries passed in a minute", passed)
		}
		o.Close()
		last := output.records[len(output.records)-1]
		var n int
		fmt.Sscanf(last.Text, "denofn: %d log entries dropped", &n)
		if passed+dropped+n != 60000 {
			t.Errorf("%d passed and %d are told to be dropped, of 60000", passed, dropped+n)
		}
	})
}

// A sinkhole takes no record until it is opened.
type sinkhole struct {
	open  chan struct{}
	mu    sync.Mutex
	texts []string // guarded by mu
}

func (s *sinkhole) Write(r procman.LogRecord) {
	<-s.open
	s.mu.Lock()
	defer s.mu.Unlock()
	s.texts = append(s.texts, r.Text)
}

func TestStuckSinkHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &sinkhole{open: make(chan struct{})}
		o := procman.NewOutlet(sink, 1e9)
		for range 20000 {
			o.Write(strings.Repeat("x", 1024))
		}
		close(sink.open)
		synctest.Wait()
		o.Write("after")
		o.Close()
		if n := len(sink.texts); n > 4200 {
			t.Errorf("%d entries were held", n)
		}
		last := sink.texts[len(sink.texts)-2:]
		if !strings.Contains(last[0], "dropped") || last[1] != "after" {
			t.Errorf("the gap is not told: %.100q", last)
		}
	})
}
