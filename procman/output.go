package procman

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/denofn/denofn"
)

// A LogRecord is one entry of what a function wrote.
type LogRecord struct {
	Function  denofn.FunctionName
	Release   denofn.ReleaseID
	Stream    string // "stdout" or "stderr"
	Time      time.Time
	Text      string
	Priority  int    // syslog: 3 error, 4 warning, 6 information, 7 debug
	RequestID string // of the request that it was written for; empty if not known
}

// A LogSink takes what functions write. Write may be called from several
// goroutines at once.
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
	maxLineBytes = 16 << 10 // longer lines are cut into several records
	tailLines    = 20       // of standard error are kept to explain a failure
)

// readLines calls line for every line of r, without its end, until r ends. A line
// longer than maxLineBytes comes in pieces, and one without an end is not lost.
// The slice is only valid during the call.
func readLines(r io.Reader, line func([]byte)) {
	br := bufio.NewReaderSize(r, maxLineBytes)
	for {
		text, err := br.ReadSlice('\n')
		if n := len(text); n > 0 && text[n-1] == '\n' {
			text = text[:n-1]
			line(text)
		} else if n > 0 {
			line(text)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

// A tail keeps the last lines of a stream.
type tail struct {
	mu    sync.Mutex
	lines []string // guarded by mu; at most tailLines
}

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) == tailLines {
		copy(t.lines, t.lines[1:])
		t.lines = t.lines[:tailLines-1]
	}
	t.lines = append(t.lines, line)
}

func (t *tail) get() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.lines...)
}

// printable makes text safe to show: what is not UTF-8 becomes U+FFFD.
func printable(line []byte) string {
	return strings.ToValidUTF8(strings.TrimSuffix(string(line), "\r"), "\uFFFD")
}
