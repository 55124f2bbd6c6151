package gitreceive

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// A ref is a name and what it stands for.
type ref struct {
	name   string
	hash   plumbing.Hash
	peeled plumbing.Hash // of an annotated tag: what it points at in the end
}

// A refUpdate moves a ref from old to new; zero is none.
type refUpdate struct {
	name     string
	old, new plumbing.Hash
	peeled   plumbing.Hash
}

// All refs of a repository are in one file, packed-refs, so that one rename moves
// all refs of a push, and a power cut finds all of them moved or none. Refs in
// files of their own, as git's tools write them, are read, and taken into the
// file before it is written.

// refs returns all refs, sorted by name.
func (r *Repository) refs() ([]ref, error) {
	refs, err := readPackedRefs(filepath.Join(r.dir, "packed-refs"))
	if err != nil {
		return nil, err
	}
	loose, err := r.looseRefs()
	if err != nil {
		return nil, err
	}
	for _, l := range loose {
		i, ok := findRef(refs, l.name)
		if ok {
			refs[i] = l
		} else {
			refs = slices.Insert(refs, i, l)
		}
	}
	return refs, nil
}

func findRef(refs []ref, name string) (int, bool) {
	return slices.BinarySearchFunc(refs, name, func(r ref, name string) int { return cmp.Compare(r.name, name) })
}

func readPackedRefs(path string) ([]ref, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var refs []ref
	for line := range bytes.Lines(text) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		switch {
		case len(line) == 0 || line[0] == '#':
		case line[0] == '^' && len(refs) > 0:
			refs[len(refs)-1].peeled = plumbing.NewHash(string(line[1:]))
		default:
			hash, name, ok := bytes.Cut(line, []byte(" "))
			if !ok || !plumbing.IsHash(string(hash)) {
				return nil, fmt.Errorf("%s: malformed line %q", path, line)
			}
			refs = append(refs, ref{name: string(name), hash: plumbing.NewHash(string(hash))})
		}
	}
	slices.SortFunc(refs, func(a, b ref) int { return cmp.Compare(a.name, b.name) })
	return refs, nil
}

func (r *Repository) looseRefs() ([]ref, error) {
	var refs []ref
	err := filepath.WalkDir(filepath.Join(r.dir, "refs"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(r.dir, path)
		text, err := os.ReadFile(path)
		hash := strings.TrimSpace(string(text))
		if err == nil && plumbing.IsHash(hash) && checkRefName(name) == nil {
			refs = append(refs, ref{name: name, hash: plumbing.NewHash(hash)})
		}
		return err
	})
	return refs, err
}

// A staleError is the error of an update whose ref is not what the client saw.
type staleError struct{ name string }

func (e *staleError) Error() string {
	return shortRef(e.name) + " moved while you pushed: fetch first"
}

// A conflictError is the error of a ref that would have to be a folder and a file.
type conflictError struct{ name, other string }

func (e *conflictError) Error() string {
	return fmt.Sprintf("%s cannot be beside %s", shortRef(e.name), shortRef(e.other))
}

// checkUpdates returns for each update why it cannot be made now, or nil.
func checkUpdates(refs []ref, updates []refUpdate) []error {
	errs := make([]error, len(updates))
	for i, u := range updates {
		var current plumbing.Hash
		if at, ok := findRef(refs, u.name); ok {
			current = refs[at].hash
		}
		if current != u.old {
			errs[i] = &staleError{u.name}
		}
	}
	after := applyUpdates(refs, updates, errs)
	for i, u := range updates {
		if errs[i] == nil && !u.new.IsZero() {
			if other, ok := conflict(after, u.name); ok {
				errs[i] = &conflictError{u.name, other}
			}
		}
	}
	return errs
}

// conflict finds a ref whose name is a folder of name, or the other way round.
func conflict(refs []ref, name string) (string, bool) {
	i, _ := findRef(refs, name+"/")
	if i < len(refs) && strings.HasPrefix(refs[i].name, name+"/") {
		return refs[i].name, true
	}
	for at := strings.LastIndexByte(name, '/'); at > 0; at = strings.LastIndexByte(name[:at], '/') {
		if _, ok := findRef(refs, name[:at]); ok {
			return name[:at], true
		}
	}
	return "", false
}

// applyUpdates returns the refs after the updates that have no error.
func applyUpdates(refs []ref, updates []refUpdate, errs []error) []ref {
	after := slices.Clone(refs)
	for i, u := range updates {
		if errs[i] != nil {
			continue
		}
		at, ok := findRef(after, u.name)
		moved := ref{u.name, u.new, u.peeled}
		switch {
		case u.new.IsZero() && ok:
			after = slices.Delete(after, at, at+1)
		case u.new.IsZero():
		case ok:
			after[at] = moved
		default:
			after = slices.Insert(after, at, moved)
		}
	}
	return after
}

// updateRefs makes the updates that can be made, all at once, and returns for
// each of the others why not. With atomic set it makes all or none.
func (r *Repository) updateRefs(updates []refUpdate, atomic bool) ([]error, error) {
	r.refsMu.Lock()
	defer r.refsMu.Unlock()
	refs, err := r.refs()
	if err != nil {
		return nil, err
	}
	errs := checkUpdates(refs, updates)
	if atomic && slices.ContainsFunc(errs, func(err error) bool { return err != nil }) {
		return errs, nil
	}
	loose, err := r.looseRefs()
	if err != nil {
		return nil, err
	}
	if len(loose) > 0 {
		// First as they are, so that removing the files changes nothing.
		if err := r.writeRefs(refs); err != nil {
			return nil, err
		}
		for _, l := range loose {
			if err := os.Remove(filepath.Join(r.dir, l.name)); err != nil {
				return nil, err
			}
		}
	}
	return errs, r.writeRefs(applyUpdates(refs, updates, errs))
}

func (r *Repository) writeRefs(refs []ref) error {
	return writeFile(filepath.Join(r.dir, "packed-refs"), func(w *bufio.Writer) {
		w.WriteString("# pack-refs with: peeled sorted \n")
		for _, ref := range refs {
			fmt.Fprintf(w, "%s %s\n", ref.hash, ref.name)
			if !ref.peeled.IsZero() {
				fmt.Fprintf(w, "^%s\n", ref.peeled)
			}
		}
	})
}

// Head returns what a branch points at, or zero if there is no such branch.
func (r *Repository) Head(branch string) (plumbing.Hash, error) {
	refs, err := r.refs()
	if err != nil {
		return plumbing.ZeroHash, fmt.Errorf("read refs of %s: %w", r.name, err)
	}
	if i, ok := findRef(refs, branchPrefix+branch); ok {
		return refs[i].hash, nil
	}
	return plumbing.ZeroHash, nil
}

const (
	branchPrefix = "refs/heads/"
	tagPrefix    = "refs/tags/"
)

// shortRef writes a ref as people do.
func shortRef(name string) string {
	for _, prefix := range []string{branchPrefix, tagPrefix} {
		if short, ok := strings.CutPrefix(name, prefix); ok {
			return short
		}
	}
	return name
}

// checkRefName applies the rules of git check-ref-format, and allows nothing
// outside refs/.
func checkRefName(name string) error {
	bad := func(why string) error { return fmt.Errorf("%q is not the name of a ref: %s", name, why) }
	switch {
	case !strings.HasPrefix(name, "refs/") || strings.Count(name, "/") < 2:
		return bad("it must start with refs/heads/, refs/tags/ or the like")
	case len(name) > 1024:
		return errors.New("the name of a ref is longer than 1024 bytes")
	case strings.HasSuffix(name, "."):
		return bad("it ends with a dot")
	case strings.Contains(name, ".."):
		return bad("it has two dots in a row")
	case strings.Contains(name, "@{"):
		return bad("it has @{ in it")
	}
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "":
			return bad("a part of it is empty")
		case part[0] == '.':
			return bad("a part of it starts with a dot")
		case strings.HasSuffix(part, ".lock"):
			return bad("a part of it ends with .lock")
		case len(part) > 255:
			return bad("a part of it is longer than 255 bytes")
		}
	}
	for i := range len(name) {
		if c := name[i]; c < ' ' || c == 0x7f || strings.IndexByte(` ~^:?*[\`, c) >= 0 {
			return bad(fmt.Sprintf("it has %q in it", c))
		}
	}
	return nil
}
