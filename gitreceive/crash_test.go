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
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/denofn/denofn/gitreceive"
)

// crashEnv makes the test binary the server that TestKill kills: it names the
// folder that the server serves. With killEnv it kills itself so long after the
// first connection came in.
const (
	crashEnv = "DENOFN_GIT_CRASH"
	killEnv  = "DENOFN_GIT_KILL"
)

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

// serveToBeKilled serves a folder, and prints the address and each step of a push.
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
		Step:               func(name string) { fmt.Println(name) },
	})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	if after, err := time.ParseDuration(os.Getenv(killEnv)); err == nil {
		l = &fatalListener{Listener: l, after: after}
	}
	return server.Serve(l)
}

// A fatalListener kills the process some time after the first connection.
type fatalListener struct {
	net.Listener
	after time.Duration
	once  sync.Once
}

func (l *fatalListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	l.once.Do(func() {
		time.AfterFunc(l.after, func() { syscall.Kill(os.Getpid(), syscall.SIGKILL) })
	})
	return conn, err
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
	// Of a push's time a part is drawn, such that about half of the pushes get to
	// their end: then every step of them is hit.
	window := 50 * time.Millisecond
	acknowledged := 0
	steps := make(map[string]int) // the last one before each kill
	for n := range kills {
		moment := window/3 + time.Duration(random.Int64N(int64(window)))
		server, address, lines := s.spawn(killEnv + "=" + moment.String())
		s.sshConfig(address)
		old := s.serverRefs()
		s.write("app/big", strings.Repeat(fmt.Sprint("line ", n, "\n"), 20_000))
		s.write(fmt.Sprint("app/file", n), fmt.Sprint(n))
		s.commit("app", fmt.Sprint("commit ", n))
		s.git("app", "tag", "-a", "-m", "t", fmt.Sprint("t", n))
		want := s.head("app", "main")
		_, pushed := s.run("app", "git", "push", "--atomic", "denofn", "main", "main:also", fmt.Sprint("t", n))
		last := "before the pack"
		for lines.Scan() {
			last = lines.Text()
		}
		server.Wait() // it has killed itself, or is about to
		if pushed == nil {
			acknowledged++
			window = window * 7 / 8
		} else {
			window = window*8/7 + time.Millisecond
			steps[last]++
		}

		server, _, _ = s.spawn() // recovers
		now := s.serverRefs()
		// git looks at it only when the server is gone, which may have begun to
		// consolidate the packs.
		server.Process.Kill()
		server.Wait()
		moved := strings.Contains(now, want+" refs/heads/main\n")
		switch {
		case pushed == nil && !moved:
			t.Errorf("kill %d: the push was acknowledged and is not there", n)
		case !moved && now != old:
			t.Errorf("kill %d: the refs are neither old nor new:\n%s\nold:\n%s", n, now, old)
		case moved && (!strings.Contains(now, want+" refs/heads/also\n") || !strings.Contains(now, fmt.Sprint("refs/tags/t", n, "\n"))):
			t.Errorf("kill %d: half of the refs moved:\n%s", n, now)
		}
		if _, err := os.Stat(s.path("repos/app.git")); err == nil {
			if out, err := s.run("repos/app.git", "git", "fsck", "--strict", "--full", "--no-dangling"); err != nil || strings.Contains(out, "error") || strings.Contains(out, "missing") {
				t.Fatalf("kill %d: git fsck: %v\n%s", n, err, out)
			}
		}
	}
	t.Logf("%d pushes were acknowledged; the others were killed after these steps: %v", acknowledged, steps)
}

func (s *site) serverRefs() string {
	if _, err := os.Stat(s.path("repos/app.git")); err != nil {
		return ""
	}
	return s.git("repos/app.git", "for-each-ref", "--format=%(objectname) %(refname)")
}

// spawn starts the server in a process of its own, and returns what it prints
// after its address.
func (s *site) spawn(environment ...string) (*exec.Cmd, string, *bufio.Scanner) {
	s.t.Helper()
	c := exec.CommandContext(context.Background(), os.Args[0])
	c.Env = append(append(os.Environ(), crashEnv+"="+s.dir), environment...)
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
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		c.Wait()
		s.t.Fatalf("the server does not come up:\n%s", stderr.String())
	}
	return c, lines.Text(), lines
}
