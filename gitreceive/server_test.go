package gitreceive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/denofn/denofn/gitreceive"
)

// patience bounds every wait.
const patience = 30 * time.Second

// A site is a server with a key that may push, and a folder for its clients.
type site struct {
	t        testing.TB
	dir      string
	config   gitreceive.Config
	server   *gitreceive.Server
	deployer *fakeDeployer
	log      *syncBuffer
	address  string
	served   chan error
}

// newSite starts a server on the loopback. Change, if not nil, has a say in its
// configuration.
func newSite(t testing.TB, change func(*gitreceive.Config)) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), deployer: &fakeDeployer{}, log: &syncBuffer{}}
	s.authorize(s.key("key"))
	s.config = gitreceive.Config{
		HostKeyPath:        s.path("host_key"),
		AuthorizedKeysPath: s.path("authorized_keys"),
		DeployBranch:       "main",
		Deployer:           s.deployer,
		Logger:             slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&s.config)
	}
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

func (s *site) start() {
	s.t.Helper()
	store, err := gitreceive.OpenStore(s.path("repos"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.config.Store = store
	server, err := gitreceive.New(s.config)
	if err != nil {
		s.t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	s.server, s.address, s.served = server, l.Addr().String(), make(chan error, 1)
	go func(served chan error) { served <- server.Serve(l) }(s.served)
	s.sshConfig(s.address)
}

// sshConfig tells ssh where the server is, and which key is whose.
func (s *site) sshConfig(address string) {
	s.t.Helper()
	_, port, _ := net.SplitHostPort(address)
	config := ""
	for _, key := range []string{"key", "stranger", "reader", "admin"} {
		alias := map[string]string{"key": "denofn"}[key]
		if alias == "" {
			alias = key
		}
		config += fmt.Sprintf("Host %s\nHostName 127.0.0.1\nPort %s\nIdentityFile %s\nIdentitiesOnly yes\nStrictHostKeyChecking no\nUserKnownHostsFile %s\nLogLevel ERROR\nBatchMode yes\n\n",
			alias, port, s.path(key), s.path("known_hosts"))
	}
	s.write("ssh_config", config)
}

// stop shuts the server down; it may be stopped already.
func (s *site) stop() {
	if s.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil {
		s.t.Errorf("Shutdown: %v", err)
	}
	if err := <-s.served; err != nil {
		s.t.Errorf("Serve: %v", err)
	}
	s.server = nil
}

func (s *site) write(name, text string) {
	s.t.Helper()
	if err := os.MkdirAll(filepath.Dir(s.path(name)), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) read(name string) string {
	s.t.Helper()
	text, err := os.ReadFile(s.path(name))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// key makes a key pair and returns the line of its public half.
func (s *site) key(name string) string {
	s.t.Helper()
	out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name+"@test", "-f", s.path(name)).CombinedOutput()
	if err != nil {
		s.t.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
	return s.read(name + ".pub")
}

func (s *site) authorize(lines ...string) { s.write("authorized_keys", strings.Join(lines, "")) }

// run runs a program in a folder of the site and returns its output, standard
// error included.
func (s *site) run(dir, name string, args ...string) (string, error) {
	return s.runWith(nil, dir, name, args...)
}

func (s *site) runWith(environment []string, dir, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = s.path(dir)
	c.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@localhost", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@localhost",
		"GIT_SSH_COMMAND=ssh -F " + s.path("ssh_config"), "LC_ALL=C",
	}, environment...)
	out, err := c.CombinedOutput()
	return string(out), err
}

// git runs git, which must succeed.
func (s *site) git(dir string, args ...string) string {
	s.t.Helper()
	out, err := s.run(dir, "git", args...)
	if err != nil {
		s.t.Fatalf("git %s: %v\n%s\nlog:\n%s", strings.Join(args, " "), err, out, s.log)
	}
	return out
}

// refused runs git, which must fail and say so.
func (s *site) refused(want, dir string, args ...string) string {
	s.t.Helper()
	out, err := s.run(dir, "git", args...)
	if err == nil {
		s.t.Fatalf("git %s: succeeded\n%s", strings.Join(args, " "), out)
	}
	if !strings.Contains(out, want) {
		s.t.Fatalf("git %s: no %q in\n%s\nlog:\n%s", strings.Join(args, " "), want, out, s.log)
	}
	return out
}

// repository makes a repository with a first commit.
func (s *site) repository(name string) {
	s.t.Helper()
	s.write(name+"/README.md", "hello\n")
	s.git(name, "init", "-q", "-b", "main")
	s.git(name, "remote", "add", "denofn", "ssh://git@denofn/app")
	s.commit(name, "first")
}

func (s *site) commit(name, message string) {
	s.t.Helper()
	s.git(name, "add", "-A")
	s.git(name, "commit", "-q", "--allow-empty", "-m", message)
}

func (s *site) head(dir, rev string) string {
	s.t.Helper()
	return strings.TrimSpace(s.git(dir, "rev-parse", rev))
}

// sound makes sure that git finds nothing wrong in the server's repository, and
// that what is cloned back is whole.
func (s *site) sound(name string) {
	s.t.Helper()
	dir := "repos/" + name + ".git"
	if out := s.git(dir, "fsck", "--strict", "--full"); strings.Contains(out, "error") || strings.Contains(out, "missing") || strings.Contains(out, "broken") {
		s.t.Fatalf("git fsck on the server:\n%s", out)
	}
	copy, err := os.MkdirTemp(s.dir, "copy")
	if err != nil {
		s.t.Fatal(err)
	}
	defer os.RemoveAll(copy)
	s.git(".", "clone", "-q", "--mirror", "ssh://git@denofn/"+name, copy)
	s.git(filepath.Base(copy), "fsck", "--strict", "--full")
	if want, got := s.git(dir, "for-each-ref"), s.git(filepath.Base(copy), "for-each-ref"); got != want {
		s.t.Fatalf("the clone's refs are\n%s, not\n%s", got, want)
	}
	if left, _ := filepath.Glob(s.path(dir + "/quarantine-*")); len(left) > 0 {
		s.t.Fatalf("left over: %v", left)
	}
}

// A fakeDeployer records what it is asked, and refuses when it is told to.
type fakeDeployer struct {
	mu       sync.Mutex
	refuse   error
	fail     error // of Activate
	hold     chan struct{}
	panics   bool
	pushes   []gitreceive.Push
	live     plumbing.Hash
	discards int
}

type fakeDeployment struct {
	deployer *fakeDeployer
	push     gitreceive.Push
}

func (d *fakeDeployer) Prepare(ctx context.Context, push *gitreceive.Push) (gitreceive.Deployment, error) {
	d.mu.Lock()
	d.pushes = append(d.pushes, *push)
	refuse, hold := d.refuse, d.hold
	d.mu.Unlock()
	if d.panics {
		panic("a bug")
	}
	fmt.Fprintf(push.Progress, "deploying %s\n", push.New)
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if refuse != nil {
		return nil, refuse
	}
	if !push.New.IsZero() {
		if err := push.Objects.HasEncodedObject(push.New); err != nil {
			return nil, errors.New("the pushed commit is not there")
		}
	}
	return &fakeDeployment{d, *push}, nil
}

func (d *fakeDeployment) Activate(context.Context) error {
	d.deployer.mu.Lock()
	defer d.deployer.mu.Unlock()
	if d.deployer.fail != nil {
		return d.deployer.fail
	}
	d.deployer.live = d.push.New
	return nil
}

func (d *fakeDeployment) Discard() {
	d.deployer.mu.Lock()
	defer d.deployer.mu.Unlock()
	d.deployer.discards++
}

func (d *fakeDeployer) last(t testing.TB) gitreceive.Push {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.pushes) == 0 {
		t.Fatal("nothing was deployed")
	}
	return d.pushes[len(d.pushes)-1]
}

// A syncBuffer is a bytes.Buffer for many writers and readers.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// eventually polls check until it has nothing to say.
func eventually(t testing.TB, check func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
