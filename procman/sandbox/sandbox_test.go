package sandbox_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
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

// A box is a function's places on disk.
type box struct {
	code, home string
}

func newBox(tb testing.TB) box {
	tb.Helper()
	dir := tb.TempDir()
	b := box{code: filepath.Join(dir, "code"), home: filepath.Join(dir, "home")}
	for _, d := range []string{b.code, b.home} {
		if err := os.Mkdir(d, 0o700); err != nil {
			tb.Fatal(err)
		}
	}
	return b
}

// profile runs the script with all of Deno's permissions, as if it had broken
// out of Deno.
func (b box) profile(tb testing.TB, script string, args ...string) sandbox.Profile {
	tb.Helper()
	main := filepath.Join(b.code, "main.js")
	if err := os.WriteFile(main, []byte(script), 0o600); err != nil {
		tb.Fatal(err)
	}
	return sandbox.Profile{
		Args:      append([]string{"run", "-A", "--quiet", "--no-prompt", "--no-config", "--no-lock", main}, args...),
		Env:       []string{"HOME=" + b.home, "DENO_DIR=" + b.home, "NO_COLOR=1"},
		Dir:       b.home,
		ReadOnly:  []string{b.code},
		ReadWrite: []string{b.home},
	}
}

// run starts the profile and returns what it wrote and its exit code.
func run(tb testing.TB, h *sandbox.Host, p sandbox.Profile) (stdout, stderr string, code int) {
	tb.Helper()
	cmd, err := h.Command(p)
	if err != nil {
		tb.Fatal(err)
	}
	return runCommand(tb, cmd)
}

func runCommand(tb testing.TB, cmd *exec.Cmd) (stdout, stderr string, code int) {
	tb.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		if _, ok := err.(*exec.ExitError); !ok {
			tb.Fatal(err)
		}
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func TestHello(t *testing.T) {
	h := openHost(t)
	b := newBox(t)
	stdout, stderr, code := run(t, h, b.profile(t, `Deno.writeTextFileSync("x", "hello"); console.log(Deno.readTextFileSync("x"))`))
	if stdout != "hello\n" || code != 0 {
		t.Fatalf("stdout %q, stderr %q, exit code %d", stdout, stderr, code)
	}
	t.Log(h.Report())
}
