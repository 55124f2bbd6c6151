package procman_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/micro/denotest"
	"github.com/denofn/denofn/procman"
	"github.com/denofn/denofn/procman/sandbox"
)

// asDaemon in the environment makes the test binary a daemon with one process.
const asDaemon = "PROCMAN_TEST_DAEMON"

func TestMain(m *testing.M) {
	if sandbox.IsHelper() {
		sandbox.Main()
	}
	if arg := os.Getenv(asDaemon); arg != "" {
		runDaemon(strings.Split(arg, "\n"))
	}
	os.Exit(m.Run())
}

func runDaemon(args []string) {
	deno, runtimeDir, stateDir, mainDir := args[0], args[1], args[2], args[3]
	pool, err := procman.New(procman.Config{DenoPath: deno, RuntimeDir: runtimeDir, HomeDir: stateDir, CacheDir: stateDir})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	spec := procman.Spec{Release: &denofn.Release{ID: "r1", Function: "orphan"}, Dir: mainDir}
	if _, err := pool.Start(context.Background(), spec); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("ready")
	select {}
}

// A daemon that is killed leaves no process behind, and the next one clears up
// what it left on disk.
func TestKilledDaemonLeavesNothing(t *testing.T) {
	b := newBench(t, nil)
	spec := b.spec("orphan", "r1", hello, nil)
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	runtimeDir := filepath.Join(b.config.RuntimeDir, "d")
	daemon := exec.Command(binary)
	daemon.Env = []string{asDaemon + "=" + strings.Join([]string{denotest.Path(t), runtimeDir, t.TempDir(), spec.Dir}, "\n")}
	daemon.Stderr = os.Stderr
	stdout, err := daemon.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	if line, _ := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
		t.Fatalf("daemon said %q", line)
	}
	if n := len(b.processes("d/orphan")); n != 1 {
		t.Fatalf("%d processes", n)
	}
	daemon.Process.Kill()
	daemon.Wait()
	b.until("process dies with its daemon", func() bool { return len(b.processes("d/orphan")) == 0 })

	if sockets, _ := filepath.Glob(runtimeDir + "/orphan-*/http.sock"); len(sockets) != 1 {
		t.Fatal("nothing to clear up")
	}
	if err := os.Mkdir(filepath.Join(runtimeDir, "some-thing"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(runtimeDir, "some-thing", "else"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := b.config
	c.RuntimeDir = runtimeDir
	next, err := procman.New(c)
	if err != nil {
		t.Fatal(err)
	}
	next.Shutdown(t.Context())
	left, _ := filepath.Glob(runtimeDir + "/*/*")
	if len(left) != 1 || filepath.Base(left[0]) != "else" {
		t.Errorf("left: %v", left)
	}
	os.RemoveAll(runtimeDir)
}
