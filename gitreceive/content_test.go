package gitreceive_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/denofn/denofn/gitreceive"
)

// object stores an object that git itself would refuse to make, and returns its
// hash.
func (s *site) object(dir, kind, content string) string {
	s.t.Helper()
	s.write("object", content)
	return strings.TrimSpace(s.git(dir, "hash-object", "-t", kind, "-w", "--literally", s.path("object")))
}

func raw(hex string) string {
	var out []byte
	for i := 0; i < len(hex); i += 2 {
		var b byte
		fmt.Sscanf(hex[i:i+2], "%02x", &b)
		out = append(out, b)
	}
	return string(out)
}

// What git fsck --strict calls an error is refused before anything is kept; what
// it lets pass, passes. Package fsck has the whole list.
func TestContent(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.repository("app")
	s.git("app", "push", "-q", "denofn", "main")
	blob := s.object("app", "blob", "content")
	entry := func(mode, name, hash string) string { return mode + " " + name + "\x00" + raw(hash) }
	commit := func(tree string) string {
		const person = "A <a@b.c> 1700000000 +0000"
		return s.object("app", "commit", "tree "+s.object("app", "tree", tree)+"\nauthor "+person+"\ncommitter "+person+"\n\nm\n")
	}
	for _, c := range []struct{ tree, want string }{
		{entry("100644", "..", blob), "hasDotdot"},
		{entry("40000", "a", s.object("app", "tree", entry("100644", ".GIT", blob))), "hasDotgit"},
		{entry("100644", "b", blob) + entry("100644", "a", blob), "treeNotSorted"},
		{entry("100644", ".gitmodules", s.object("app", "blob", "[submodule \"a\"]\n\turl = -u./payload\n")), "gitmodulesUrl"},
		{entry("100664", "a", blob), ""},
		{entry("120000", "a", s.object("app", "blob", "../../etc/passwd")), ""},
	} {
		ref := commit(c.tree) + ":refs/heads/x"
		if c.want == "" {
			s.git("app", "push", "denofn", ref)
			s.git("app", "push", "-q", "denofn", ":x")
		} else if out, err := s.run("app", "git", "push", "denofn", ref); err == nil || !strings.Contains(out, c.want) || !strings.Contains(out, "remote unpack failed") || !strings.Contains(out, "hint: git fsck --strict") {
			t.Errorf("%q: %v, no %s in\n%s", c.tree, err, c.want, out)
		}
	}
	// A tag as a branch, and a blob.
	s.git("app", "tag", "-a", "-m", "t", "v1")
	s.refused("a branch points at a commit", "app", "push", "denofn", blob+":refs/heads/x")
	s.git("app", "push", "denofn", blob+":refs/tags/blob", "v1")
	s.sound("app")
}

// LFS pointers and submodules are named, since a deploy cannot use them.
func TestWarnings(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.repository("app")
	s.write("app/img/big.png", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n")
	s.git("app", "update-index", "--add", "--cacheinfo", "160000,"+some+",vendor/lib")
	s.git("app", "add", "img")
	s.git("app", "commit", "-q", "-m", "lfs")
	out := s.git("app", "push", "denofn", "main")
	for _, want := range []string{
		"remote: warning: img/big.png is in Git LFS: only its pointer was pushed\n",
		"remote: warning: vendor/lib is a submodule: it is an empty folder here\n",
		"remote: hint: ",
	} {
		if !strings.Contains(strings.ReplaceAll(out, "        \n", "\n"), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	// They are not named again for as long as they stay.
	s.commit("app", "more")
	if out := s.git("app", "push", "denofn", "main"); strings.Contains(out, "LFS") {
		t.Errorf("named again:\n%s", out)
	}
}

// Every limit has an error and a hint of its own, and nothing is kept.
func TestLimits(t *testing.T) {
	t.Parallel()
	noise := func(n int) string {
		var b strings.Builder
		x := uint32(1)
		for range n {
			x = x*1664525 + 1013904223
			b.WriteByte(byte(x >> 24))
		}
		return b.String()
	}
	for _, c := range []struct {
		name   string
		limits gitreceive.Limits
		fill   func(*site)
		want   string
		hint   string
	}{
		{"pack", gitreceive.Limits{PackBytes: 64 << 10}, func(s *site) { s.write("app/f", noise(200<<10)) }, "the push is larger than 64K", "git.max_pack"},
		{"object", gitreceive.Limits{ObjectBytes: 64 << 10}, func(s *site) { s.write("app/f", strings.Repeat("x", 65<<10)) }, "a file in the push is larger than 64K", "git.max_object"},
		{"objects", gitreceive.Limits{Objects: 10}, func(s *site) {
			for i := range 10 {
				s.write(fmt.Sprint("app/f", i), fmt.Sprint(i))
			}
		}, "the push has more than 10 objects", "git.max_objects"},
		{"files", gitreceive.Limits{Files: 10}, func(s *site) {
			for i := range 12 {
				s.write(fmt.Sprintf("app/d%d/f", i), "same")
			}
		}, "main has more than 10 files", "git.max_files"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, func(config *gitreceive.Config) { config.Limits = c.limits })
			s.repository("app")
			c.fill(s)
			s.commit("app", "too much")
			out := s.refused("error: "+c.want, "app", "push", "denofn", "main")
			if !strings.Contains(out, "remote: hint: ") || !strings.Contains(out, c.hint) || !strings.Contains(out, "! [remote rejected] main -> main ("+c.want+")") {
				t.Errorf("push said\n%s", out)
			}
			if _, err := os.Stat(s.path("repos/app.git")); !os.IsNotExist(err) {
				t.Errorf("something was kept: %v", err)
			}
			s.git("app", "push", "denofn", "HEAD~:refs/heads/main") // what is within the limit passes
			s.sound("app")
		})
	}
	t.Run("time", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, func(config *gitreceive.Config) { config.Limits.Time = 500 * time.Millisecond })
		s.repository("app")
		s.deployer.hold = make(chan struct{})
		s.refused("the push took longer than 500ms", "app", "push", "denofn", "main")
	})
	t.Run("pushes", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, func(config *gitreceive.Config) { config.Limits.Pushes = 1 })
		s.repository("app")
		hold := make(chan struct{})
		s.deployer.hold = hold
		first := make(chan error, 1)
		go func() {
			_, err := s.run("app", "git", "push", "denofn", "main")
			first <- err
		}()
		eventually(t, func() error {
			if len(s.pushes()) == 0 {
				return fmt.Errorf("no push")
			}
			return nil
		})
		if out := s.refused("! [remote rejected] main -> main (too many other pushes are being received)", "app", "push", "ssh://git@denofn/other", "main"); !strings.Contains(out, "remote: hint: push again in a moment") {
			t.Errorf("push said\n%s", out)
		}
		close(hold)
		if err := <-first; err != nil {
			t.Error(err)
		}
	})
}

// A tree that names the same folders over and over has more files than there are
// atoms, and is counted all the same.
func TestBomb(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.repository("app")
	tree := "100644 f\x00" + raw(s.object("app", "blob", "boom"))
	for range 40 {
		hash := s.object("app", "tree", tree)
		tree = ""
		for i := range 10 {
			tree += fmt.Sprintf("40000 d%d\x00", i) + raw(hash)
		}
	}
	const person = "A <a@b.c> 1700000000 +0000"
	commit := s.object("app", "commit", "tree "+s.object("app", "tree", tree)+"\nauthor "+person+"\ncommitter "+person+"\n\nm\n")
	s.refused("has more than 50000 files", "app", "push", "denofn", commit+":refs/heads/main")
}
