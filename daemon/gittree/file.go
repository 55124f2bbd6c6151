package gittree

import (
	"bytes"
	"io"
	"io/fs"
	"time"
)

// info describes a node; it is its fs.FileInfo.
type info struct {
	node
	size    int64
	modTime time.Time
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) Mode() fs.FileMode  { return modes[i.kind] }
func (i info) ModTime() time.Time { return i.modTime }
func (i info) IsDir() bool        { return i.isFolder() }
func (i info) Sys() any           { return nil }
func (i info) String() string     { return fs.FormatFileInfo(i) }

func (t *Tree) info(n node, size int64) info { return info{n, size, t.modTime} }

func (t *Tree) sizedInfo(op, name string, n node) (fs.FileInfo, error) {
	if n.isFolder() {
		return t.info(n, 0), nil
	}
	size, err := t.size(n.hash)
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return t.info(n, size), nil
}

// entry is a node as its folder lists it.
type entry struct {
	tree *Tree
	node
}

func (e entry) Name() string      { return e.name }
func (e entry) IsDir() bool       { return e.isFolder() }
func (e entry) Type() fs.FileMode { return modes[e.kind].Type() }
func (e entry) String() string    { return fs.FormatDirEntry(e) }

func (e entry) Info() (fs.FileInfo, error) { return e.tree.sizedInfo("stat", e.name, e.node) }

// openFile is a file that Open returned.
type openFile struct {
	*bytes.Reader
	info info
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openFile) Close() error               { return nil }

// openFolder is a folder that Open returned, with what is left of it to list.
type openFolder struct {
	info    info
	entries []fs.DirEntry
}

func (f *openFolder) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openFolder) Close() error               { return nil }

func (f *openFolder) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: f.info.name, Err: errIsFolder}
}

// ReadDir implements fs.ReadDirFile.
func (f *openFolder) ReadDir(n int) ([]fs.DirEntry, error) {
	if n > 0 && len(f.entries) == 0 {
		return nil, io.EOF
	}
	if n <= 0 || n > len(f.entries) {
		n = len(f.entries)
	}
	listed := f.entries[:n:n]
	f.entries = f.entries[n:]
	return listed, nil
}
