package gitreceive_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/denofn/denofn/gitreceive"
)

// A repository that git made and somebody copied in is served, and git can work
// on ours.
func TestForeignRepository(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.stop()
	s.repository("app")
	s.git("app", "branch", "side")
	s.git("app", "tag", "-a", "-m", "t", "v1")
	s.git(".", "clone", "-q", "--bare", "--no-local", s.path("app"), "repos/app.git")
	s.start()
	s.git("app", "push", "denofn", "main")
	s.sound("app")

	s.write("app/more", "more")
	s.commit("app", "more")
	s.git("app", "push", "-q", s.path("repos/app.git"), "main", "main:refs/heads/by/hand") // loose objects and refs
	s.stop()
	s.start()
	s.sound("app")
	s.commit("app", "over ssh")
	s.git("app", "push", "denofn", "main", ":by/hand")
	s.sound("app")
	if left, _ := filepath.Glob(s.path("repos/app.git/objects/[0-9a-f][0-9a-f]/*")); len(left) > 0 {
		t.Errorf("loose objects are left: %v", left)
	}
}

// What a crash may leave is gone after the next start.
func TestLeftovers(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.repository("app")
	s.git("app", "push", "denofn", "main")
	s.stop()
	for _, name := range []string{
		"repos/.new-1/HEAD", "repos/app.git/quarantine-1/tmp_x", "repos/app.git/tmp_1", "repos/app.git/objects/pack/tmp_1",
		"repos/app.git/objects/pack/pack-0000000000000000000000000000000000000000.pack",
	} {
		s.write(name, "x")
	}
	s.config.DeployBranch = "live"
	s.start()
	for _, pattern := range []string{"repos/.new*", "repos/app.git/quarantine*", "repos/app.git/tmp*", "repos/app.git/objects/pack/tmp*", "repos/app.git/objects/pack/pack-000*"} {
		if left, _ := filepath.Glob(s.path(pattern)); len(left) > 0 {
			t.Errorf("left over: %v", left)
		}
	}
	if head := s.read("repos/app.git/HEAD"); head != "ref: refs/heads/live\n" {
		t.Errorf("HEAD is %q after the deploy branch changed", head)
	}
}

func TestStore(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.repository("app")
	s.write("app/big", strings.Repeat("x", 3<<20))
	s.commit("app", "big")
	s.git("app", "push", "denofn", "main")
	store := s.config.Store
	if names, err := store.List(); err != nil || len(names) != 1 || names[0] != "app" {
		t.Fatalf("List: %v, %v", names, err)
	}
	if _, err := store.Open("other"); !errors.Is(err, gitreceive.ErrNotFound) {
		t.Errorf("Open of what is not there: %v", err)
	}
	if _, err := store.Open("../app"); err == nil {
		t.Error("Open takes a path")
	}
	repository, err := store.Open("app")
	if err != nil {
		t.Fatal(err)
	}
	if head, err := repository.Head("nothing"); err != nil || !head.IsZero() {
		t.Errorf("Head of no branch: %v, %v", head, err)
	}
	head, err := repository.Head("main")
	if err != nil || head.String() != s.head("app", "main") {
		t.Fatalf("Head: %v, %v", head, err)
	}
	objects := repository.Objects()
	commit, err := object.GetCommit(objects, head)
	if err != nil {
		t.Fatal(err)
	}
	file, err := commit.File("big")
	if err != nil {
		t.Fatal(err)
	}
	if text, err := file.Contents(); err != nil || len(text) != 3<<20 {
		t.Errorf("big has %d bytes, %v", len(text), err)
	}
	if _, err := objects.EncodedObject(plumbing.TreeObject, head); !errors.Is(err, plumbing.ErrObjectNotFound) {
		t.Errorf("a commit is found as a tree: %v", err)
	}
	if _, err := objects.EncodedObjectSize(plumbing.NewHash(some)); !errors.Is(err, plumbing.ErrObjectNotFound) {
		t.Errorf("what is not there has a size: %v", err)
	}
	if _, err := objects.SetEncodedObject(&plumbing.MemoryObject{}); err == nil {
		t.Error("objects can be written")
	}
	iter, err := objects.IterEncodedObjects(plumbing.AnyObject)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := iter.ForEach(func(plumbing.EncodedObject) error { n++; return nil }); err != nil || n != 6 {
		t.Errorf("%d objects, %v", n, err)
	}
}

// A client that does not take what it asked for is let go.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *gitreceive.Config) { c.Limits.IdleTime = 300 * time.Millisecond })
	s.repository("app")
	noise := make([]byte, 8<<20)
	x := uint32(1)
	for i := range noise {
		x = x*1664525 + 1013904223
		noise[i] = byte(x >> 24)
	}
	s.write("app/noise", string(noise))
	s.commit("app", "noise")
	s.git("app", "push", "-q", "denofn", "main")
	client := s.dial(t)
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	out, err := session.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := session.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Start("git-upload-pack app"); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	in.Write(request(t, "want "+s.head("app", "main")+" side-band-64k", "", "done"))
	ended := make(chan error, 1)
	go func() { ended <- client.Wait() }()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("a client that does not read stays")
	}
	s.git("app", "fetch", "denofn") // others are served
}

// Nothing listens after Shutdown, and Serve of a server that was shut down ends.
func TestServeAfterShutdown(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	server := s.server
	s.stop()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Serve(l); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("it listens")
	}
	if info, err := os.Stat(s.path("host_key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("host key: %v, %v", info, err)
	}
}
