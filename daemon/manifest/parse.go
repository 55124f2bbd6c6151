package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/agnivade/levenshtein"
	"github.com/tailscale/hujson"

	"github.com/denofn/denofn"
)

// maxFileBytes is the size of the largest registry.json that is read.
const maxFileBytes = 256 << 10

// A span is a key or a value in the text of a file.
type span struct {
	name          string // of a key
	offset, bytes int
}

func spanOf(v hujson.Value) span {
	return span{offset: v.StartOffset, bytes: v.EndOffset - v.StartOffset}
}

// located is a string and its place.
type located struct {
	text string
	key  span
}

// A file is a parsed registry.json.
type file struct {
	path string
	text []byte

	isObject     bool
	set          []span // the keys that it has, but for "functions" and "$schema"
	functions    []located
	functionsKey span
	entry        string // from the function's folder
	permissions  denofn.Permissions
	asked        []asked // what permissions is made of
	whitelist    bool
	settings     denofn.Settings
	build        denofn.Build
	spans        map[string]span // of values, by key

	wrong denofn.Diagnostics
}

// parse reads a registry.json: JSON with comments and trailing commas. What it
// returns is never nil; it has what could be read.
func parse(path string, text []byte) (*file, denofn.Diagnostics) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	f := &file{path: path, text: text, spans: make(map[string]span)}
	v, err := hujson.Parse(text)
	if err != nil {
		f.syntaxError(err)
		return f, f.wrong
	}
	object, ok := v.Value.(*hujson.Object)
	if !ok {
		f.refuse(spanOf(v), fmt.Sprintf("a registry.json is an object, not %s", typeOf(v)), `write {} around what it says`)
		return f, f.wrong
	}
	f.isObject = true
	f.members(object, keys(), "registry.json")
	f.complete()
	return f, f.wrong.Sort()
}

// A key is one that an object may have, and how its value is read.
type key struct {
	name string
	read func(*file, hujson.Value)
}

// members reads an object whose keys are known.
func (f *file) members(object *hujson.Object, known []key, of string) {
	seen := make(map[string]bool)
	for _, m := range object.Members {
		if len(f.wrong) == maxWrong {
			return
		}
		name := m.Name.Value.(hujson.Literal).String()
		at := spanOf(m.Name)
		at.name = name
		i := slices.IndexFunc(known, func(k key) bool { return k.name == name })
		switch {
		case i < 0:
			f.unknown(at, name, known, of)
		case seen[name]:
			f.refuse(at, fmt.Sprintf("the key %q is here a second time", name), "leave one of them")
		default:
			if of == FileName && name != "functions" && name != "$schema" {
				f.set = append(f.set, at)
			}
			f.spans[name] = spanOf(m.Value)
			known[i].read(f, m.Value)
		}
		seen[name] = true
	}
}

func (f *file) unknown(at span, name string, known []key, of string) {
	names := make([]string, len(known))
	for i, k := range known {
		names[i] = k.name
	}
	hint := fmt.Sprintf("did you mean %q?", nearest(name, names))
	if nearest(name, names) == "" {
		slices.Sort(names)
		hint = "the keys are " + strings.Join(names, ", ")
	}
	f.refuse(at, fmt.Sprintf("unknown key %q in %s", name, of), hint)
}

// nearest returns the candidate that is closest to what was written, or "" when
// none is close enough to be what was meant.
func nearest(written string, candidates []string) string {
	best, bestDistance := "", len(written)/2+1
	for _, c := range candidates {
		d := levenshtein.ComputeDistance(strings.ToLower(written), strings.ToLower(c))
		if d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

var hujsonError = regexp.MustCompile(`^hujson: line (\d+), column (\d+): (?s:(.*))$`)

// syntaxError reports an error of the JSON itself. The parser gives the place in
// its message, with the column in bytes.
func (f *file) syntaxError(err error) {
	m := hujsonError.FindStringSubmatch(err.Error())
	if m == nil {
		f.wrong = append(f.wrong, denofn.Diagnostic{File: f.path, Message: "this is not JSON: " + oneLine(err.Error())})
		return
	}
	line, err1 := strconv.Atoi(m[1])
	column, err2 := strconv.Atoi(m[2])
	if errors.Join(err1, err2) != nil {
		line, column = 1, 1
	}
	offset := 0
	for range line - 1 {
		offset += bytes.IndexByte(f.text[offset:], '\n') + 1
	}
	message, hint := "this is not JSON: "+oneLine(m[3]), "is a comma or a quotation mark missing before this?"
	if len(bytes.TrimSpace(f.text)) == 0 {
		message, hint = "the file is empty", "write {}, or remove the file"
	}
	f.refuse(span{offset: offset + column - 1}, message, hint)
}

// oneLine makes text from a file fit to be part of a message.
func oneLine(s string) string {
	const most = 120
	runes := []rune(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s))
	if len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return string(runes)
}

// at returns a finding at a place in the file.
func (f *file) at(where span, message, hint string) denofn.Diagnostic {
	d := denofn.Diagnostic{File: f.path, Message: message, Hint: hint}
	d.SetPosition(f.text, where.offset)
	end := min(where.offset+where.bytes, len(f.text))
	if where.offset < end {
		first, _, _ := bytes.Cut(f.text[where.offset:end], []byte("\n"))
		d.Length = len([]rune(string(first)))
	}
	return d
}

// maxWrong is how many findings one file can have: nobody reads more.
const maxWrong = 100

func (f *file) refuse(where span, message, hint string) {
	if len(f.wrong) == maxWrong {
		return
	}
	f.wrong = append(f.wrong, f.at(where, message, hint))
}

// typeOf names the type of a value as people do.
func typeOf(v hujson.Value) string {
	switch v.Value.Kind() {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case 'n':
		return "null"
	}
	return "true or false"
}

// mistyped reports a value of the wrong type.
func (f *file) mistyped(v hujson.Value, what, wanted string) {
	f.refuse(spanOf(v), fmt.Sprintf("%s must be %s, not %s", what, wanted, typeOf(v)), "")
}

func (f *file) str(v hujson.Value, what string) (string, bool) {
	if v.Value.Kind() != '"' {
		f.mistyped(v, what, "a string")
		return "", false
	}
	return v.Value.(hujson.Literal).String(), true
}

func (f *file) boolean(v hujson.Value, what string) (value, ok bool) {
	if k := v.Value.Kind(); k != 't' && k != 'f' {
		f.mistyped(v, what, "true or false")
		return false, false
	}
	return v.Value.(hujson.Literal).Bool(), true
}

func (f *file) integer(v hujson.Value, what string, least, most int) (int, bool) {
	if v.Value.Kind() != '0' {
		f.mistyped(v, what, "a number")
		return 0, false
	}
	n, err := strconv.Atoi(string(v.Value.(hujson.Literal)))
	if err != nil || n < least || n > most {
		f.refuse(spanOf(v), fmt.Sprintf("%s must be a whole number from %d to %d", what, least, most), "")
		return 0, false
	}
	return n, true
}

// strings reads an array of strings. What is not one in it is reported and left
// out.
func (f *file) strings(v hujson.Value, what string) ([]located, bool) {
	array, ok := v.Value.(*hujson.Array)
	if !ok {
		f.mistyped(v, what, "an array of strings")
		return nil, false
	}
	list := make([]located, 0, len(array.Elements))
	for _, e := range array.Elements {
		if text, ok := f.str(e, what+"'s elements"); ok {
			list = append(list, located{text, spanOf(e)})
		}
	}
	return list, true
}

func (f *file) object(v hujson.Value, what string) (*hujson.Object, bool) {
	object, ok := v.Value.(*hujson.Object)
	if !ok {
		f.mistyped(v, what, "an object")
	}
	return object, ok
}
