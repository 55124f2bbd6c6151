package sandbox_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/denofn/denofn/procman/sandbox"
)

// waitFor polls until done, and fails after a generous time.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 30 s", what)
		}
	}
}

// start starts the profile and waits until it has made the file "started".
func start(t *testing.T, h *sandbox.Host, b box, p sandbox.Profile) *exec.Cmd {
	t.Helper()
	cmd := b.command(t, h, p)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	waitFor(t, "start", func() bool {
		_, err := os.Stat(filepath.Join(b.home, "started"))
		return err == nil
	})
	return cmd
}

const lingering = `Deno.writeTextFileSync("started", ""); setInterval(() => {}, 1000);`

func TestEnvironmentIsNotInTheCommandLine(t *testing.T) {
	h := openHost(t)
	b := newBox(t, nil)
	p := b.profile(t, lingering)
	p.Env = append(p.Env, "TOKEN=hunter2")
	cmd := b.command(t, h, p)
	if strings.Contains(strings.Join(cmd.Args, " "), "hunter2") {
		t.Errorf("the helper's arguments have it: %q", cmd.Args)
	}
	cmd = start(t, h, b, p)
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(line), "deno\x00run\x00") || strings.Contains(string(line), "hunter2") {
		t.Errorf("command line %q", line)
	}
}

// What a function calls its variables means nothing to the helper, and nothing of
// the daemon's environment gets in.
func TestEnvironment(t *testing.T) {
	t.Setenv("DAEMON_SECRET", "hunter2")
	h := openHost(t)
	b := newBox(t, nil)
	p := b.profile(t, lingering)
	p.Env = append(p.Env, "GOMEMLIMIT=nonsense", "GODEBUG=inittrace=1", "EMPTY=", "LINES=a\nb")
	cmd := start(t, h, b, p)
	if got, want := read(t, fmt.Sprintf("/proc/%d/environ", cmd.Process.Pid)), strings.Join(p.Env, "\x00")+"\x00"; got != want {
		t.Errorf("environment %q, want %q", got, want)
	}
	for _, entry := range []string{"NAME", "=value", ""} {
		if _, err := h.Command(sandbox.Profile{Env: []string{entry}}); err == nil {
			t.Errorf("the entry %q is no error", entry)
		}
	}
}

func TestDescriptorsAreClosed(t *testing.T) {
	h := openHost(t)
	b := newBox(t, nil)
	p := b.profile(t, `
		const { fcntl } = Deno.dlopen("libc.so.6", { fcntl: { parameters: ["i32", "i32", "i64"], result: "i32" } }).symbols;
		const open = [];
		for (let fd = 0; fd < 1024; fd++) if (fcntl(fd, 1, 0n) !== -1 && (fcntl(fd, 1, 0n) & 1) === 0) open.push(fd);
		console.log(open.join());`)
	cmd := b.command(t, h, p)
	secret, err := os.Open("/etc/hostname")
	if err != nil {
		t.Fatal(err)
	}
	defer secret.Close()
	cmd.ExtraFiles = []*os.File{secret, secret, secret}
	stdout, stderr, code := runCommand(t, cmd)
	if stdout != "0,1,2\n" || code != 0 {
		t.Errorf("open descriptors %q, stderr %q, exit code %d", stdout, stderr, code)
	}
}

// The helper's own descriptors are closed by exec, so the sandbox cannot find
// them either: Deno opens what it has itself.
func TestAttributes(t *testing.T) {
	h := openHost(t)
	for _, u := range users() {
		t.Run(u.name, func(t *testing.T) {
			b := newBox(t, u.credential)
			p := b.profile(t, lingering)
			p.Rlimits = sandbox.Rlimits{OpenFiles: 512, FileSizeBytes: 1 << 20}
			cmd := start(t, h, b, p)
			proc := "/proc/" + strconv.Itoa(cmd.Process.Pid)
			status := read(t, proc+"/status")
			for _, want := range []string{
				"NoNewPrivs:\t1", "Seccomp:\t2", "Umask:\t0077",
				"CapInh:\t0000000000000000", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapAmb:\t0000000000000000",
			} {
				if !strings.Contains(status, want+"\n") {
					t.Errorf("status has no %q:\n%s", want, status)
				}
			}
			limits := strings.Join(strings.Fields(read(t, proc+"/limits")), " ")
			for _, want := range []string{"Max core file size 1 1 bytes", "Max open files 512 512 files", "Max file size 1048576 1048576 bytes"} {
				if !strings.Contains(limits, want) {
					t.Errorf("limits have no %q: %s", want, limits)
				}
			}
			if sid, err := syscall.Getpgid(cmd.Process.Pid); err != nil || sid != cmd.Process.Pid {
				t.Errorf("process group %d, %v", sid, err)
			}
			usage, err := sandbox.ProcessUsage(cmd.Process.Pid)
			if err != nil || usage.MemoryBytes < 1<<20 || usage.PeakMemoryBytes < usage.MemoryBytes || usage.Tasks < 1 {
				t.Errorf("usage %+v, %v", usage, err)
			}
		})
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestNoCoreDump(t *testing.T) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_CORE, &limit); err != nil {
		t.Fatal(err)
	}
	defer syscall.Setrlimit(syscall.RLIMIT_CORE, &limit)
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{Cur: limit.Max, Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	h := openHost(t)
	b := newBox(t, nil)
	p := b.profile(t, `Deno.dlopen("libc.so.6", { abort: { parameters: [], result: "void" } }).symbols.abort();`)
	cmd := b.command(t, h, p)
	runCommand(t, cmd)
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !status.Signaled() || status.Signal() != syscall.SIGABRT {
		t.Fatalf("it ended with %v, not by abort", cmd.ProcessState)
	}
	if status.CoreDump() {
		t.Error("a core was dumped")
	}
	if left, _ := filepath.Glob(filepath.Join(b.home, "core*")); len(left) > 0 {
		t.Errorf("left %q", left)
	}
}

// A sandbox does not outlive the daemon, however the daemon ends.
func TestDiesWithTheDaemon(t *testing.T) {
	if dir := os.Getenv("SANDBOX_TEST_DAEMON"); dir != "" {
		h := openHost(t)
		b := box{code: filepath.Join(dir, "code"), home: filepath.Join(dir, "home")}
		cmd := start(t, h, b, b.profile(t, lingering))
		fmt.Println("pid", cmd.Process.Pid)
		os.Stdout.Sync()
		cmd.Wait()
		return
	}
	b := newBox(t, nil)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	daemon := exec.Command(self, "-test.run=^TestDiesWithTheDaemon$", "-test.v")
	daemon.Env = append(os.Environ(), "SANDBOX_TEST_DAEMON="+b.dir(t))
	out, err := daemon.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	for line := ""; ; {
		if _, err := fmt.Fscanln(out, &line, &pid); err == nil && line == "pid" {
			break
		} else if err != nil && err.Error() == "EOF" {
			t.Fatal("the daemon said nothing")
		}
	}
	if err := syscall.Kill(pid, 0); err != nil {
		t.Fatalf("the sandbox is not there: %v", err)
	}
	daemon.Process.Kill()
	daemon.Wait()
	waitFor(t, "death of the sandbox", func() bool {
		state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || strings.Contains(string(state), ") Z ")
	})
}

func TestSetupFails(t *testing.T) {
	h := openHost(t)
	b := newBox(t, nil)
	ok := b.profile(t, `console.log("ran")`)
	for name, test := range map[string]struct {
		change func(*sandbox.Profile)
		want   string
	}{
		"missing folder": {
			func(p *sandbox.Profile) { p.ReadOnly = append(p.ReadOnly, b.home+"/missing") },
			"denofn-sandbox: allow " + b.home + "/missing by landlock: no such file or directory\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := ok
			test.change(&p)
			stdout, stderr, code := runCommand(t, b.command(t, h, p))
			if stdout != "" || stderr != test.want || code != sandbox.ExitSetup {
				t.Errorf("stdout %q, stderr %q, exit code %d", stdout, stderr, code)
			}
		})
	}
	t.Run("by hand", func(t *testing.T) {
		cmd := b.command(t, h, ok)
		cmd.Args = cmd.Args[:1]
		if _, stderr, code := runCommand(t, cmd); code != sandbox.ExitSetup || !strings.Contains(stderr, "not by hand") {
			t.Errorf("stderr %q, exit code %d", stderr, code)
		}
	})
	t.Run("unmarked environment", func(t *testing.T) {
		cmd := b.command(t, h, ok)
		cmd.Env = append(cmd.Env, "TOKEN=hunter2")
		if _, stderr, code := runCommand(t, cmd); code != sandbox.ExitSetup || stderr != "denofn-sandbox: variable \"TOKEN\" was not given through the profile\n" {
			t.Errorf("stderr %q, exit code %d", stderr, code)
		}
	})
	t.Run("relative path", func(t *testing.T) {
		p := ok
		p.ReadOnly = []string{"code"}
		if _, err := h.Command(p); err == nil {
			t.Error("no error")
		}
	})
}
