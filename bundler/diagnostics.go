package bundler

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/denofn/denofn"
)

// A finding travels with an error of ours through esbuild.
type finding struct {
	hint string
}

// diagnostics turns esbuild's messages into findings about the tree.
func (c *compiler) diagnostics(messages []api.Message) denofn.Diagnostics {
	var all denofn.Diagnostics
	for _, m := range messages {
		all = append(all, c.diagnostic(m))
	}
	return all
}

func (c *compiler) diagnostic(m api.Message) denofn.Diagnostic {
	d := denofn.Diagnostic{Message: publicText(m.Text)}
	if l := m.Location; l != nil {
		d.File = placeOf(l.File)
		d.Line = l.Line
		d.Source = strings.TrimSuffix(l.LineText, "\r")
		d.Column = runes(l.LineText, l.Column) + 1
		d.Length = runes(l.LineText[min(l.Column, len(l.LineText)):], l.Length)
	}
	if own, ok := m.Detail.(finding); ok {
		d.Hint = own.hint
		if d.File == entryPlace {
			d.File, d.Line, d.Column, d.Length, d.Source = c.job.Entry, 0, 0, 0, ""
		}
		return d
	}
	d.Hint = hintFor(m)
	return d
}

// entryPlace is where esbuild says that an error about the entry itself is.
const entryPlace = spaceOwn + ":" + entryModule

// runes returns how many characters the first n bytes of s hold.
func runes(s string, n int) int { return utf8.RuneCountInString(s[:min(max(n, 0), len(s))]) }

// hintFor says what to do about a message of esbuild's own: what it suggests, or
// else what it notes.
func hintFor(m api.Message) string {
	if l := m.Location; l != nil && l.Suggestion != "" {
		if strings.HasPrefix(m.Text, "No matching export") {
			return "did you mean " + l.Suggestion + "?"
		}
		return "write " + l.Suggestion
	}
	for _, note := range m.Notes {
		text := publicText(strings.TrimSuffix(note.Text, ":"))
		if l := note.Location; l != nil && text != "" {
			text += " (" + placeOf(l.File) + fmt.Sprintf(":%d:%d)", l.Line, runes(l.LineText, l.Column)+1)
		}
		if text != "" {
			return text
		}
	}
	return ""
}

// ofAuthor leaves out what is said of code that the author has not written and
// cannot change.
func ofAuthor(found denofn.Diagnostics) denofn.Diagnostics {
	return slices.DeleteFunc(found, func(d denofn.Diagnostic) bool {
		return strings.HasPrefix(d.File, spaceNPM+":") || strings.Contains(d.File, "://")
	})
}

// placeOf returns the file that esbuild names as a person knows it.
func placeOf(name string) string { return strings.TrimPrefix(publicName(name), "file:///") }

// publicText takes out of a message what only esbuild has to know.
func publicText(text string) string {
	return strings.NewReplacer(esmMark, "", spaceRepo+":", "", spaceURL+":", "").Replace(text)
}

// maxMessage is the length of the longest message, in characters.
const maxMessage = 300

// tidy makes every message and hint one line that is no longer than a person
// reads: they quote what was pushed, which can be anything.
func tidy(found denofn.Diagnostics) denofn.Diagnostics {
	for i := range found {
		found[i].Message, found[i].Hint = oneLine(found[i].Message), oneLine(found[i].Hint)
	}
	return found.Sort()
}

func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
	if characters := []rune(text); len(characters) > maxMessage {
		return string(characters[:maxMessage]) + "…"
	}
	return text
}
