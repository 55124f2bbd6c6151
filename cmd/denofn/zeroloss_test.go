//go:build proof

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/denofn/denofn/micro/denotest"
)

const (
	lossDeploys  = 100
	lossRestarts = 20
)

// TestProofNoRequestIsLost deploys and restarts under load, the sockets held by the
// test as systemd would: not one request may fail, whether its connection is new or
// kept, its body streams up or down, or its process has just gone idle. A request
// counts as lost when it was written and not answered whole, also on a kept
// connection: no client is asked to try again.
func TestProofNoRequestIsLost(t *testing.T) {
	m := newHeldMachine(t)
	m.start()
	m.push("app", map[string]string{
		"hello/index.ts":      helloVersion(0),
		"stream/index.ts":     `export default () => new Response(new ReadableStream({ async start(c) { for (let i = 0; i < 20; i++) { c.enqueue(new TextEncoder().encode("piece\n")); await new Promise((r) => setTimeout(r, 20)); } c.close(); } }));`,
		"upload/index.ts":     `export default async (r: Request) => String((await r.text()).length);`,
		"idle/index.ts":       `export default () => "idle";`,
		"idle/registry.json":  `{"idleTimeout": "50ms"}`,
		"site/registry.json":  `{"static": "public"}`,
		"site/public/a.txt":   "static",
		"other/index.ts":      `export default () => "other";`,
		"other/registry.json": `{"instances": {"min": 1}}`,
	})
	loads := []struct {
		clients int
		request string // after which the answer is read
		want    string
		keep    bool
		pause   time.Duration
	}{
		{4, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n", "version", true, 0},
		{4, "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "version", false, 2 * time.Millisecond},
		{2, "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 100000), "100000", true, 5 * time.Millisecond},
		{2, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n", strings.Repeat("piece\n", 20), true, 0},
		{1, "GET /idle HTTP/1.1\r\nHost: a\r\n\r\n", "idle", true, 55 * time.Millisecond},
		{1, "GET /site/a.txt HTTP/1.1\r\nHost: a\r\n\r\n", "static", true, 5 * time.Millisecond},
		{1, "POST /other HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab", "other", true, 20 * time.Millisecond},
	}
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	var answered, lost atomic.Int64
	for _, l := range loads {
		for range l.clients {
			clients.Go(func() {
				c := &lossClient{address: m.http.Addr().String()}
				defer c.close()
				for ctx.Err() == nil {
					if err := c.ask(l.request, l.want, l.keep); err != nil {
						lost.Add(1)
						t.Errorf("%.30q: %v", l.request, err)
						c.close()
					}
					answered.Add(1)
					time.Sleep(l.pause)
				}
			})
		}
	}
	for i := range lossDeploys {
		m.push("app", map[string]string{"hello/index.ts": helloVersion(i + 1)})
		if i%(lossDeploys/lossRestarts) == 0 {
			m.restart()
		}
	}
	cancel()
	clients.Wait()
	t.Logf("%d requests over %d deploys and %d restarts, %d lost", answered.Load(), lossDeploys, lossRestarts, lost.Load())
	m.stop()
}

func helloVersion(n int) string { return fmt.Sprintf("export default () => \"version %d\";\n", n) }

// A lossClient asks on one connection for as long as that is kept.
type lossClient struct {
	address string
	conn    net.Conn
	r       *bufio.Reader
}

func (c *lossClient) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

func (c *lossClient) ask(request, want string, keep bool) error {
	kept := c.conn != nil
	if kept && c.wasClosed() {
		c.close() // before the request was written: nothing is lost
		kept = false
	}
	if !kept {
		conn, err := net.Dial("tcp", c.address)
		if err != nil {
			return err
		}
		c.conn, c.r = conn, bufio.NewReader(conn)
	}
	c.conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c.conn, request); err != nil {
		return fmt.Errorf("write (kept %t): %w", kept, err)
	}
	response, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return fmt.Errorf("read (kept %t): %w", kept, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("read body: %w", err)
	}
	if response.StatusCode != http.StatusOK || !strings.HasPrefix(string(body), want) {
		return fmt.Errorf("%s: %.100q", response.Status, body)
	}
	if !keep || response.Close {
		c.close()
	}
	return nil
}

// wasClosed looks whether the other side has closed the kept connection.
func (c *lossClient) wasClosed() bool {
	c.conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := c.r.Peek(1)
	timeout, ok := err.(net.Error)
	return !ok || !timeout.Timeout()
}

// A heldMachine is a denofn whose sockets outlive it.
type heldMachine struct {
	t             *testing.T
	dir, work     string
	http, ssh     net.Listener
	admin         net.Listener
	files         []*os.File
	daemon        *exec.Cmd
	daemonLog     *syncBuffer
	pushed        int
	configuration string
}

func newHeldMachine(t *testing.T) *heldMachine {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "z")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	m := &heldMachine{t: t, dir: dir, work: t.TempDir(), daemonLog: new(syncBuffer)}
	listen := func(network, address string) net.Listener {
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		file, err := l.(interface{ File() (*os.File, error) }).File()
		if err != nil {
			t.Fatal(err)
		}
		m.files = append(m.files, file)
		return l
	}
	m.http, m.ssh = listen("tcp", "127.0.0.1:0"), listen("tcp", "127.0.0.1:0")
	m.admin = listen("unix", filepath.Join(dir, "admin.sock"))
	m.command("", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(m.work, "key"))
	m.configuration = filepath.Join(m.work, "denofn.toml")
	text := fmt.Sprintf("state_dir = %q\nruntime_dir = %q\ndeno = %q\n[ssh]\nauthorized_keys = %q\n", filepath.Join(m.work, "state"), filepath.Join(dir, "r"), denotest.Path(t), filepath.Join(m.work, "key.pub"))
	if err := os.WriteFile(m.configuration, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	m.command("", "git", "init", "-q", "-b", "main", "app")
	return m
}

// command runs a program in a folder of the machine.
func (m *heldMachine) command(dir, name string, args ...string) {
	m.t.Helper()
	c := exec.Command(name, args...)
	c.Dir = filepath.Join(m.work, dir)
	_, port, _ := net.SplitHostPort(m.ssh.Addr().String())
	c.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + m.work, "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@localhost", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@localhost",
		"GIT_SSH_COMMAND=ssh -p " + port + " -i " + filepath.Join(m.work, "key") + " -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=" + filepath.Join(m.work, "known_hosts") + " -o LogLevel=ERROR -o BatchMode=yes",
	}
	if out, err := c.CombinedOutput(); err != nil {
		m.t.Fatalf("%s %v: %v\n%s\n%s", name, args, err, out, m.daemonLog)
	}
}

// start starts the daemon as systemd does, and returns when it says that it serves.
func (m *heldMachine) start() {
	m.t.Helper()
	self, err := os.Executable()
	if err != nil {
		m.t.Fatal(err)
	}
	m.daemonLog.reset()
	m.daemon = exec.Command("bash", "-c", `LISTEN_PID=$$ exec -a denofn "$0" serve`, self)
	m.daemon.Env = append(os.Environ(), "DENOFN_CONFIG="+m.configuration, "LISTEN_FDS=3", "LISTEN_FDNAMES=http:ssh:admin")
	m.daemon.ExtraFiles = m.files
	m.daemon.Stderr = m.daemonLog
	if err := m.daemon.Start(); err != nil {
		m.t.Fatal(err)
	}
	daemon := m.daemon
	m.t.Cleanup(func() { daemon.Process.Kill() })
	for deadline := time.Now().Add(patience); !strings.Contains(m.daemonLog.String(), "serving"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			m.t.Fatalf("the daemon does not serve:\n%s", m.daemonLog)
		}
	}
}

func (m *heldMachine) stop() {
	m.t.Helper()
	m.daemon.Process.Signal(syscall.SIGTERM)
	if err := m.daemon.Wait(); err != nil {
		m.t.Fatalf("the daemon ended with %v:\n%s", err, m.daemonLog)
	}
}

func (m *heldMachine) restart() {
	m.t.Helper()
	m.stop()
	m.start()
}

// push commits the files and pushes them.
func (m *heldMachine) push(repository string, files map[string]string) {
	m.t.Helper()
	for name, text := range files {
		path := filepath.Join(m.work, repository, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			m.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			m.t.Fatal(err)
		}
	}
	m.pushed++
	m.command(repository, "git", "add", ".")
	m.command(repository, "git", "commit", "-q", "-m", fmt.Sprint("push ", m.pushed))
	m.command(repository, "git", "push", "-q", "ssh://git@127.0.0.1/"+repository, "main")
}
