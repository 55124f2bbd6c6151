//go:build !race

package sandbox_test

import (
	"strings"
	"testing"

	"github.com/denofn/denofn/procman/sandbox"
)

// The race detector maps more memory than any limit that would tell something.

func TestProgramMemory(t *testing.T) {
	h := openHost(t)
	b := newBox(t, nil)
	group, err := h.Cgroups().Create("program", sandbox.Limits{MemoryMaxBytes: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer group.Remove()
	p := programProfile(t, b, "eat")
	p.Cgroup = group
	_, stderr, code := runStarted(t, h, b.command(t, h, p))
	if code == 0 {
		t.Error("it had 2 GB of memory")
	}
	if !h.Cgroups().Has("memory") && !strings.Contains(stderr, "out of memory") && !strings.Contains(stderr, "cannot allocate memory") {
		t.Errorf("it ended of something else: %s", stderr)
	}
	p.Args = []string{"echo"}
	cmd := b.command(t, h, p)
	cmd.Stdin = strings.NewReader("hello")
	if stdout, stderr, code := runStarted(t, h, cmd); stdout != "hello" || code != 0 {
		t.Errorf("within its limit: %q %q, exit code %d", stdout, stderr, code)
	}
}
