package gitreceive_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestFetch(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.repository("app")
	for i := range 9 {
		s.write("app/file", fmt.Sprint(i))
		s.write(fmt.Sprintf("app/dir%d/file", i), fmt.Sprint(i))
		s.git("app", "add", "-A")
		day := fmt.Sprintf("2024-01-%02dT12:00:00Z", i+1)
		if out, err := s.runWith([]string{"GIT_COMMITTER_DATE=" + day, "GIT_AUTHOR_DATE=" + day}, "app", "git", "commit", "-q", "-m", fmt.Sprint(i)); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	s.git("app", "tag", "-a", "-m", "tag", "v1", "HEAD~3")
	s.git("app", "branch", "side", "HEAD~5")
	s.git("app", "push", "denofn", "main", "side", "v1")

	for _, version := range []string{"0", "1", "2"} {
		t.Run("version"+version, func(t *testing.T) {
			name := func(n string) string { return n + version }
			clone := func(to string, args ...string) {
				t.Helper()
				s.git(".", append(append([]string{"-c", "protocol.version=" + version, "clone", "-q"}, args...), "ssh://git@denofn/app", name(to))...)
				s.git(name(to), "config", "protocol.version", version)
				s.git(name(to), "fsck", "--strict")
			}
			count := func(in, rev string, want int) {
				t.Helper()
				if got := strings.TrimSpace(s.git(name(in), "rev-list", "--count", rev)); got != fmt.Sprint(want) {
					t.Errorf("%s has %s commits, not %d", in, got, want)
				}
			}
			clone("full")
			count("full", "main", 10)
			if head := strings.TrimSpace(s.git(name("full"), "symbolic-ref", "refs/remotes/origin/HEAD")); head != "refs/remotes/origin/main" {
				t.Errorf("HEAD is %s", head)
			}
			s.git(name("full"), "rev-parse", "v1^{tag}")

			clone("shallow", "--depth=2")
			count("shallow", "main", 2)
			s.git(name("shallow"), "fetch", "-q", "--depth=4")
			count("shallow", "origin/main", 4)
			s.git(name("shallow"), "fetch", "-q", "--deepen=2")
			count("shallow", "origin/main", 6)
			s.git(name("shallow"), "fsck", "--strict")
			s.git(name("shallow"), "fetch", "-q", "--depth=1")
			count("shallow", "origin/main", 1)
			s.git(name("shallow"), "fetch", "-q", "--unshallow")
			count("shallow", "origin/main", 10)
			s.git(name("shallow"), "fsck", "--strict")

			clone("single", "--single-branch", "--branch=side", "--no-tags")
			count("single", "origin/side", 5)
			if refs := s.git(name("single"), "for-each-ref"); strings.Contains(refs, "main") || strings.Contains(refs, "v1") {
				t.Errorf("a single branch brought\n%s", refs)
			}
			s.git(name("single"), "fetch", "-q", "origin", "main:main")
			count("single", "main", 10)
			s.git(name("single"), "fsck", "--strict")

			clone("tag", "--depth=1", "--branch=v1")
			count("tag", "HEAD", 1)

			clone("since", "--shallow-since=2024-01-06")
			count("since", "main", 4)
			clone("without", "--shallow-exclude=v1")
			count("without", "main", 3)
			s.git(name("without"), "fetch", "-q", "--unshallow")
			count("without", "main", 10)
			s.git(name("without"), "fsck", "--strict")

			refs := s.git(name("full"), "ls-remote", "--symref", "origin")
			for _, want := range []string{"ref: refs/heads/main\tHEAD", "refs/heads/side", "refs/tags/v1\n", "refs/tags/v1^{}"} {
				if !strings.Contains(refs, want) {
					t.Errorf("no %q in\n%s", want, refs)
				}
			}
			if got := s.git(name("full"), "ls-remote", "--heads", "origin", "side"); strings.Count(got, "\n") != 1 {
				t.Errorf("ls-remote of one branch:\n%s", got)
			}
		})
	}

	// What came after the clone, on several branches, pulled by each.
	for _, version := range []string{"0", "1", "2"} {
		s.write("app/more"+version, "more")
		s.commit("app", "more")
		s.git("app", "checkout", "-q", "side")
		s.write("app/side"+version, "more")
		s.commit("app", "more on the side")
		s.git("app", "checkout", "-q", "main")
		s.git("app", "merge", "-q", "-m", "merge", "side")
		s.git("app", "tag", "-a", "-m", "t", "t"+version)
		s.git("app", "push", "-q", "denofn", "main", "side", "t"+version)
		s.git("full"+version, "pull", "-q")
		s.git("full"+version, "fsck", "--strict")
		if got, want := s.head("full"+version, "HEAD"), s.head("app", "main"); got != want {
			t.Errorf("version %s: pulled %s, not %s", version, got, want)
		}
		s.git("full"+version, "rev-parse", "t"+version) // tags follow
		// A client that has commits of its own negotiates.
		for i := range 40 {
			s.commit("single"+version, fmt.Sprint("own ", i))
		}
		s.git("single"+version, "fetch", "-q", "origin", "main:main")
		s.git("single"+version, "fsck", "--strict")
	}
	// An empty repository can be asked, but there is none before its first push.
	s.refused("there is no repository", ".", "clone", "-q", "ssh://git@denofn/none", "none")
	s.git("app", "push", "-q", "denofn", ":main", ":side")
	s.git(".", "clone", "-q", "--single-branch", "ssh://git@denofn/app", "headless")
}
