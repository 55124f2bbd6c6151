package gittree

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

var (
	errIsFolder  = errors.New("is a folder")
	errNotFolder = errors.New("is not a folder")
)

// A kind is what git says an entry of a tree is.
type kind int

const (
	kindFile kind = iota
	kindExecutable
	kindLink
	kindFolder
	kindSubmodule
)

// modes are what people and programs see of a kind. Nobody can write.
var modes = [...]fs.FileMode{
	kindFile:       0o444,
	kindExecutable: 0o555,
	kindLink:       0o777 | fs.ModeSymlink,
	kindFolder:     0o555 | fs.ModeDir,
	kindSubmodule:  0o555 | fs.ModeDir,
}

func kindOf(mode filemode.FileMode) kind {
	switch mode {
	case filemode.Dir:
		return kindFolder
	case filemode.Symlink:
		return kindLink
	case filemode.Executable:
		return kindExecutable
	case filemode.Submodule:
		return kindSubmodule
	default:
		return kindFile
	}
}

// A node is an entry of a folder.
type node struct {
	name string
	kind kind
	hash plumbing.Hash
}

func (n node) isFolder() bool { return n.kind == kindFolder || n.kind == kindSubmodule }

// A folder is a tree object, with its entries sorted by name: git itself sorts
// folders as if their names ended in a slash.
type folder struct {
	nodes []node
}

func (f *folder) find(name string) (node, bool) {
	i, ok := slices.BinarySearchFunc(f.nodes, name, func(n node, name string) int {
		return strings.Compare(n.name, name)
	})
	if !ok {
		return node{}, false
	}
	return f.nodes[i], true
}

func newFolder(entries []object.TreeEntry) *folder {
	f := &folder{nodes: make([]node, 0, len(entries))}
	for _, e := range entries {
		if e.Name != "." && !strings.Contains(e.Name, "/") && fs.ValidPath(e.Name) {
			f.nodes = append(f.nodes, node{e.Name, kindOf(e.Mode), e.Hash})
		}
	}
	slices.SortStableFunc(f.nodes, func(a, b node) int { return strings.Compare(a.name, b.name) })
	f.nodes = slices.CompactFunc(f.nodes, func(a, b node) bool { return a.name == b.name })
	return f
}

// folder returns the content of a folder, from memory if it has been read.
func (t *Tree) folder(n node) (*folder, error) {
	if n.kind == kindSubmodule {
		return &folder{}, nil
	}
	if n.kind != kindFolder {
		return nil, errNotFolder
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if f, ok := t.folders[n.hash]; ok {
		return f, nil
	}
	tree, err := object.GetTree(t.objects, n.hash)
	if err != nil {
		return nil, fmt.Errorf("read tree %s: %w", n.hash, err)
	}
	f := newFolder(tree.Entries)
	t.folders[n.hash] = f
	return f, nil
}

// blob reads a file or the target of a link. The size is asked for first, so
// that a file that is too large is never inflated.
func (t *Tree) blob(hash plumbing.Hash, most int64) ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	size, err := t.objects.EncodedObjectSize(hash)
	if err != nil {
		return nil, fmt.Errorf("read blob %s: %w", hash, err)
	}
	if size > most {
		return nil, ErrTooLarge
	}
	blob, err := object.GetBlob(t.objects, hash)
	if err != nil {
		return nil, fmt.Errorf("read blob %s: %w", hash, err)
	}
	r, err := blob.Reader()
	if err != nil {
		return nil, fmt.Errorf("read blob %s: %w", hash, err)
	}
	defer r.Close()
	content := make([]byte, size)
	if _, err := io.ReadFull(r, content); err != nil {
		return nil, fmt.Errorf("read blob %s: %w", hash, err)
	}
	return content, nil
}

func (t *Tree) size(hash plumbing.Hash) (int64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	size, err := t.objects.EncodedObjectSize(hash)
	if err != nil {
		return 0, fmt.Errorf("read blob %s: %w", hash, err)
	}
	return size, nil
}
