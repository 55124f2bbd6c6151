package fsck_test

import (
	"testing"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/denofn/denofn/gitreceive/fsck"
)

// What passes is what the parsers read to its end.
func FuzzCheck(f *testing.F) {
	f.Add(1, []byte("tree 1111111111111111111111111111111111111111\nparent 2222222222222222222222222222222222222222\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nmessage\n"))
	f.Add(2, []byte("100644 a\x0011111111111111111111120000 b\x001111111111111111111140000 c\x0011111111111111111111"))
	f.Add(4, []byte("object 1111111111111111111111111111111111111111\ntype commit\ntag v1\ntagger A <a@b> 1 +0000\n\nmessage\n"))
	f.Fuzz(func(t *testing.T, kind int, content []byte) {
		var linked []fsck.Link
		links := fsck.Links{
			Link:      func(l fsck.Link) { linked = append(linked, l) },
			Modules:   func(plumbing.Hash) {},
			Submodule: func(h plumbing.Hash) { linked = append(linked, fsck.Link{Hash: h, Kind: plumbing.CommitObject}) },
		}
		err := fsck.Check(plumbing.ObjectType(kind), plumbing.ZeroHash, content, links)
		entries := 0
		for range fsck.Entries(content) {
			entries++
		}
		commit := fsck.ParseCommit(content)
		tag, isTag := fsck.ParseTag(content)
		if err != nil {
			return
		}
		switch plumbing.ObjectType(kind) {
		case plumbing.TreeObject:
			if entries != len(linked) {
				t.Fatalf("%d entries and %d links", entries, len(linked))
			}
		case plumbing.CommitObject:
			if commit.Tree != linked[0].Hash || len(commit.Parents) != len(linked)-1 {
				t.Fatalf("%+v and links %v", commit, linked)
			}
		case plumbing.TagObject:
			if !isTag || tag != linked[0] {
				t.Fatalf("%+v and links %v", tag, linked)
			}
		}
	})
}

func FuzzCheckModules(f *testing.F) {
	f.Add([]byte("[submodule \"a\"]\n\tpath = a\n\turl = https://example.org/a\n"))
	f.Add([]byte("[submodule \"../a\"]\n\turl = -x\n"))
	f.Fuzz(func(t *testing.T, content []byte) { fsck.CheckModules(plumbing.ZeroHash, content) })
}
