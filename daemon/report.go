package daemon

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon/manifest"
	"github.com/denofn/denofn/procman"
)

// A report tells the person who pushes what happens, as it happens. What stays is
// plain lines: one a function, its permissions where they change, and a summary.
// Lines that begin with "error:", "warning:" and "hint:" are coloured by the
// client's git, where and how its user likes it, so there is no colour in them.
// Where a terminal is known to be at the other end, long work is also shown on a
// line that is written over.
//
// What matters most comes last, where the eye is: the addresses when it went
// well, the reason when it did not.
type report struct {
	terminal bool

	mu    sync.Mutex // guards what follows
	w     io.Writer
	began time.Time // of the stage that is shown
	stage string
	shown time.Time
}

func newReport(w io.Writer, terminal bool) *report { return &report{w: w, terminal: terminal} }

// line writes a line. Whatever a push made it hold, it stays one line and does
// nothing to a terminal.
func (r *report) line(format string, args ...any) {
	line := strings.Map(func(c rune) rune {
		switch {
		case c == '\t':
			return ' '
		case unicode.IsControl(c) || c == '\u2028' || c == '\u2029' || unicode.Is(unicode.Bidi_Control, c):
			return '\ufffd'
		}
		return c
	}, fmt.Sprintf(format, args...))
	r.mu.Lock()
	defer r.mu.Unlock()
	io.WriteString(r.w, strings.TrimRight(line, " ")+"\n")
}

// How long a stage takes before it is shown, and how often it is shown then.
const (
	stageDelay = 500 * time.Millisecond
	stagePause = 100 * time.Millisecond
)

// progress shows how far a stage is: "Bundling 3 of 14…". It is safe for
// concurrent use.
func (r *report) progress(stage string, done, total int) {
	if !r.terminal {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if stage != r.stage {
		r.stage, r.began = stage, now
	}
	if now.Sub(r.began) < stageDelay || now.Sub(r.shown) < stagePause || done == total {
		return
	}
	r.shown = now
	// The next line is written over this one: git clears what is left of it.
	fmt.Fprintf(r.w, "%s %d of %d…\r", stage, done+1, total)
}

// functions tells what the push makes of every function: one line for each that
// changed, with its permissions where they differ, and one for all others.
func (r *report) functions(builds []build, unchanged int, removed []denofn.FunctionName,
	previous func(denofn.FunctionName) *denofn.Release, url func(denofn.FunctionName) string) {
	if len(builds) == 0 && unchanged == 0 && len(removed) == 0 {
		r.line("This commit holds no function. A function is a folder with an index.ts in it:")
		r.line("  hello/index.ts   export default () => \"Hello, world\";")
		return
	}
	width := 0
	for _, b := range builds {
		width = max(width, len(b.release.Function))
	}
	for _, b := range builds {
		r.line("  %-*s  %8s  %7s  %s", width, b.release.Function, size(b.release.BundleBytes+b.static), short(b.took), url(b.release.Function))
		var before denofn.Permissions
		if old := previous(b.release.Function); old != nil {
			before = old.Permissions
		}
		for _, change := range manifest.Diff(before, b.release.Permissions) {
			r.line("  %-*s  %s", width, "", change)
		}
		for _, w := range b.warnings {
			r.diagnostic("warning", w)
		}
	}
	for _, name := range removed {
		r.line("  %-*s  removed", width, name)
	}
	if unchanged > 0 {
		r.line("  %s unchanged", count(unchanged, "function"))
	}
}

// live closes a report that ended well.
func (r *report) live(changed, removed int, took time.Duration) {
	switch {
	case changed > 0 && removed > 0:
		r.line("Live after %s: %s, %d removed.", short(took), count(changed, "function"), removed)
	case changed > 1:
		r.line("Live after %s: %s.", short(took), count(changed, "function"))
	case changed == 1:
		r.line("Live after %s.", short(took))
	case removed > 0:
		r.line("Done after %s: %s removed.", short(took), count(removed, "function"))
	}
}

// refuse tells err in full and returns it as the single line that git shows
// beside the ref.
func (r *report) refuse(err error) error {
	found, ok := errors.AsType[denofn.Diagnostics](err)
	r.line("Nothing was changed: what was live is live.")
	if !ok {
		r.line("error: %s", err)
		if f, ok := errors.AsType[*fault](err); ok {
			r.line("  hint: %s", f.hint)
		}
		return err
	}
	const most = 20
	for i, d := range found {
		if i == most {
			r.line("… and %d more", len(found)-most)
			break
		}
		r.diagnostic("error", d)
	}
	return found
}

// diagnostic shows the place, the line of the source with a mark below it, and
// the hint.
func (r *report) diagnostic(label string, d denofn.Diagnostic) {
	r.line("%s: %s%s", label, d.Place(), d.Message)
	if d.Line > 0 && d.Source != "" {
		source, column := clip(d.Source, d.Column)
		number := strconv.Itoa(d.Line)
		gutter := strings.Repeat(" ", len(number))
		r.line("  %s | %s", number, source)
		if d.Column > 0 {
			r.line("  %s | %s%s", gutter, strings.Repeat(" ", column-1), strings.Repeat("^", underline(d, source, column)))
		}
	}
	if d.Hint != "" {
		r.line("  hint: %s", d.Hint)
	}
}

// clip returns the part of a source line that is worth a line of the terminal,
// with tabs as single spaces so that the mark stays below its character, and the
// column in that part.
func clip(source string, column int) (string, int) {
	const widest = 100
	runes := []rune(strings.ReplaceAll(source, "\t", " "))
	if len(runes) <= widest {
		return string(runes), column
	}
	start := min(max(column-1-widest/2, 0), len(runes)-widest)
	return string(runes[start : start+widest]), column - start
}

func underline(d denofn.Diagnostic, source string, column int) int {
	return max(1, min(d.Length, len([]rune(source))-column+1))
}

// startFailure turns a module that did not start into a finding about its entry
// file, after showing what it wrote.
func (r *report) startFailure(release *denofn.Release, start *procman.StartError) error {
	d := denofn.Diagnostic{File: release.Entry, Message: start.Message, Hint: start.Hint}
	if place, ok := firstFrame(start.Output); ok {
		d.File, d.Line, d.Column = place.File, place.Line, place.Column
	}
	for _, line := range start.Output {
		r.line("  %s | %s", release.Function, line)
	}
	return denofn.Diagnostics{d}
}

// size writes a number of bytes for people: "812 B", "1.2 kB", "463 kB".
func size(bytes int64) string {
	switch kB := float64(bytes) / 1000; {
	case bytes < 1000:
		return fmt.Sprintf("%d B", bytes)
	case kB < 10:
		return fmt.Sprintf("%.1f kB", kB)
	case kB < 1000:
		return fmt.Sprintf("%.0f kB", kB)
	default:
		return fmt.Sprintf("%.1f MB", kB/1000)
	}
}

// short writes a duration with two digits that matter: "12 ms", "1.4 s".
func short(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", max(1, d.Milliseconds()))
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
