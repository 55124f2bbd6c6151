package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/denofn/denofn/micro/denotest"
	"github.com/denofn/denofn/procman/sandbox"
)

// programName is the name under which the test's own binary is a program that
// does what its arguments say.
const programName = "sandboxed-program"

func program(args []string) int {
	report := func(name string, err error) { fmt.Printf("%s: %v\n", name, err) }
	switch args[0] {
	case "look around":
		_, err := os.ReadFile("/etc/passwd")
		report("read", err)
		report("write", os.WriteFile(filepath.Join(args[1], "x"), nil, 0o600))
		report("write outside", os.WriteFile(filepath.Join(os.TempDir(), "denofn-outside"), nil, 0o600))
		report("execute", exec.Command("/bin/true").Run())
		_, err = net.Dial("tcp", "127.0.0.1:1")
		report("connect", err)
		report("signal", syscall.Kill(os.Getppid(), 0))
	case "echo":
		io.Copy(os.Stdout, os.Stdin)
	case "eat":
		var all [][]byte
		for {
			all = append(all, bytes.Repeat([]byte{1}, 1<<20))
			if len(all) > 2000 {
				return 0
			}
		}
	case "hang":
		fmt.Println("hanging")
		select {}
	}
	return 0
}

func programProfile(tb testing.TB, b box, args ...string) sandbox.Profile {
	tb.Helper()
	return sandbox.Profile{
		Path: sandbox.Self, Name: programName, Args: args, Dir: b.home, ReadWrite: []string{b.home},
	}
}

// Another program than Deno has what its profile names and nothing else.
func TestProgram(t *testing.T) {
	h := openHost(t)
	b := newBox(t, nil)
	cmd := b.command(t, h, programProfile(t, b, "look around", b.home))
	stdout, stderr, code := runStarted(t, h, cmd)
	want := strings.Join([]string{
		"read: open /etc/passwd: permission denied",
		"write: <nil>",
		"write outside: open " + filepath.Join(os.TempDir(), "denofn-outside") + ": permission denied",
		"execute: fork/exec /bin/true: operation not permitted",
		"connect: dial tcp 127.0.0.1:1: socket: operation not permitted",
		"signal: operation not permitted", "",
	}, "\n")
	if stdout != want || code != 0 {
		t.Errorf("exit code %d, stderr %s\n%s\nwant\n%s", code, stderr, stdout, want)
	}
}

// runStarted is runCommand for a command that the host starts.
func runStarted(t *testing.T, h *sandbox.Host, cmd *exec.Cmd) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := h.Start(cmd); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		if _, ok := errors.AsType[*exec.ExitError](err); !ok {
			t.Fatal(err)
		}
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func TestProgramIsKilledWithItsContext(t *testing.T) {
	h := openHost(t)
	b := newBox(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd, err := h.CommandContext(ctx, programProfile(t, b, "hang"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Start(cmd); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("hanging\n"))); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := cmd.Wait(); !errors.Is(err, context.Canceled) {
		if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != -1 {
			t.Errorf("ended with %v", err)
		}
	}
}

// The thread of who asks for a sandbox may end without the sandbox.
func TestSandboxOutlivesThread(t *testing.T) {
	h := openHost(t)
	b := newBox(t, nil)
	cmd := b.command(t, h, programProfile(t, b, "echo"))
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan error)
	tid := make(chan int, 1)
	var begin func()
	begin = func() {
		runtime.LockOSThread() // not unlocked: the thread ends with the goroutine
		if syscall.Gettid() == syscall.Getpid() {
			go begin() // the main thread never ends
			return
		}
		tid <- syscall.Gettid()
		started <- h.Start(cmd)
	}
	go begin()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	thread := fmt.Sprintf("/proc/self/task/%d", <-tid)
	waitFor(t, "end of the thread", func() bool {
		_, err := os.Stat(thread)
		return errors.Is(err, os.ErrNotExist)
	})
	io.WriteString(stdin, "hello")
	stdin.Close()
	if text, err := io.ReadAll(stdout); string(text) != "hello" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// The helper can be a program of its own, and an upgrade that replaces its file
// does not reach a daemon that runs.
func TestHelperProgram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "denofn-sandbox")
	build := exec.Command("go", "build", "-o", path, "github.com/denofn/denofn/cmd/denofn-sandbox")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	h, err := sandbox.Open(sandbox.Config{Deno: denotest.Path(t), Helper: path})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	b := newBox(t, nil)
	stdout, stderr, code := runStarted(t, h, b.command(t, h, b.profile(t, `console.log("ran")`)))
	if stdout != "ran\n" || code != 0 {
		t.Errorf("stdout %q, stderr %q, exit code %d", stdout, stderr, code)
	}

	cmd := b.command(t, h, programProfile(t, b, "echo"))
	cmd.Stdin = strings.NewReader("the binary itself")
	if stdout, stderr, code := runStarted(t, h, cmd); stdout != "the binary itself" || code != 0 {
		t.Errorf("stdout %q, stderr %q, exit code %d", stdout, stderr, code)
	}
}

// A helper of another release runs nothing.
func TestHelperOfAnotherRelease(t *testing.T) {
	h := openHost(t)
	b := newBox(t, nil)
	cmd := b.command(t, h, b.profile(t, `console.log("ran")`))
	cmd.Args[1] += "-another"
	stdout, stderr, code := runStarted(t, h, cmd)
	if stdout != "" || code != sandbox.ExitSetup || !strings.Contains(stderr, "different releases") {
		t.Errorf("stdout %q, stderr %q, exit code %d", stdout, stderr, code)
	}
}

func TestHelperMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nothing")
	if _, err := sandbox.Open(sandbox.Config{Deno: denotest.Path(t), Helper: path}); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a helper that is not there: %v", err)
	}
}
