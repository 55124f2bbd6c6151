// Package gittree shows the tree of a commit as a read-only file system, straight
// from git's objects: nothing is checked out, and only the folders on the way to
// a file are ever read.
//
// What a push holds is outside input, so the rules are narrow:
//
//   - A symbolic link is followed inside the tree and never out of it. Open,
//     ReadFile, ReadDir and Stat follow links, also in the middle of a path; an
//     absolute target, or one with more ".." than there are folders above it, is
//     ErrEscapes. Lstat and ReadLink follow links in the middle of a path only,
//     and Hash follows none.
//   - A submodule is an empty folder, as in a clone without submodules.
//   - A file larger than MaxFileBytes cannot be opened: ErrTooLarge.
//   - Entries that a path cannot name (names that are not UTF-8, and the "..",
//     "." and "a/b" of hand-made trees) do not exist. Of two entries with one name,
//     which git never writes either, the first counts.
package gittree

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

// MaxFileBytes is the size of the largest file that can be opened. Git inflates
// a file as a whole, so one push could otherwise claim any amount of memory.
const MaxFileBytes = 64 << 20

var (
	// ErrEscapes is in the errors about links that point out of the tree.
	ErrEscapes = errors.New("link points out of the repository")
	// ErrTooLarge is in the errors about files larger than MaxFileBytes.
	ErrTooLarge = fmt.Errorf("file is larger than %d MB", MaxFileBytes>>20)
)

// A Tree is the tree of one commit. It implements fs.FS, fs.ReadDirFS,
// fs.ReadFileFS, fs.StatFS and fs.ReadLinkFS, and is safe for concurrent use.
// Errors about a path are *fs.PathError.
type Tree struct {
	root    node
	modTime time.Time // of every file: when the commit was made

	// mu guards the objects, because git's storers are not safe for concurrent
	// use, and the folders that have been read from them.
	mu      sync.Mutex
	objects storer.EncodedObjectStorer
	folders map[plumbing.Hash]*folder
}

var (
	_ fs.ReadDirFS  = (*Tree)(nil)
	_ fs.ReadFileFS = (*Tree)(nil)
	_ fs.StatFS     = (*Tree)(nil)
	_ fs.ReadLinkFS = (*Tree)(nil)
)

// New returns the tree of a commit. It reads the commit and its top folder;
// everything else is read when it is asked for. While the Tree is in use, nobody
// else may use objects, unless they are safe for concurrent use.
func New(objects storer.EncodedObjectStorer, commit plumbing.Hash) (*Tree, error) {
	c, err := object.GetCommit(objects, commit)
	if err != nil {
		return nil, fmt.Errorf("read commit %s: %w", commit, err)
	}
	t := &Tree{
		root:    node{name: ".", kind: kindFolder, hash: c.TreeHash},
		modTime: c.Committer.When,
		objects: objects,
		folders: make(map[plumbing.Hash]*folder),
	}
	if _, err := t.folder(t.root); err != nil {
		return nil, err
	}
	return t, nil
}

// Open implements fs.FS. The content of a file is read as a whole; the fs.File
// of one also implements io.Seeker and io.ReaderAt.
func (t *Tree) Open(name string) (fs.File, error) {
	n, err := t.resolve("open", name, followLast)
	if err != nil {
		return nil, err
	}
	if n.isFolder() {
		entries, err := t.readDir(n)
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		return &openFolder{info: t.info(n, 0), entries: entries}, nil
	}
	content, err := t.blob(n.hash, MaxFileBytes)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &openFile{Reader: bytes.NewReader(content), info: t.info(n, int64(len(content)))}, nil
}

// ReadFile implements fs.ReadFileFS.
func (t *Tree) ReadFile(name string) ([]byte, error) {
	n, err := t.resolve("read", name, followLast)
	if err == nil && n.isFolder() {
		err = &fs.PathError{Op: "read", Path: name, Err: errIsFolder}
	}
	if err != nil {
		return nil, err
	}
	content, err := t.blob(n.hash, MaxFileBytes)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	return content, nil
}

// ReadDir implements fs.ReadDirFS.
func (t *Tree) ReadDir(name string) ([]fs.DirEntry, error) {
	n, err := t.resolve("readdir", name, followLast)
	if err != nil {
		return nil, err
	}
	entries, err := t.readDir(n)
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	return entries, nil
}

// Stat implements fs.StatFS.
func (t *Tree) Stat(name string) (fs.FileInfo, error) { return t.stat("stat", name, followLast) }

// Lstat implements fs.ReadLinkFS.
func (t *Tree) Lstat(name string) (fs.FileInfo, error) { return t.stat("lstat", name, followMiddle) }

func (t *Tree) stat(op, name string, follow follow) (fs.FileInfo, error) {
	n, err := t.resolve(op, name, follow)
	if err != nil {
		return nil, err
	}
	return t.sizedInfo(op, name, n)
}

// ReadLink implements fs.ReadLinkFS: it returns the target as it was committed,
// wherever that points.
func (t *Tree) ReadLink(name string) (string, error) {
	n, err := t.resolve("readlink", name, followMiddle)
	if err == nil && n.kind != kindLink {
		err = &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	if err != nil {
		return "", err
	}
	target, err := t.blob(n.hash, maxTargetBytes)
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: err}
	}
	return string(target), nil
}

// Hash returns git's hash of a file, in hexadecimal; of a link, that of the link
// itself. It reads no file, and follows no link: a file that is reached through
// a link to a folder is fs.ErrNotExist, so that equal hashes at equal paths
// always mean equal content.
func (t *Tree) Hash(name string) (string, error) {
	n, err := t.resolve("hash", name, followNone)
	if err == nil && n.isFolder() {
		err = &fs.PathError{Op: "hash", Path: name, Err: errIsFolder}
	}
	if err != nil {
		return "", err
	}
	return n.hash.String(), nil
}

func (t *Tree) readDir(n node) ([]fs.DirEntry, error) {
	f, err := t.folder(n)
	if err != nil {
		return nil, err
	}
	entries := make([]fs.DirEntry, len(f.nodes))
	for i, child := range f.nodes {
		entries[i] = entry{tree: t, node: child}
	}
	return entries, nil
}
