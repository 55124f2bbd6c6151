package gitreceive_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/denofn/denofn/gitreceive"
)

func TestPush(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.repository("app")
	out := s.git("app", "push", "denofn", "main")
	if !strings.Contains(out, "remote: deploying") || !strings.Contains(out, "new branch") {
		t.Errorf("push said\n%s", out)
	}
	push := s.deployer.last(t)
	if head := s.head("app", "main"); push.New.String() != head || s.deployer.live.String() != head || !push.Old.IsZero() {
		t.Errorf("deployed %v, not %s", push, head)
	}
	if push.Key.Name != "key@test" || push.Key.Role != gitreceive.RoleDeploy || push.Repository != "app" || push.Terminal {
		t.Errorf("deployed for %+v", push)
	}
	s.sound("app")

	// Thin packs: each builds on what is there.
	for i := range 3 {
		s.write("app/file", strings.Repeat("a line that stays\n", 1000)+fmt.Sprint(i))
		s.commit("app", "more")
		old := s.head("app", "HEAD~")
		s.git("app", "push", "-q", "denofn", "main")
		if push := s.deployer.last(t); push.Old.String() != old {
			t.Errorf("the old commit is %s, not %s", push.Old, old)
		}
	}
	s.sound("app")
	if out := s.git("app", "push", "denofn", "main"); !strings.Contains(out, "Everything up-to-date") {
		t.Errorf("a push of nothing said\n%s", out)
	}

	// Other branches, tags of both kinds, several refs at once.
	deployed := len(s.deployer.pushes)
	s.git("app", "branch", "draft")
	s.git("app", "tag", "light")
	s.git("app", "tag", "-a", "-m", "a tag", "v1")
	s.git("app", "tag", "-a", "-m", "a tag of a tag", "v1again", "v1")
	s.git("app", "notes", "add", "-m", "a note")
	out = s.git("app", "push", "denofn", "draft", "light", "v1", "v1again", "refs/notes/commits")
	if !strings.Contains(out, "remote: Branch draft is stored, not deployed: only main goes live.") {
		t.Errorf("push of a branch said\n%s", out)
	}
	if len(s.deployer.pushes) != deployed {
		t.Error("a push of other refs was deployed")
	}
	s.sound("app")

	// Delete, also without any pack, and what is not there.
	s.git("app", "push", "denofn", ":draft", ":light")
	s.git("app", "push", "denofn", "main:refs/heads/again", ":v1again")
	if refs := s.git("app", "ls-remote", "denofn"); strings.Contains(refs, "draft") || strings.Contains(refs, "light") || strings.Contains(refs, "v1again") || !strings.Contains(refs, "heads/again") {
		t.Errorf("after deleting, the refs are\n%s", refs)
	}
	s.sound("app")

	// Not a fast-forward: git wants to be forced, with or without a lease.
	s.git("app", "commit", "-q", "--amend", "-m", "other")
	s.refused("non-fast-forward", "app", "push", "denofn", "main")
	s.git("app", "push", "--force-with-lease=main:"+s.head("app", "denofn/main"), "denofn", "main")
	s.git("app", "commit", "-q", "--amend", "-m", "yet another")
	s.refused("stale info", "app", "push", "--force-with-lease=main:"+s.head("app", "HEAD~"), "denofn", "main")
	s.git("app", "push", "--force", "denofn", "main")
	s.sound("app")

	// Deleting the deploy branch is deployed too.
	s.git("app", "push", "denofn", ":main")
	if push := s.deployer.last(t); !push.New.IsZero() || push.Old.String() != s.head("app", "main") {
		t.Errorf("deleting the branch deployed %+v", push)
	}
	s.git("app", "push", "denofn", "main")
	s.git("app", "push", "--mirror", "denofn")
	s.sound("app")
}

// Every version of the protocol that a client may ask for.
func TestProtocolVersions(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	for _, version := range []string{"0", "1", "2"} {
		name := "v" + version
		s.repository(name)
		s.git(name, "config", "protocol.version", version)
		s.git(name, "remote", "set-url", "denofn", "ssh://anybody@denofn/"+name+".git/")
		s.git(name, "tag", "-a", "-m", "tag", "t")
		s.git(name, "push", "denofn", "main", "t")
		s.write(name+"/more", "more")
		s.commit(name, "more")
		s.git(name, "push", "denofn", "main")
		s.git(".", "-c", "protocol.version="+version, "clone", "-q", "denofn:"+name, name+"copy")
		s.git(name+"copy", "fsck", "--strict")
		if got, want := s.head(name+"copy", "main"), s.head(name, "main"); got != want {
			t.Errorf("version %s: cloned %s, not %s", version, got, want)
		}
		s.sound(name)
	}
}

func TestRefusedDeploy(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.repository("app")
	s.deployer.refuse = errors.New("hello/index.ts:2:3: no such thing\nsecond line")
	s.git("app", "branch", "draft")
	out := s.refused("! [remote rejected] main -> main (hello/index.ts:2:3: no such thing)", "app", "push", "denofn", "main", "draft")
	if !strings.Contains(out, "! [remote rejected] draft -> draft (hello/index.ts:2:3: no such thing)") {
		t.Errorf("the other ref was not refused:\n%s", out)
	}
	if _, err := os.Stat(s.path("repos/app.git")); !os.IsNotExist(err) {
		t.Errorf("a first push that was refused left a repository: %v", err)
	}
	s.deployer.refuse = nil
	s.git("app", "push", "denofn", "main")
	before := s.git("app", "ls-remote", "denofn")

	s.deployer.refuse = errors.New("no")
	s.commit("app", "second")
	s.refused("no", "app", "push", "denofn", "main")
	s.deployer.refuse, s.deployer.fail = nil, errors.New("disk full")
	s.refused("disk full", "app", "push", "denofn", "main", "draft")
	if after := s.git("app", "ls-remote", "denofn"); after != before {
		t.Errorf("refused pushes changed\n%s to\n%s", before, after)
	}
	s.deployer.fail = nil
	s.git("app", "push", "denofn", "main")
	s.sound("app")
}

// A bug in a deploy ends that push and nothing else.
func TestPanic(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.repository("app")
	s.git("app", "push", "denofn", "main")
	s.commit("app", "second")
	s.deployer.panics = true
	if out, err := s.run("app", "git", "push", "denofn", "main"); err == nil || strings.Contains(out, "goroutine") {
		t.Errorf("a push that panics: %v\n%s", err, out)
	}
	if !strings.Contains(s.log.String(), "session panicked") {
		t.Errorf("nothing in the log\n%s", s.log)
	}
	s.deployer.panics = false
	s.git("app", "push", "denofn", "main")
	s.sound("app")
}

func TestAtomic(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.repository("app")
	s.git("app", "push", "denofn", "main", "main:dir")
	// The client cannot know that "dir/x" cannot be beside "dir".
	s.write("app/more", "more")
	s.commit("app", "more")
	out := s.refused("dir/x cannot be beside dir", "app", "push", "--atomic", "denofn", "main", "main:dir/x")
	if !strings.Contains(out, "main -> main (atomic push failed)") {
		t.Errorf("the other ref was not refused:\n%s", out)
	}
	if s.deployer.live.String() == s.head("app", "main") {
		t.Error("half of an atomic push was deployed")
	}
	// Without --atomic the rest goes through.
	s.refused("dir/x cannot be beside dir", "app", "push", "denofn", "main", "main:dir/x")
	if s.deployer.live.String() != s.head("app", "main") {
		t.Error("the good half of a push was not deployed")
	}
	s.git("app", "push", "--atomic", "denofn", "main:a", "main:b", ":dir")
	s.sound("app")
}

func TestPushOptions(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.repository("app")
	s.git("app", "push", "-o", "key=value", "-o", "flag", "-o", "key=other=x", "denofn", "main")
	want := []gitreceive.Option{{Key: "key", Value: "value"}, {Key: "flag"}, {Key: "key", Value: "other=x"}}
	if got := s.deployer.last(t).Options; !slices.Equal(got, want) {
		t.Errorf("options are %v", got)
	}
	s.git("app", "push", "-o", "key=value", "denofn", ":main")
	if got := s.deployer.last(t).Options; !slices.Equal(got, want[:1]) {
		t.Errorf("options of a push without a pack are %v", got)
	}
}

// CI pushes from clones that are cut short.
func TestShallowPush(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.repository("app")
	for i := range 4 {
		s.write("app/file", fmt.Sprint(i))
		s.commit("app", fmt.Sprint(i))
	}
	s.git("app", "push", "denofn", "main")

	// To a repository that has the rest.
	s.git(".", "clone", "-q", "--depth=1", "ssh://git@denofn/app", "shallow")
	s.write("shallow/file", "from CI")
	s.commit("shallow", "from CI")
	s.git("shallow", "push", "origin", "main")
	s.sound("app")
	if _, err := os.Stat(s.path("repos/app.git/shallow")); !os.IsNotExist(err) {
		t.Errorf("the repository became shallow: %v", err)
	}

	// To one that has nothing.
	s.git("shallow", "push", "ssh://git@denofn/fresh", "main")
	s.sound("fresh")
	s.write("shallow/file", "again")
	s.commit("shallow", "again")
	s.git("shallow", "push", "ssh://git@denofn/fresh", "main")
	s.sound("fresh")
	for _, version := range []string{"0", "2"} {
		s.git(".", "-c", "protocol.version="+version, "clone", "-q", "ssh://git@denofn/fresh", "copy"+version)
		if n := strings.TrimSpace(s.git("copy"+version, "rev-list", "--count", "main")); n != "3" {
			t.Errorf("version %s: a clone of the shallow repository has %s commits", version, n)
		}
		s.git("copy"+version, "fsck", "--strict")
	}
	// And from a full clone on top of it.
	s.git("app", "fetch", "-q", s.path("shallow"), "main")
	s.git("app", "push", "ssh://git@denofn/fresh", "FETCH_HEAD:refs/heads/full")
	s.sound("fresh")
}

// A repository with other hashes is refused. Git itself is the one that says so,
// from what is advertised; of a repository without refs it says no more than that
// it does not understand, of any server.
func TestOtherHash(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.repository("sha1")
	s.git("sha1", "push", "ssh://git@denofn/app", "main")
	s.write("sha256/file", "x")
	s.git("sha256", "init", "-q", "-b", "main", "--object-format=sha256")
	s.commit("sha256", "first")
	s.refused("hash algorithm", "sha256", "push", "ssh://git@denofn/app", "main:other")
	s.refused("", "sha256", "push", "ssh://git@denofn/fresh", "main")
}

// Two pushes at once: one wins, the other is told to fetch first, and does not
// even begin to deploy.
func TestConcurrentPushes(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.repository("app")
	s.git("app", "push", "denofn", "main")
	s.git(".", "clone", "-q", "ssh://git@denofn/app", "other")
	s.commit("app", "one")
	s.commit("other", "two")
	hold := make(chan struct{})
	s.deployer.hold = hold
	first := make(chan error, 1)
	go func() {
		_, err := s.run("app", "git", "push", "denofn", "main")
		first <- err
	}()
	eventually(t, func() error {
		s.deployer.mu.Lock()
		defer s.deployer.mu.Unlock()
		if len(s.deployer.pushes) < 2 {
			return errors.New("the first push is not being deployed")
		}
		return nil
	})
	type result struct {
		out string
		err error
	}
	second := make(chan result, 1)
	cmd := make(chan struct{})
	go func() {
		close(cmd)
		out, err := s.run("other", "git", "push", "origin", "main")
		second <- result{out, err}
	}()
	<-cmd
	eventually(t, func() error {
		if !strings.Contains(s.log.String(), "waiting for another push") {
			return errors.New("the second push does not wait")
		}
		return nil
	})
	close(hold)
	if err := <-first; err != nil {
		t.Errorf("the first push: %v", err)
	}
	r := <-second
	if r.err == nil || !strings.Contains(r.out, "main moved while you pushed: fetch first") || !strings.Contains(r.out, "Waiting for another push to app") {
		t.Errorf("the second push: %v\n%s", r.err, r.out)
	}
	if n := len(s.deployer.pushes); n != 2 {
		t.Errorf("%d pushes were deployed, not 2", n)
	}
	s.sound("app")
}

func TestNames(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.repository("app")
	s.refused("reserved", "app", "push", "ssh://git@denofn/_app", "main")
	s.refused("reserved", "app", "push", "ssh://git@denofn/../app", "main")
	s.refused("may only have letters", "app", "push", "ssh://git@denofn/a/b", "main")
	s.refused("is empty", "app", "push", "ssh://git@denofn/", "main")
	s.git("app", "push", "denofn", "main")
	s.refused("there is a repository app", "app", "push", "ssh://git@denofn/App", "main")
	s.refused("the first push makes it", "app", "fetch", "ssh://git@denofn/nothing")
	entries, err := os.ReadDir(s.path("repos"))
	if err != nil || len(entries) != 1 {
		t.Errorf("repos holds %v, %v", entries, err)
	}
}
