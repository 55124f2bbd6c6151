package sandbox_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/denofn/denofn/micro/denotest"
	"github.com/denofn/denofn/procman/sandbox"
)

func openHost(tb testing.TB) *sandbox.Host {
	tb.Helper()
	h, err := sandbox.Open(sandbox.Config{Deno: denotest.Path(tb)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := h.Close(); err != nil {
			tb.Error(err)
		}
	})
	return h
}

// A user is whom a sandbox belongs to.
type user struct {
	name       string
	credential *syscall.Credential // nil: the one who runs the test
}

// users are the one who runs the test and, where that is root, an ordinary one.
func users() []user {
	if os.Geteuid() != 0 {
		return []user{{"self", nil}}
	}
	return []user{{"root", nil}, {"nobody", &syscall.Credential{Uid: 65534, Gid: 65534, Groups: []uint32{65534}}}}
}

// A box is a function's places on disk, which belong to a user.
type box struct {
	code, home string
	user       *syscall.Credential
}

func newBox(tb testing.TB, u *syscall.Credential) box {
	tb.Helper()
	dir, err := os.MkdirTemp("", "box")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	b := box{code: filepath.Join(dir, "code"), home: filepath.Join(dir, "home"), user: u}
	b.mkdir(tb, b.code)
	b.mkdir(tb, b.home)
	return b
}

// dir returns the folder that holds the others.
func (b box) dir(testing.TB) string { return filepath.Dir(b.home) }

func (b box) mkdir(tb testing.TB, dir string) {
	tb.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		tb.Fatal(err)
	}
	b.own(tb, dir)
}

func (b box) write(tb testing.TB, path, text string) {
	tb.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	b.own(tb, path)
}

func (b box) own(tb testing.TB, path string) {
	tb.Helper()
	if b.user == nil {
		return
	}
	if err := os.Chown(path, int(b.user.Uid), int(b.user.Gid)); err != nil {
		tb.Fatal(err)
	}
}

// profile runs the script with all of Deno's permissions, as if it had broken
// out of Deno.
func (b box) profile(tb testing.TB, script string, args ...string) sandbox.Profile {
	tb.Helper()
	main := filepath.Join(b.code, "main.js")
	b.write(tb, main, script)
	return sandbox.Profile{
		Args:      append([]string{"run", "-A", "--quiet", "--no-prompt", "--no-config", "--no-lock", main}, args...),
		Env:       []string{"HOME=" + b.home, "DENO_DIR=" + b.home, "NO_COLOR=1"},
		Dir:       b.home,
		ReadOnly:  []string{b.code},
		ReadWrite: []string{b.home},
	}
}

// command is what starts the profile as the box's user.
func (b box) command(tb testing.TB, h *sandbox.Host, p sandbox.Profile) *exec.Cmd {
	tb.Helper()
	cmd, err := h.Command(p)
	if err != nil {
		tb.Fatal(err)
	}
	cmd.SysProcAttr.Credential = b.user
	return cmd
}

// runCommand returns what the command wrote, and its exit code: -1 for a signal.
func runCommand(tb testing.TB, cmd *exec.Cmd) (stdout, stderr string, code int) {
	tb.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		if _, ok := errors.AsType[*exec.ExitError](err); !ok {
			tb.Fatal(err)
		}
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}
