package bundler_test

import (
	"bytes"
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
	"syscall"
	"testing"
	"time"

	"github.com/denofn/denofn/bundler"
	"github.com/denofn/denofn/micro/denotest"
)

// patience bounds every wait.
const patience = 60 * time.Second

// A syncBuffer is a bytes.Buffer for one writer and many readers.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
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

// A function is a bundle that a real Deno serves, as procman would start it.
type function struct {
	dir    string
	client http.Client
	said   *syncBuffer
}

// serve writes a release and starts it with no permission but its socket and its
// own files, and those of flags.
func serve(t *testing.T, r *bundler.Result, flags ...string) *function {
	t.Helper()
	deno := denotest.Path(t)
	dir, err := os.MkdirTemp("/tmp", "b") // the path of a socket has to be short
	if err != nil {
		t.Fatal(err)
	}
	f := &function{dir: dir, said: new(syncBuffer)}
	files := map[string][]byte{"main.js": r.Code, "main.js.map": r.SourceMap}
	for name, content := range r.Files {
		files[name] = content
	}
	for name, content := range files {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	socket := filepath.Join(dir, "s")
	args := []string{"run", "--quiet", "--no-prompt", "--no-config", "--no-lock", "--no-npm", "--no-remote", "--cached-only",
		"--allow-net=unix:" + socket, "--allow-read=" + socket + "," + filepath.Join(dir, "files"), "--allow-write=" + socket}
	args = append(args, flags...)
	command := exec.Command(deno, append(args, filepath.Join(dir, "main.js"), socket)...)
	command.Env = []string{"HOME=" + dir, "DENO_DIR=" + filepath.Join(dir, "cache"), "NO_COLOR=1"}
	command.Dir = dir
	command.Stdout, command.Stderr = f.said, f.said
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	t.Cleanup(func() {
		command.Process.Kill()
		<-ended
		os.RemoveAll(dir)
	})
	f.client.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	f.client.Timeout = patience
	for deadline := time.Now().Add(patience); !strings.Contains(f.said.String(), "\x1edenofn/1 ready"); {
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the function ended: %v\n%s", err, f.said)
		case <-time.After(2 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("the function does not become ready:\n%s", f.said)
		}
	}
	return f
}

// get asks the function and returns its answer.
func (f *function) get(t *testing.T, path string) string {
	t.Helper()
	response, err := f.client.Get("http://localhost" + path)
	if err != nil {
		t.Fatalf("%v\n%s", err, f.said)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Sprintf("%d %s\n%s", response.StatusCode, body, f.said)
	}
	return string(body)
}

// runDeno runs the pinned Deno as an author would, against these registries.
func runDeno(t *testing.T, dir string, p *packages, args ...string) {
	t.Helper()
	command := exec.Command(denotest.Path(t), args...)
	command.Dir = dir
	command.Env = []string{"HOME=" + dir, "DENO_DIR=" + t.TempDir(), "NO_COLOR=1", "NPM_CONFIG_REGISTRY=" + p.URL + "/npm/", "JSR_URL=" + p.URL + "/jsr/"}
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("deno %v: %v\n%s", args, err, out)
	}
}
