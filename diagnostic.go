package denofn

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Diagnostic is one thing wrong in what somebody pushed, pointing at the place
// and saying what to do. File is slash-separated from the repository's root; a
// Diagnostic about no file in particular leaves it empty.
type Diagnostic struct {
	File    string
	Line    int    // from 1; 0: the file as a whole
	Column  int    // from 1, in characters; 0: the line as a whole
	Length  int    // characters to underline at Column; 0 is taken as 1
	Source  string // the text of the line, without its line end
	Message string // what happened, one line
	Hint    string // what to do about it; may be empty
}

// Error returns "file:line:column: message".
func (d Diagnostic) Error() string {
	return d.Place() + d.Message
}

// Place returns "file:line:column: ", as much of it as is known.
func (d Diagnostic) Place() string {
	switch {
	case d.File == "":
		return ""
	case d.Line == 0:
		return d.File + ": "
	case d.Column == 0:
		return fmt.Sprintf("%s:%d: ", d.File, d.Line)
	}
	return fmt.Sprintf("%s:%d:%d: ", d.File, d.Line, d.Column)
}

// Diagnostics is an error that carries several findings, sorted by place.
type Diagnostics []Diagnostic

// Error returns the first finding and how many more there are.
func (ds Diagnostics) Error() string {
	switch len(ds) {
	case 0:
		return "no diagnostics"
	case 1:
		return ds[0].Error()
	}
	return fmt.Sprintf("%s (and %d more)", ds[0].Error(), len(ds)-1)
}

// Sort orders the findings by file, line and column, and drops repetitions.
func (ds Diagnostics) Sort() Diagnostics {
	slices.SortStableFunc(ds, func(a, b Diagnostic) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.Compact(ds)
}

// SetPosition fills Line, Column and Source from a byte offset into the text of
// the file. An offset past the end points behind the last character.
func (d *Diagnostic) SetPosition(text []byte, offset int) {
	offset = min(max(offset, 0), len(text))
	before := string(text[:offset])
	start := strings.LastIndexByte(before, '\n') + 1
	d.Line = strings.Count(before, "\n") + 1
	d.Column = len([]rune(before[start:])) + 1
	line, _, _ := strings.Cut(string(text[start:]), "\n")
	d.Source = strings.TrimSuffix(line, "\r")
}
