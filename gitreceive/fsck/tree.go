package fsck

import (
	"bytes"
	"iter"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// maxNameBytes is the longest name of a file. No file system that people check
// out on takes a longer one.
const maxNameBytes = 255

// Modes of the entries of a tree.
const (
	ModeFolder    = 0o040000
	ModeFile      = 0o100644
	ModeGroupFile = 0o100664 // of repositories from 2005
	ModeProgram   = 0o100755
	ModeLink      = 0o120000
	ModeSubmodule = 0o160000
)

// An Entry is one of a tree. Name is only lent.
type Entry struct {
	Mode uint32
	Name []byte
	Hash plumbing.Hash
}

// Kind returns what the entry refers to; commits are those of other repositories.
func (e Entry) Kind() plumbing.ObjectType {
	switch e.Mode {
	case ModeFolder:
		return plumbing.TreeObject
	case ModeSubmodule:
		return plumbing.CommitObject
	}
	return plumbing.BlobObject
}

// Entries returns the entries of a tree up to the first that is malformed.
func Entries(content []byte) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for len(content) > 0 {
			e, _, rest, ok := cutEntry(content)
			if !ok || !yield(e) {
				return
			}
			content = rest
		}
	}
}

// cutEntry takes an entry off the front of a tree. Padded tells of a mode with
// leading zeros.
func cutEntry(content []byte) (e Entry, padded bool, rest []byte, ok bool) {
	mode, rest, ok := bytes.Cut(content, []byte(" "))
	if !ok || len(mode) == 0 || len(mode) > 7 {
		return e, false, nil, false
	}
	for _, c := range mode {
		if c < '0' || c > '7' {
			return e, false, nil, false
		}
		e.Mode = e.Mode<<3 | uint32(c-'0')
	}
	if e.Name, rest, ok = bytes.Cut(rest, []byte{0}); !ok || len(rest) < len(e.Hash) {
		return e, false, nil, false
	}
	e.Hash = plumbing.Hash(rest[:len(e.Hash)])
	return e, mode[0] == '0', rest[len(e.Hash):], true
}

func checkTree(content []byte, links Links) *finding {
	var before Entry
	names := duplicates{}
	for first := true; len(content) > 0; first = false {
		e, padded, rest, ok := cutEntry(content)
		if !ok {
			return found("badTree", "the tree is malformed")
		}
		if padded {
			return found("zeroPaddedFilemode", "the mode of %q has leading zeros", e.Name)
		}
		if f := checkEntry(e); f != nil {
			return f
		}
		if !first {
			switch c := compareEntries(before, e); {
			case c == 0 || names.has(e):
				return found("duplicateEntries", "%q is there twice", e.Name)
			case c > 0:
				return found("treeNotSorted", "%q is not in its place", e.Name)
			}
		}
		names.add(e)
		before, content = e, rest
		report(e, links)
	}
	return nil
}

func checkEntry(e Entry) *finding {
	name := string(e.Name)
	switch {
	case e.Hash.IsZero():
		return found("nullSha1", "%q refers to no object", name)
	case name == "":
		return found("emptyName", "an entry has no name")
	case name == ".":
		return found("hasDot", "an entry is named .")
	case name == "..":
		return found("hasDotdot", "an entry is named ..")
	case strings.Contains(name, "/"):
		return found("fullPathname", "the name %q has a slash in it", name)
	case len(name) > maxNameBytes:
		return found("largePathname", "the name %.40q… has %d bytes, more than the %d of a file system", name, len(name), maxNameBytes)
	}
	switch e.Mode {
	case ModeFolder, ModeFile, ModeGroupFile, ModeProgram, ModeLink, ModeSubmodule:
	default:
		return found("badFilemode", "%q has the mode %o", name, e.Mode)
	}
	if isDotGit(name) {
		return found("hasDotgit", "%q would be .git on some file system", name)
	}
	if e.Mode == ModeLink && isDotGitmodules(name) {
		return found("gitmodulesSymlink", "%q is a symbolic link", name)
	}
	return nil
}

func report(e Entry, links Links) {
	switch {
	case e.Mode == ModeSubmodule:
		if links.Submodule != nil {
			links.Submodule(e.Hash)
		}
		return
	case e.Mode != ModeFolder && links.Modules != nil && isDotGitmodules(string(e.Name)):
		links.Modules(e.Hash)
	}
	links.Link(Link{e.Hash, e.Kind()})
}

// compareEntries orders as git does: a folder as if its name ended in a slash. It
// returns 0 for equal names, whatever they name.
func compareEntries(a, b Entry) int {
	if bytes.Equal(a.Name, b.Name) {
		return 0
	}
	n := min(len(a.Name), len(b.Name))
	if c := bytes.Compare(a.Name[:n], b.Name[:n]); c != 0 {
		return c
	}
	return int(nextByte(a, n)) - int(nextByte(b, n))
}

func nextByte(e Entry, n int) byte {
	switch {
	case n < len(e.Name):
		return e.Name[n]
	case e.Mode == ModeFolder:
		return '/'
	}
	return 0
}

// duplicates are the files that a folder with the same name could still follow:
// between "a" and the folder "a" there is room for "a-b" and "a.c".
type duplicates struct{ files [][]byte }

func (d *duplicates) add(e Entry) {
	if e.Mode != ModeFolder {
		for len(d.files) > 0 && !bytes.HasPrefix(e.Name, d.files[len(d.files)-1]) {
			d.files = d.files[:len(d.files)-1]
		}
		d.files = append(d.files, e.Name)
	}
}

func (d *duplicates) has(e Entry) bool {
	if e.Mode != ModeFolder {
		return false
	}
	for _, name := range d.files {
		if bytes.Equal(name, e.Name) {
			return true
		}
	}
	return false
}
