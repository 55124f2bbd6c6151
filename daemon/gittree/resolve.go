package gittree

import (
	"io/fs"
	"path"
	"strings"
	"syscall"
)

// Limits of links, as Linux has them.
const (
	maxLinks       = 40
	maxTargetBytes = 4096
)

// follow says which links of a path are followed.
type follow int

const (
	followNone   follow = iota
	followMiddle        // those to folders that the path goes through
	followLast          // also that which the path ends in
)

// resolve returns what a path leads to. Links are walked as a kernel would, with
// the tree as the root that ".." does not leave. The node has the name by which
// it was asked for.
func (t *Tree) resolve(op, name string, follow follow) (node, error) {
	fail := func(err error) (node, error) {
		return node{}, &fs.PathError{Op: op, Path: name, Err: err}
	}
	if !fs.ValidPath(name) {
		return fail(fs.ErrInvalid)
	}
	above := []node{} // the folders that current lies in
	current := t.root
	rest := strings.Split(name, "/")
	for links := 0; len(rest) > 0; {
		if !current.isFolder() {
			return fail(fs.ErrNotExist)
		}
		element := rest[0]
		rest = rest[1:]
		switch element {
		case "", ".":
			continue
		case "..":
			if len(above) == 0 {
				return fail(ErrEscapes)
			}
			current, above = above[len(above)-1], above[:len(above)-1]
			continue
		}
		f, err := t.folder(current)
		if err != nil {
			return fail(err)
		}
		next, ok := f.find(element)
		if !ok {
			return fail(fs.ErrNotExist)
		}
		if next.kind == kindLink && (follow == followLast || follow == followMiddle && len(rest) > 0) {
			if links++; links > maxLinks {
				return fail(syscall.ELOOP)
			}
			target, err := t.blob(next.hash, maxTargetBytes)
			if err != nil {
				return fail(err)
			}
			if len(target) == 0 {
				return fail(fs.ErrNotExist)
			}
			if target[0] == '/' {
				return fail(ErrEscapes)
			}
			rest = append(strings.Split(string(target), "/"), rest...)
			continue
		}
		above = append(above, current)
		current = next
	}
	current.name = path.Base(name)
	return current, nil
}
