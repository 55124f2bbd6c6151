package gitreceive

import (
	"context"
	"fmt"
	"path"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/denofn/denofn/gitreceive/fsck"
	"github.com/denofn/denofn/gitreceive/packfile"
)

// checkFiles counts the files of the branches that are pushed. A folder that is
// in many places is read once, so that a tree made to explode does not.
func (p *push) checkFiles(updates []refUpdate) error {
	set, err := p.incoming.objects.open()
	if err != nil {
		return err
	}
	counts := make(map[plumbing.Hash]int)
	most := p.server.config.Limits.Files
	for _, u := range updates {
		if u.new.IsZero() || u.name != branchPrefix+shortRef(u.name) {
			continue
		}
		tree, err := treeOf(set, u.new)
		if err != nil {
			return err
		}
		n, err := p.countFiles(set, tree, counts)
		if err != nil {
			return err
		}
		if n > most {
			return &refusal{
				fmt.Sprintf("%s has more than %d files", shortRef(u.name), most),
				"do not commit node_modules and the like, or raise git.max_files in denofn.toml",
			}
		}
	}
	return nil
}

func treeOf(set *packfile.Set, commit plumbing.Hash) (plumbing.Hash, error) {
	content, err := readObject(set, commit, plumbing.CommitObject)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	return fsck.ParseCommit(content).Tree, nil
}

// readObject reads a commit, tree or tag.
func readObject(set *packfile.Set, hash plumbing.Hash, kind plumbing.ObjectType) ([]byte, error) {
	id, ok := set.Find(hash)
	if !ok {
		return nil, &missingError{fsck.Link{Hash: hash, Kind: kind}}
	}
	is, content, err := set.Read(id, maxObjectInMemory)
	if err == nil && is != kind {
		err = fmt.Errorf("%s is a %s, not a %s", hash, is, kind)
	}
	return content, err
}

const maxObjectInMemory = 16 << 20

// maxFolderDepth is how deep folders may lie. No path of a file system is longer.
const maxFolderDepth = 2048

// countFiles counts up to the limit and a little beyond.
func (p *push) countFiles(set *packfile.Set, root plumbing.Hash, counts map[plumbing.Hash]int) (int, error) {
	type folder struct {
		hash     plumbing.Hash
		children []plumbing.Hash
		files    int
	}
	read := func(hash plumbing.Hash) (*folder, error) {
		if len(counts)&255 == 0 && p.ctx.Err() != nil {
			return nil, context.Cause(p.ctx)
		}
		content, err := readObject(set, hash, plumbing.TreeObject)
		if err != nil {
			return nil, err
		}
		f := &folder{hash: hash}
		for e := range fsck.Entries(content) {
			if e.Mode == fsck.ModeFolder {
				f.children = append(f.children, e.Hash)
			} else {
				f.files++
			}
		}
		return f, nil
	}
	first, err := read(root)
	if err != nil {
		return 0, err
	}
	stack := []*folder{first}
	for {
		f := stack[len(stack)-1]
		if len(f.children) > 0 {
			child := f.children[len(f.children)-1]
			if n, ok := counts[child]; ok {
				f.files = min(f.files+n, 1<<30)
				f.children = f.children[:len(f.children)-1]
				continue
			}
			if len(stack) == maxFolderDepth {
				return 0, &refusal{fmt.Sprintf("folders lie more than %d deep", maxFolderDepth), ""}
			}
			next, err := read(child)
			if err != nil {
				return 0, err
			}
			stack = append(stack, next)
			continue
		}
		counts[f.hash] = f.files
		stack = stack[:len(stack)-1]
		if len(stack) == 0 {
			return f.files, nil
		}
	}
}

// warn names what the push brings that a deploy cannot use: files that are in Git
// LFS, and submodules.
func (p *push) warn(commit plumbing.Hash) {
	in := p.incoming
	if len(in.pointers) == 0 && !in.submodules {
		return
	}
	set, err := in.objects.open()
	if err != nil {
		return
	}
	tree, err := treeOf(set, commit)
	if err != nil {
		return
	}
	var pointers, submodules []string
	seen := make(map[plumbing.Hash]bool)
	var walk func(tree plumbing.Hash, dir string, depth int)
	walk = func(tree plumbing.Hash, dir string, depth int) {
		if seen[tree] || depth > 64 {
			return
		}
		seen[tree] = true
		content, err := readObject(set, tree, plumbing.TreeObject)
		if err != nil {
			return
		}
		for e := range fsck.Entries(content) {
			name := path.Join(dir, string(e.Name))
			switch {
			case e.Mode == fsck.ModeFolder:
				walk(e.Hash, name, depth+1)
			case e.Mode == fsck.ModeSubmodule:
				submodules = append(submodules, name)
			case in.pointers[e.Hash]:
				pointers = append(pointers, name)
			}
		}
	}
	walk(tree, "", 0)
	p.warnOf(pointers, "is in Git LFS: only its pointer was pushed", "are in Git LFS: only their pointers were pushed", "commit the content itself: denofn does not speak LFS")
	p.warnOf(submodules, "is a submodule: it is an empty folder here", "are submodules: they are empty folders here", "copy what you need into the repository, or use git subtree")
}

func (p *push) warnOf(names []string, one, many, hint string) {
	const most = 5
	switch n := len(names); {
	case n == 0:
		return
	case n == 1:
		fmt.Fprintf(p.progress, "warning: %s %s\n", printable(names[0]), one)
	default:
		fmt.Fprintf(p.progress, "warning: %d files %s:\n", n, many)
		slices.Sort(names)
		for _, name := range names[:min(n, most)] {
			fmt.Fprintf(p.progress, "  %s\n", printable(name))
		}
		if n > most {
			fmt.Fprintf(p.progress, "  … and %d more\n", n-most)
		}
	}
	fmt.Fprintf(p.progress, "hint: %s\n", hint)
}

// printable quotes a name that would not stay on its line.
func printable(name string) string {
	if quoted := fmt.Sprintf("%q", name); quoted != `"`+name+`"` {
		return quoted
	}
	return name
}
