package procman

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"time"
)

const (
	// maxEntryBytes is the longest text of one record. What is longer is cut into
	// several.
	maxEntryBytes = 32 << 10
	// quiet is how long after a line the next one may still belong to it.
	quiet = 20 * time.Millisecond
)

// A framer turns the bytes of one stream into entries. An entry is as many lines
// as the runtime announces with the verb "line", whatever is in them: a function
// logs what strangers sent it. Of what is not announced, a line
// is an entry, with two exceptions: lines that begin with white space belong to
// the one before, which keeps a stack trace together; and so does all that follows
// the line in which Deno says why it ends.
type framer struct {
	stream  string
	emit    func(entry)
	control func(control) // for every verb but "line"
	line    func(string)  // is shown each line that is not control; may be nil

	text      bytes.Buffer // of the entry at hand
	next      entry        // what is known of it
	announced int          // lines that it still gets
	last      bool         // it is the last words of the process
	partial   bool         // its last line goes on
}

// An entry is one record in the making.
type entry struct {
	stream   string
	time     time.Time
	priority int
	request  string
	text     string
}

// A pipe is what a framer reads. *os.File is one.
type pipe interface {
	Read([]byte) (int, error)
	SetReadDeadline(time.Time) error
}

// read frames everything that comes out of r, until its end.
func (f *framer) read(r pipe) {
	buf := make([]byte, 0, maxEntryBytes)
	for {
		var deadline time.Time
		if f.text.Len() > 0 {
			deadline = time.Now().Add(quiet)
		}
		r.SetReadDeadline(deadline)
		seen := len(buf) // has no line end
		n, err := r.Read(buf[seen:cap(buf)])
		buf = buf[:seen+n]
		rest := buf
		for {
			i := bytes.IndexByte(rest[seen:], '\n')
			if i < 0 {
				break
			}
			f.take(rest[:seen+i], true)
			rest, seen = rest[seen+i+1:], 0
		}
		if len(rest) == cap(buf) {
			f.take(rest, false)
			rest = nil
		}
		buf = buf[:copy(buf[:cap(buf)], rest)]
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && !deadline.IsZero():
			f.flush()
		case err != nil:
			if len(buf) > 0 {
				f.take(buf, true)
			}
			f.flush()
			return
		}
	}
}

// take adds a line, or a piece of one that goes on.
func (f *framer) take(line []byte, complete bool) {
	if f.announced == 0 && !f.partial {
		// Code that writes to the stream itself may leave a line without its end.
		if i := bytes.Index(line, controlPrefix); i > 0 {
			f.take(line[:i], true)
			line = line[i:]
		}
		if c, ok := parseControl(line); ok {
			f.command(c)
			return
		}
	}
	line = bytes.TrimSuffix(line, []byte("\r"))
	if f.line != nil {
		f.line(printable(line))
	}
	switch {
	case f.announced > 0 || f.last || f.partial:
	case f.text.Len() > 0 && len(line) > 0 && (line[0] == ' ' || line[0] == '\t'):
	default:
		f.flush()
		f.last = f.stream == streamStderr && bytes.HasPrefix(line, []byte(uncaught))
		f.next = entry{priority: PriorityInfo}
		if f.last {
			f.next.priority = PriorityError
		} else if f.stream == streamStderr {
			f.next.priority = PriorityWarning
		}
	}
	f.append(line)
	f.partial = !complete
	if complete && f.announced > 0 {
		if f.announced--; f.announced == 0 {
			f.flush()
		}
	}
}

// append puts a line into the entry at hand, or begins another one for it.
func (f *framer) append(line []byte) {
	if f.text.Len() > 0 && f.text.Len()+len(line)+1 > maxEntryBytes {
		f.put()
	} else if f.text.Len() > 0 && !f.partial {
		f.text.WriteByte('\n')
	}
	if f.next.time.IsZero() {
		f.next.time = time.Now()
	}
	f.text.Write(line)
}

func (f *framer) command(c control) {
	if c.verb != "line" {
		f.control(c)
		return
	}
	f.flush()
	if a, ok := parseAnnouncement(c.rest); ok {
		f.announced = a.lines
		f.next = entry{priority: a.priority, request: a.request}
	}
}

// flush ends the entry at hand.
func (f *framer) flush() {
	f.put()
	f.announced, f.last, f.partial = 0, false, false
	f.next = entry{}
}

func (f *framer) put() {
	if f.next.time.IsZero() {
		return
	}
	e := f.next
	e.stream, e.text = f.stream, printable(f.text.Bytes())
	f.text.Reset()
	f.emit(e)
	f.next.time = time.Time{}
}

// printable makes text safe to show: what is not UTF-8 becomes U+FFFD.
func printable(text []byte) string { return strings.ToValidUTF8(string(text), "\uFFFD") }
