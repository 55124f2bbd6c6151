package sandbox_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/denofn/denofn/procman/sandbox"
)

// inGroup makes a group for the profile and starts it there.
func inGroup(t *testing.T, h *sandbox.Host, b box, p sandbox.Profile, limits sandbox.Limits) (*exec.Cmd, *sandbox.Cgroup) {
	t.Helper()
	group, err := h.Cgroups().Create("hello-1", limits)
	if err != nil {
		t.Fatal(err)
	}
	p.Cgroup = group
	cmd := b.command(t, h, p)
	t.Cleanup(func() {
		if err := group.Remove(); err != nil {
			t.Error(err)
		}
	})
	return cmd, group
}

// bounded skips the test where the layer is not in force.
func bounded(t *testing.T, h *sandbox.Host, name string) {
	t.Helper()
	if l := layer(h, name); !l.InForce {
		if l.Mend == "" || l.Detail == "" {
			t.Errorf("the report does not tell what is wrong or how to mend it: %+v", l)
		}
		t.Skipf("this machine has no %s limit to test: %s", name, l.Detail)
	}
}

// A process begins in its group, or joins it where the kernel cannot do that.
func TestGroup(t *testing.T) {
	t.Run("begun", func(t *testing.T) { testGroup(t, openHost(t)) })
	t.Run("joined", func(t *testing.T) {
		h := openHost(t)
		h.Cgroups().JoinOnly()
		testGroup(t, h)
	})
}

func testGroup(t *testing.T, h *sandbox.Host) {
	b := newBox(t, nil)
	cmd, group := inGroup(t, h, b, b.profile(t, lingering), sandbox.Limits{})
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "start", func() bool {
		_, err := os.Stat(filepath.Join(b.home, "started"))
		return err == nil
	})
	usage, err := group.Usage()
	if errors.Is(err, errors.ErrUnsupported) {
		if err := group.Kill(); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("kill without control groups: %v", err)
		}
		cmd.Process.Kill()
		cmd.Wait()
		t.Skipf("this machine has no control groups: %s", h.Cgroups().Missing())
	}
	if err != nil || usage.CPU <= 0 {
		t.Errorf("usage %+v, %v", usage, err)
	}
	if layer(h, "memory").InForce && usage.MemoryBytes < 1<<20 {
		t.Errorf("usage %+v", usage)
	}
	if layer(h, "pids").InForce && usage.Tasks < 2 {
		t.Errorf("usage %+v", usage)
	}
	if err := group.Remove(); !errors.Is(err, syscall.EBUSY) {
		t.Errorf("remove of a group in use: %v", err)
	}
	if _, err := h.Cgroups().Create("hello-1", sandbox.Limits{}); err == nil {
		t.Error("a second group has the same name")
	}
	if err := group.Kill(); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Errorf("it ended with %v", err)
	}
	if _, err := group.Events(); err != nil {
		t.Error(err)
	}
	if err := group.Remove(); err != nil {
		t.Error(err)
	}
	stdout, stderr, code := runCommand(t, func() *exec.Cmd {
		p := b.profile(t, `console.log("ran")`)
		p.Cgroup = group
		return b.command(t, h, p)
	}())
	if stdout != "" || code != sandbox.ExitSetup || !strings.Contains(stderr, "join control group") {
		t.Errorf("in a group that is gone: stdout %q, stderr %q, exit code %d", stdout, stderr, code)
	}
}

func TestGroupNames(t *testing.T) {
	h := openHost(t)
	for _, name := range []string{"", "a/b", "a\nb", "..\x00"} {
		if _, err := h.Cgroups().Create(name, sandbox.Limits{}); err == nil {
			t.Errorf("%q is no error", name)
		}
	}
}

const memoryBomb = `const held = []; for (;;) held.push(new Uint8Array(1 << 20).fill(1));`

// A function that takes more memory than it may have dies, alone, whether the
// control group kills it or the limit that stands in starves it.
func TestMemoryBomb(t *testing.T) {
	h := openHost(t)
	b := newBox(t, nil)
	const limit = 128 << 20
	cmd, group := inGroup(t, h, b, b.profile(t, memoryBomb), sandbox.Limits{MemoryMaxBytes: limit})
	_, stderr, code := runCommand(t, cmd)
	if code == 0 {
		t.Fatal("it went on")
	}
	const slack = 160 << 20 // Deno's own, most of it its program's pages
	if rss := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10; rss > limit+slack {
		t.Errorf("it had %d MB", rss>>20)
	}
	if !layer(h, "memory").InForce {
		if !strings.Contains(layer(h, "memory").Detail, "stands in") {
			t.Errorf("the report does not tell: %+v", layer(h, "memory"))
		}
		if !strings.Contains(stderr, "memory") && !strings.Contains(stderr, "allocation failed") {
			t.Errorf("stderr %q", stderr)
		}
		t.Log("this machine has no memory controller: tested what stands in")
		return
	}
	events, err := group.Events()
	if err != nil || events.OOMKills < 1 || code != -1 {
		t.Errorf("events %+v, %v, exit code %d, stderr %q", events, err, code, stderr)
	}
}

// A function stays below the limit that stands in as long as it stays below its
// memory limit.
func TestMemoryWithinLimit(t *testing.T) {
	h := openHost(t)
	b := newBox(t, nil)
	cmd, _ := inGroup(t, h, b, b.profile(t, `
		const held = [];
		for (let i = 0; i < 64; i++) held.push(new Uint8Array(1 << 20).fill(1));
		console.log(held.length);`), sandbox.Limits{MemoryMaxBytes: 160 << 20, MemoryHighBytes: 150 << 20})
	if stdout, stderr, code := runCommand(t, cmd); stdout != "64\n" || code != 0 {
		t.Errorf("stdout %q, stderr %q, exit code %d", stdout, stderr, code)
	}
}

func TestThreadBomb(t *testing.T) {
	h := openHost(t)
	bounded(t, h, "pids")
	b := newBox(t, nil)
	cmd, group := inGroup(t, h, b, b.profile(t, `
		const libc = Deno.dlopen("libc.so.6", {
			dlsym: { parameters: ["pointer", "buffer"], result: "pointer" },
			pthread_create: { parameters: ["buffer", "pointer", "pointer", "pointer"], result: "i32" },
		}).symbols;
		const pause = libc.dlsym(null, new TextEncoder().encode("pause\0"));
		let made = 0;
		while (made < 1000 && libc.pthread_create(new Uint8Array(8), null, pause, null) === 0) made++;
		console.log(made);
		Deno.exit(0);`), sandbox.Limits{Tasks: 48})
	stdout, stderr, code := runCommand(t, cmd)
	events, err := group.Events()
	if err != nil || events.TasksMax == 0 || stdout == "1000\n" || code != 0 {
		t.Errorf("made %q threads, events %+v, %v, stderr %q, exit code %d", stdout, events, err, stderr, code)
	}
}

func TestCPULimit(t *testing.T) {
	h := openHost(t)
	bounded(t, h, "cpu")
	b := newBox(t, nil)
	cmd, group := inGroup(t, h, b, b.profile(t, `Deno.writeTextFileSync("started", ""); for (;;);`), sandbox.Limits{CPUPercent: 20, CPUWeight: 50})
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer group.Kill()
	waitFor(t, "throttling", func() bool {
		events, err := group.Events()
		return err == nil && events.Throttled > 3
	})
	usage, err := group.Usage()
	if err != nil || usage.CPU > time.Minute {
		t.Errorf("usage %+v, %v", usage, err)
	}
}
