// Package fsck checks the content of git's objects as `git fsck --strict` does,
// and tells what each refers to, so that a server can refuse what would harm the
// people who clone it, or break their git.
//
// It sees one object at a time and nothing else. Whether what an object refers to
// is there, and is of the kind it should be, is for the caller to find out.
package fsck

import (
	"bytes"
	"fmt"

	"github.com/go-git/go-git/v5/plumbing"
)

// An Error says what is wrong in an object.
type Error struct {
	Kind    plumbing.ObjectType
	Hash    plumbing.Hash
	ID      string // git's name of the finding, as in fsck.<id>: "hasDotgit"
	Message string
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s %s: %s (%s)", e.Kind, e.Hash, e.Message, e.ID)
}

// A finding is an Error before it is known which object it is about.
type finding struct{ id, message string }

func (f *finding) of(kind plumbing.ObjectType, hash plumbing.Hash) error {
	if f == nil {
		return nil
	}
	return &Error{kind, hash, f.id, f.message}
}

func found(id, format string, args ...any) *finding {
	return &finding{id, fmt.Sprintf(format, args...)}
}

// A Link is what an object refers to.
type Link struct {
	Hash plumbing.Hash
	Kind plumbing.ObjectType
}

// Links receives what objects refer to.
type Links struct {
	// Link is called for every object that must be there.
	Link func(Link)
	// Modules is called for the file .gitmodules of a tree, which must pass
	// CheckModules.
	Modules func(blob plumbing.Hash)
	// Submodule is called for an entry that is a commit of another repository.
	Submodule func(commit plumbing.Hash)
}

// Check checks a commit, tree or tag and reports what it refers to. Blobs are
// fine whatever they hold. The error is an *Error.
func Check(kind plumbing.ObjectType, hash plumbing.Hash, content []byte, links Links) error {
	switch kind {
	case plumbing.CommitObject:
		return checkCommit(content, links).of(kind, hash)
	case plumbing.TreeObject:
		return checkTree(content, links).of(kind, hash)
	case plumbing.TagObject:
		return checkTag(content, links).of(kind, hash)
	}
	return nil
}

// A Commit is what the history of a commit is walked by.
type Commit struct {
	Tree    plumbing.Hash
	Parents []plumbing.Hash
	Time    int64 // when it was committed, in seconds
}

// ParseCommit reads a commit that has passed Check, and as much as it can of one
// that has not.
func ParseCommit(content []byte) Commit {
	var c Commit
	for len(content) > 0 {
		line, rest, _ := bytes.Cut(content, []byte("\n"))
		if len(line) == 0 {
			break
		}
		content = rest
		key, value, _ := bytes.Cut(line, []byte(" "))
		switch string(key) {
		case "tree":
			c.Tree, _ = parseHash(value)
		case "parent":
			if h, ok := parseHash(value); ok {
				c.Parents = append(c.Parents, h)
			}
		case "committer":
			if i := bytes.LastIndexByte(value, '>'); i >= 0 {
				date, _, _ := bytes.Cut(bytes.TrimLeft(value[i+1:], " "), []byte(" "))
				c.Time = parseTime(date)
			}
			return c
		}
	}
	return c
}

func parseTime(digits []byte) int64 {
	var t int64
	for _, c := range digits {
		if c < '0' || c > '9' || t > 1<<55 {
			break
		}
		t = t*10 + int64(c-'0')
	}
	return t
}

// ParseTag returns what a tag points at.
func ParseTag(content []byte) (Link, bool) {
	var l Link
	value, ok := cutHeader(&content, "object")
	if !ok {
		return l, false
	}
	if l.Hash, ok = parseHash(value); !ok {
		return l, false
	}
	if value, ok = cutHeader(&content, "type"); !ok {
		return l, false
	}
	kind, err := plumbing.ParseObjectType(string(value))
	if err != nil || !kind.Valid() || kind.IsDelta() {
		return l, false
	}
	l.Kind = kind
	return l, true
}

// cutHeader takes "key value\n" off the front of an object.
func cutHeader(content *[]byte, key string) ([]byte, bool) {
	rest, ok := bytes.CutPrefix(*content, []byte(key+" "))
	if !ok {
		return nil, false
	}
	value, rest, ok := bytes.Cut(rest, []byte("\n"))
	if !ok {
		return nil, false
	}
	*content = rest
	return value, true
}

// parseHash reads 40 hexadecimal digits, in lower case as git writes them.
func parseHash(text []byte) (plumbing.Hash, bool) {
	var h plumbing.Hash
	if len(text) != 2*len(h) {
		return h, false
	}
	for i, c := range text {
		var digit byte
		switch {
		case c >= '0' && c <= '9':
			digit = c - '0'
		case c >= 'a' && c <= 'f':
			digit = c - 'a' + 10
		default:
			return h, false
		}
		h[i/2] = h[i/2]<<4 | digit
	}
	return h, true
}
