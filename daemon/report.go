package daemon

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon/manifest"
	"github.com/denofn/denofn/procman"
)

// A report tells the person who pushes what happens, as it happens. It writes
// plain lines without colour: git shows them behind "remote: " and does not say
// whether a terminal is at the other end.
//
// What matters most comes last, where the eye is: the addresses when it went
// well, the reason when it did not.
type report struct {
	w io.Writer
}

func newReport(w io.Writer) *report { return &report{w} }

func (r *report) line(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	io.WriteString(r.w, strings.TrimRight(line, " ")+"\n")
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
			r.diagnostic(w, "warning: ")
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
func (r *report) live(changed int, took time.Duration) {
	if changed > 0 {
		r.line("Live after %s.", short(took))
	}
}

// refuse tells err in full and returns it as the single line that git shows
// beside the ref.
func (r *report) refuse(err error) error {
	found, ok := errors.AsType[denofn.Diagnostics](err)
	if !ok {
		r.line("Error: %s", err)
		r.unharmed()
		return err
	}
	const most = 20
	for i, d := range found {
		if i == most {
			r.line("… and %d more", len(found)-most)
			break
		}
		r.diagnostic(d, "")
	}
	r.unharmed()
	return found
}

func (r *report) unharmed() {
	r.line("Nothing was changed: what was live is live.")
}

// diagnostic shows the place, the line of the source with a mark below it, and
// the hint.
func (r *report) diagnostic(d denofn.Diagnostic, label string) {
	r.line("%s%s%s", d.Place(), label, d.Message)
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
