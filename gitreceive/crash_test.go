package gitreceive_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/denofn/denofn/gitreceive"
)

// crashEnv makes the test binary the server that TestKill kills: it names the
// folder that the server serves.
const crashEnv = "DENOFN_GIT_CRASH"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashEnv); dir != "" {
		if err := serveToBeKilled(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// serveToBeKilled serves a folder, and prints the address.
func serveToBeKilled(dir string) error {
	store, err := gitreceive.OpenStore(filepath.Join(dir, "repos"))
	if err != nil {
		return err
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "repos/*.git/quarantine-*")); len(left) > 0 {
		return fmt.Errorf("left over after the start: %v", left)
	}
	server, err := gitreceive.New(gitreceive.Config{
		Store:              store,
		HostKeyPath:        filepath.Join(dir, "host_key"),
		AuthorizedKeysPath: filepath.Join(dir, "authorized_keys"),
		DeployBranch:       "main",
		Deployer:           &fakeDeployer{},
		Logger:             slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return server.Serve(l)
}

// A server that is killed at any moment of a push of several refs is, after its
// next start, sound to git, and its refs are all of the old or all of the new: the
// new, if git was told so.
func TestKill(t *testing.T) {
	t.Parallel()
	testKill(t, 8)
}

func testKill(t *testing.T, kills int) {
	s := &site{t: t, dir: t.TempDir()}
	s.authorize(s.key("key"))
	s.repository("app")
	s.git("app", "config", "gc.auto", "0")
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, seed))
	var window time.Duration // how long a push takes; the first one tells
	inTime, acknowledged := 0, 0
	for n := range kills + 1 {
		server, address := s.spawn()
		s.sshConfig(address)
		old := s.serverRefs()
		s.write("app/big", strings.Repeat(fmt.Sprint("line ", n, "\n"), 20_000))
		s.write(fmt.Sprint("app/file", n), fmt.Sprint(n))
		s.commit("app", fmt.Sprint("commit ", n))
		s.git("app", "tag", "-a", "-m", "t", fmt.Sprint("t", n))
		want := s.head("app", "main")

		push := make(chan error, 1)
		began := time.Now()
		go func() {
			_, err := s.run("app", "git", "push", "--atomic", "denofn", "main", "main:also", fmt.Sprint("t", n))
			push <- err
		}()
		// The moment is drawn from the part of a push that follows the login, so that
		// all of its steps are hit.
		var pushed error
		moment := patience
		if window > 0 {
			moment = window/3 + time.Duration(random.Int64N(int64(window)*3/4))
		}
		select {
		case pushed = <-push:
			window = time.Since(began)
			server.Process.Kill()
		case <-time.After(moment):
			server.Process.Kill()
			inTime++
			pushed = <-push
		}
		server.Wait()

		server, _ = s.spawn() // recovers
		now := s.serverRefs()
		moved := strings.Contains(now, want+" refs/heads/main\n")
		if pushed == nil {
			acknowledged++
		}
		switch {
		case pushed == nil && !moved:
			t.Errorf("kill %d: the push was acknowledged and is not there", n)
		case !moved && now != old:
			t.Errorf("kill %d: the refs are neither old nor new:\n%s\nold:\n%s", n, now, old)
		case moved && (!strings.Contains(now, want+" refs/heads/also\n") || !strings.Contains(now, fmt.Sprint("refs/tags/t", n))):
			t.Errorf("kill %d: half of the refs moved:\n%s", n, now)
		}
		if _, err := os.Stat(s.path("repos/app.git")); err == nil {
			if out, err := s.run("repos/app.git", "git", "fsck", "--strict", "--full", "--no-dangling"); err != nil || strings.Contains(out, "error") || strings.Contains(out, "missing") {
				t.Fatalf("kill %d: git fsck: %v\n%s", n, err, out)
			}
		}
		server.Process.Signal(syscall.SIGKILL)
		server.Wait()
	}
	t.Logf("%d of %d kills were in the middle of a push, %d pushes were acknowledged", inTime, kills, acknowledged)
}

func (s *site) serverRefs() string {
	if _, err := os.Stat(s.path("repos/app.git")); err != nil {
		return ""
	}
	return s.git("repos/app.git", "for-each-ref", "--format=%(objectname) %(refname)")
}

// spawn starts the server in a process of its own.
func (s *site) spawn() (*exec.Cmd, string) {
	s.t.Helper()
	c := exec.CommandContext(context.Background(), os.Args[0])
	c.Env = append(os.Environ(), crashEnv+"="+s.dir)
	var stderr strings.Builder
	c.Stderr = &stderr
	out, err := c.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		c.Wait()
		s.t.Fatalf("the server does not come up: %v\n%s", err, stderr.String())
	}
	return c, strings.TrimSpace(line)
}
