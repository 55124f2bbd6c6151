package bundler

import (
	"cmp"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/denofn/denofn"
)

// A fault says why a file of the tree could not be had.
type fault string

const (
	faultNone    fault = ""
	faultMissing fault = "missing"
	faultFolder  fault = "folder"
	faultOutside fault = "outside" // the path, or a link on its way, leads out of the tree
	faultOther   fault = "other"   // too large, too many links: the text says which
)

// A file is a file of the tree, or why there is none.
type file struct {
	Content []byte
	Fault   fault
	Text    string // of faultOther
}

// A recorder reads a tree and notes what it has read, so that a later push can
// tell by hashes alone whether a function has to be bundled again. There is no
// other way to the tree, and so no input that is not recorded.
//
// A link on the way to a file is an input of its own: its hash is that of the
// target text, and the file it leads to is recorded under its real path. A file
// that was looked for and is not there is an input with an empty hash.
type recorder struct {
	tree Tree

	mu   sync.Mutex        // guards seen
	seen map[string]string // hash by path
}

func newRecorder(tree Tree) *recorder {
	return &recorder{tree: tree, seen: make(map[string]string)}
}

// Read returns a file by its exact path.
func (r *recorder) Read(name string) file {
	f, _ := r.read(name)
	return f
}

// read returns also the path without links at which the file is, or is not.
func (r *recorder) read(name string) (file, string) {
	real, f := r.resolve(name)
	if f.Fault != faultNone {
		return f, real
	}
	content, err := r.tree.ReadFile(real)
	if err == nil {
		err = r.record(real)
	}
	if err != nil {
		return faultOf(err), real
	}
	f.Content = content
	return f, real
}

// Look is Read for a file that may well not be there, which is then recorded.
func (r *recorder) Look(name string) (content []byte, ok bool) {
	f, real := r.read(name)
	if f.Fault == faultMissing {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.seen[real] = ""
	}
	return f.Content, f.Fault == faultNone
}

// List returns the names in a folder, folders with a slash at their end. It is
// for hints: what it says is not recorded.
func (r *recorder) List(dir string) []string {
	entries, err := r.tree.ReadDir(dir)
	if err != nil {
		return nil
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
		if e.IsDir() {
			names[i] += "/"
		}
	}
	return names
}

// maxLinks is how many links one path may lead through, as in Linux.
const maxLinks = 40

// resolve returns the path without links that name leads to, or would if there
// were a file, and records the links. The tree's own functions follow links too, but do not say which.
func (r *recorder) resolve(name string) (string, file) {
	if !fs.ValidPath(name) {
		return "", file{Fault: faultOutside}
	}
	real := "."
	rest := strings.Split(name, "/")
	for links := 0; len(rest) > 0; {
		element := rest[0]
		rest = rest[1:]
		if element == "" || element == "." {
			continue
		}
		if element == ".." {
			if real == "." {
				return "", file{Fault: faultOutside}
			}
			real = path.Dir(real)
			continue
		}
		next := path.Join(real, element)
		info, err := r.tree.Lstat(next)
		if err != nil {
			return path.Join(next, path.Join(rest...)), faultOf(err)
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			if len(rest) > 0 && !info.IsDir() {
				return path.Join(next, path.Join(rest...)), file{Fault: faultMissing}
			}
			real = next
			continue
		}
		if links++; links > maxLinks {
			return "", file{Fault: faultOther, Text: "too many symbolic links"}
		}
		if err := r.record(next); err != nil {
			return "", faultOf(err)
		}
		target, err := r.tree.ReadLink(next)
		if err != nil {
			return "", faultOf(err)
		}
		if strings.HasPrefix(target, "/") {
			return "", file{Fault: faultOutside}
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	if info, err := r.tree.Lstat(real); err != nil {
		return "", faultOf(err)
	} else if info.IsDir() {
		return "", file{Fault: faultFolder}
	}
	return real, file{}
}

func (r *recorder) record(name string) error {
	hash, err := r.tree.Hash(name)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen[name] = hash
	return nil
}

// faultOf says in what way a file could not be had.
func faultOf(err error) file {
	if errors.Is(err, fs.ErrNotExist) {
		return file{Fault: faultMissing}
	}
	text := err.Error()
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		text = pathErr.Err.Error()
	}
	return file{Fault: faultOther, Text: text}
}

// inputs returns what was read, sorted by path.
func (r *recorder) inputs() []denofn.Input {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]denofn.Input, 0, len(r.seen))
	for name, hash := range r.seen {
		all = append(all, denofn.Input{Path: name, Hash: hash})
	}
	slices.SortFunc(all, func(a, b denofn.Input) int { return cmp.Compare(a.Path, b.Path) })
	return all
}
