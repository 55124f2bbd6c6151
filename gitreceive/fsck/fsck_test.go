package fsck_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/denofn/denofn/gitreceive/fsck"
)

// A repository is one of git's that takes any object.
type repository struct {
	t   *testing.T
	dir string
	own map[string][]byte // content by hash
	of  map[string]plumbing.ObjectType
}

func (r *repository) git(stdin string, args ...string) string {
	r.t.Helper()
	c := exec.Command("git", args...)
	c.Dir, c.Stdin = r.dir, strings.NewReader(stdin)
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + r.dir, "GIT_CONFIG_NOSYSTEM=1"}
	out, err := c.CombinedOutput()
	if err != nil && !slices.Contains(args, "fsck") {
		r.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (r *repository) object(kind, content string) string {
	r.t.Helper()
	is, err := plumbing.ParseObjectType(kind)
	if err != nil {
		r.t.Fatal(err)
	}
	hash := plumbing.ComputeHash(is, []byte(content)).String()
	if _, ok := r.own[hash]; !ok {
		r.git(content, "hash-object", "-t", kind, "-w", "--literally", "--stdin")
		r.own[hash], r.of[hash] = []byte(content), is
	}
	return hash
}

// check checks an object and everything it refers to.
func (r *repository) check(hash string) error {
	var refers []string
	var modules []string
	err := fsck.Check(r.of[hash], plumbing.NewHash(hash), r.own[hash], fsck.Links{
		Link:    func(l fsck.Link) { refers = append(refers, l.Hash.String()) },
		Modules: func(h plumbing.Hash) { modules = append(modules, h.String()) },
	})
	for _, h := range refers {
		if err == nil && r.own[h] != nil {
			err = r.check(h)
		}
	}
	for _, h := range modules {
		if err == nil {
			err = fsck.CheckModules(plumbing.NewHash(h), r.own[h])
		}
	}
	return err
}

func raw(hash string) string {
	h := plumbing.NewHash(hash)
	return string(h[:])
}

const none = "0000000000000000000000000000000000000000"

// What is refused is what git fsck --strict has to say, under the same name.
func TestCheck(t *testing.T) {
	t.Parallel()
	r := &repository{t, t.TempDir(), make(map[string][]byte), make(map[string]plumbing.ObjectType)}
	r.git("", "init", "-q")
	blob := r.object("blob", "content")
	empty := r.object("tree", "")
	entry := func(mode, name, hash string) string { return mode + " " + name + "\x00" + raw(hash) }
	file := func(name string) string { return entry("100644", name, blob) }
	const person = "A <a@b.c> 1700000000 +0000"
	commit := func(header string) string { return r.object("commit", header) }
	ofTree := func(content string) string {
		return commit("tree " + r.object("tree", content) + "\nauthor " + person + "\ncommitter " + person + "\n\nm\n")
	}
	modules := func(text string) string { return ofTree(entry("100644", ".gitmodules", r.object("blob", text))) }
	tag := func(text string) string { return r.object("tag", text) }

	cases := []struct {
		name   string
		commit func() string
		want   string // "": accepted
	}{
		{"dot-dot", func() string { return ofTree(file("..")) }, "hasDotdot"},
		{"dot", func() string { return ofTree(file(".")) }, "hasDot"},
		{"empty name", func() string { return ofTree(file("")) }, "emptyName"},
		{"slash", func() string { return ofTree(file("a/b")) }, "fullPathname"},
		{"dot git", func() string { return ofTree(file(".git")) }, "hasDotgit"},
		{"case", func() string { return ofTree(file(".GiT")) }, "hasDotgit"},
		{"NTFS short", func() string { return ofTree(file("GIT~1")) }, "hasDotgit"},
		{"NTFS dots", func() string { return ofTree(file(".git. .")) }, "hasDotgit"},
		{"NTFS stream", func() string { return ofTree(file(".git::$INDEX_ALLOCATION")) }, "hasDotgit"},
		{"NTFS backslash", func() string { return ofTree(file(`a\.git`)) }, "hasDotgit"},
		{"HFS", func() string { return ofTree(file(".g\u200cit")) }, "hasDotgit"},
		{"in a folder", func() string { return ofTree(entry("40000", "a", r.object("tree", file(".git")))) }, "hasDotgit"},
		{"git without a dot", func() string { return ofTree(file("git")) }, ""},
		{"dot gitx", func() string { return ofTree(file(".gitx")) }, ""},
		{"twice", func() string { return ofTree(file("a") + file("a")) }, "duplicateEntries"},
		{"file and folder", func() string { return ofTree(file("a") + file("a-b") + entry("40000", "a", empty)) }, "duplicateEntries"},
		{"unsorted", func() string { return ofTree(file("b") + file("a")) }, "treeNotSorted"},
		{"mode", func() string { return ofTree(entry("100666", "a", blob)) }, "badFilemode"},
		{"mode 0", func() string { return ofTree(entry("0", "a", blob)) }, "zeroPaddedFilemode"},
		{"padded mode", func() string { return ofTree(entry("040000", "a", empty)) }, "zeroPaddedFilemode"},
		{"old mode", func() string { return ofTree(entry("100664", "a", blob)) }, ""},
		{"long name", func() string { return ofTree(file(strings.Repeat("x", 256))) }, "largePathname"},
		{"no object", func() string { return ofTree(entry("100644", "a", none)) }, "nullSha1"},
		{"cut short", func() string { return ofTree("100644 a\x00abc") }, "badTree"},
		{"link", func() string { return ofTree(entry("120000", "a", r.object("blob", "../../etc/passwd"))) }, ""},
		{"modules link", func() string { return ofTree(entry("120000", ".gitmodules", blob)) }, "gitmodulesSymlink"},
		{"modules NTFS link", func() string { return ofTree(entry("120000", "GITMOD~1", blob)) }, "gitmodulesSymlink"},
		{"modules", func() string {
			return modules("[submodule \"a\"]\n\tpath = a\n\turl = https://example.org/a\n")
		}, ""},
		{"modules option", func() string { return modules("[submodule \"a\"]\n\turl = -u./payload\n") }, "gitmodulesUrl"},
		{"modules newline", func() string { return modules("[submodule \"a\"]\n\turl = https://example.org/%0ahost=x\n") }, "gitmodulesUrl"},
		{"modules name", func() string { return modules("[submodule \"a/../../b\"]\n\turl = x\n") }, "gitmodulesName"},
		{"modules path", func() string { return modules("[submodule \"a\"]\n\tpath = -x\n") }, "gitmodulesPath"},
		{"modules update", func() string { return modules("[submodule \"a\"]\n\tupdate = !sh\n") }, "gitmodulesUpdate"},
		{"no author", func() string { return commit("tree " + empty + "\ncommitter " + person + "\n\nm\n") }, "missingAuthor"},
		{"two authors", func() string {
			return commit("tree " + empty + "\nauthor " + person + "\nauthor " + person + "\ncommitter " + person + "\n\nm\n")
		}, "multipleAuthors"},
		{"no e-mail", func() string { return commit("tree " + empty + "\nauthor A\ncommitter " + person + "\n\nm\n") }, "missingEmail"},
		{"no date", func() string { return commit("tree " + empty + "\nauthor A <a>\ncommitter " + person + "\n\nm\n") }, "missingSpaceBeforeDate"},
		{"zone", func() string {
			return commit("tree " + empty + "\nauthor A <a> 1 +00\ncommitter " + person + "\n\nm\n")
		}, "badTimezone"},
		{"padded date", func() string {
			return commit("tree " + empty + "\nauthor A <a> 01 +0000\ncommitter " + person + "\n\nm\n")
		}, "zeroPaddedDate"},
		{"date", func() string {
			return commit("tree " + empty + "\nauthor A <a> x +0000\ncommitter " + person + "\n\nm\n")
		}, "badDate"},
		{"zero byte", func() string {
			return commit("tree " + empty + "\nauthor " + person + "\ncommitter " + person + "\n\nm\x00\n")
		}, "nulInCommit"},
		{"signed", func() string {
			return commit("tree " + empty + "\nauthor " + person + "\ncommitter " + person + "\ngpgsig -----BEGIN\n x\n -----END\nencoding latin1\n\nm\n")
		}, ""},
		{"tag", func() string { return tag("object " + empty + "\ntype tree\ntag v1\ntagger " + person + "\n\nm\n") }, ""},
		{"tag without tagger", func() string { return tag("object " + empty + "\ntype tree\ntag v1\n\nm\n") }, ""},
		{"tag type", func() string { return tag("object " + empty + "\ntype thing\ntag v1\ntagger " + person + "\n\nm\n") }, "badType"},
		{"tag object", func() string { return tag("object x\ntype tree\ntag v1\ntagger " + person + "\n\nm\n") }, "badObjectSha1"},
		{"tag name", func() string { return tag("object " + empty + "\ntype tree\ntagger " + person + "\n\nm\n") }, "missingTag"},
		{"no tree", func() string { return commit("author " + person + "\ncommitter " + person + "\n\nm\n") }, "missingTree"},
		{"bad parent", func() string {
			return commit("tree " + empty + "\nparent x\nauthor " + person + "\ncommitter " + person + "\n\nm\n")
		}, "badParentSha1"},
		{"no committer", func() string { return commit("tree " + empty + "\nauthor " + person + "\n\nm\n") }, "missingCommitter"},
		{"no end", func() string { return commit("tree " + empty + "\nauthor " + person + "\ncommitter " + person) }, "unterminatedHeader"},
		{"bracket in name", func() string {
			return commit("tree " + empty + "\nauthor A> <a> 1 +0000\ncommitter " + person + "\n\nm\n")
		}, "badName"},
		{"no name", func() string {
			return commit("tree " + empty + "\nauthor <a> 1 +0000\ncommitter " + person + "\n\nm\n")
		}, "missingNameBeforeEmail"},
		{"no space", func() string {
			return commit("tree " + empty + "\nauthor A<a> 1 +0000\ncommitter " + person + "\n\nm\n")
		}, "missingSpaceBeforeEmail"},
		{"two addresses", func() string {
			return commit("tree " + empty + "\nauthor A <a<b> 1 +0000\ncommitter " + person + "\n\nm\n")
		}, "badEmail"},
	}
	hashes := make([]string, len(cases))
	for i, c := range cases {
		hashes[i] = c.commit()
	}
	theirs := r.git("", "-c", "fsck.badFilemode=error", "fsck", "--strict", "--no-dangling")
	for i, c := range cases {
		err := r.check(hashes[i])
		found, ok := errors.AsType[*fsck.Error](err)
		switch {
		case c.want == "" && err != nil, c.want != "" && (!ok || found.ID != c.want):
			t.Errorf("%s: %v, not %q", c.name, err, c.want)
		case c.want != "" && c.want != "largePathname" && !blames(theirs, found.Hash.String()):
			// Git calls a few by another name, or does not parse them at all.
			t.Errorf("%s: git fsck finds nothing in %s:\n%s", c.name, found.Hash, theirs)
		case c.want == "" && blames(theirs, hashes[i]):
			t.Errorf("%s: git fsck finds something in %s:\n%s", c.name, hashes[i], theirs)
		}
	}
}

// blames reports whether git fsck calls something about an object an error.
func blames(out, hash string) bool {
	for line := range bytes.Lines([]byte(out)) {
		if bytes.Contains(line, []byte(hash)) && bytes.HasPrefix(line, []byte("error")) {
			return true
		}
	}
	return false
}

func TestParseCommit(t *testing.T) {
	t.Parallel()
	const a, b, c = "1111111111111111111111111111111111111111", "2222222222222222222222222222222222222222", "3333333333333333333333333333333333333333"
	got := fsck.ParseCommit([]byte("tree " + a + "\nparent " + b + "\nparent " + c + "\nauthor A <a> 5 +0000\ncommitter B <b> 1700000000 +0200\n\nparent " + a + "\n"))
	if got.Tree.String() != a || len(got.Parents) != 2 || got.Parents[1].String() != c || got.Time != 1700000000 {
		t.Errorf("%+v", got)
	}
}
