package manifest

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// A glob is a slash-separated path in which * stands for any characters of an
// element, ? for one, [a-z] for one of several, and an element ** for any number
// of elements. Like in a shell, no wildcard matches a dot at the start of an
// element. Those for functions are expanded here; those for files belong to
// whoever ships them.

// checkGlob says what is wrong with a pattern, or "".
func checkGlob(pattern string) string {
	switch {
	case pattern == "":
		return "it is empty"
	case strings.Contains(pattern, `\`):
		return `it has a backslash; folders are separated by /`
	case path.IsAbs(pattern):
		return "it starts with /"
	case strings.ContainsRune(pattern, 0):
		return "it has a character that no path has"
	}
	for element := range strings.SplitSeq(path.Clean(pattern), "/") {
		if element == ".." {
			return "it leads out of its folder"
		}
		if _, err := path.Match(element, ""); err != nil {
			return "its brackets do not match"
		}
	}
	return ""
}

// matchElement reports whether one element of a checked pattern matches a name.
func matchElement(pattern, name string) bool {
	if strings.HasPrefix(name, ".") && !strings.HasPrefix(pattern, ".") {
		return false
	}
	ok, _ := path.Match(pattern, name)
	return ok
}

// hasWildcard reports whether an element of a pattern stands for several names.
func hasWildcard(element string) bool { return strings.ContainsAny(element, "*?[") }

// maxFolders is how many folders all patterns of a tree may lead through, and
// maxDepth how deep. Git stores equal folders once, so that a small push can hold more than can
// ever be walked.
const (
	maxFolders = 20_000
	maxDepth   = 32
)

var errTooManyFolders = fmt.Errorf("more than %d folders, or folders more than %d deep, have to be looked at", maxFolders, maxDepth)

// expand returns the folders that a checked pattern matches, sorted. Wildcards do
// not match shared code and node_modules. The error may be errTooManyFolders.
// left is how many folders may still be walked.
func expand(tree fs.FS, pattern string, left *int) ([]string, error) {
	e := expansion{tree: tree, left: left, elements: strings.Split(path.Clean(pattern), "/"), seen: make(map[step]bool)}
	if err := e.walk(".", 0); err != nil {
		return nil, err
	}
	slices.Sort(e.found)
	return e.found, nil
}

type expansion struct {
	tree     fs.FS
	elements []string
	left     *int
	seen     map[step]bool
	found    []string
}

// A step is a folder and how much of the pattern led to it.
type step struct {
	dir   string
	depth int
}

func (e *expansion) walk(dir string, depth int) error {
	if e.seen[step{dir, depth}] {
		return nil
	}
	if *e.left == 0 || strings.Count(dir, "/") == maxDepth {
		return errTooManyFolders
	}
	*e.left--
	e.seen[step{dir, depth}] = true
	if depth == len(e.elements) {
		e.found = append(e.found, dir)
		return nil
	}
	element := e.elements[depth]
	if element == "." {
		return e.walk(dir, depth+1)
	}
	if !hasWildcard(element) {
		next := path.Join(dir, element)
		if info, err := fs.Stat(e.tree, next); err != nil || !info.IsDir() {
			return nil
		}
		return e.walk(next, depth+1)
	}
	after := depth + 1
	if element == "**" {
		if err := e.walk(dir, depth+1); err != nil {
			return err
		}
		after = depth
	}
	entries, err := fs.ReadDir(e.tree, dir)
	if err != nil {
		return fmt.Errorf("read folder: %w", err)
	}
	for _, entry := range entries {
		name := entry.Name()
		if !entry.IsDir() || isShared(name) || name == "node_modules" || element != "**" && !matchElement(element, name) {
			continue
		}
		if err := e.walk(path.Join(dir, name), after); err != nil {
			return err
		}
	}
	return nil
}
