package registry_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon/registry"
)

// deployerEnv makes the test binary deploy into the folder that it names until it
// is killed.
const deployerEnv = "DENOFN_TEST_DEPLOY_INTO"

func TestMain(m *testing.M) {
	if dir := os.Getenv(deployerEnv); dir != "" {
		deployForever(dir)
	}
	// Random play waits for the disk most of the time; -rapid.checks asks for more.
	if err := flag.Set("rapid.checks", "25"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// deployForever makes generation after generation of two functions live, with a
// third that comes and goes, and tells each that is.
func deployForever(dir string) {
	check := func(err error) {
		if err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
	}
	r, err := registry.Open(dir)
	check(err)
	for generation := 1; ; generation++ {
		change := registry.Change{Repository: "app", Commit: fmt.Sprint(generation)}
		if commit, ok := r.Deployed("app"); ok {
			fmt.Sscan(commit, &generation)
			generation++
			change.Commit = fmt.Sprint(generation)
		}
		names := []denofn.FunctionName{"a", "b"}
		if generation%2 == 0 {
			names = append(names, "c")
		} else {
			change.Remove = []denofn.FunctionName{"c"}
		}
		for _, name := range names {
			rel, files := release("app", name, change.Commit)
			check(r.WriteRelease(rel, files))
			change.Set = append(change.Set, rel)
		}
		check(r.Activate(change))
		_, err := r.Collect(func(denofn.FunctionName, denofn.ReleaseID) bool { return false })
		check(err)
		fmt.Println(generation)
	}
}

// TestKilled ends a process that deploys, at random moments. Whatever it was at,
// the next start finds all of one generation, and none older than what it told.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(time.Second)
	rounds := 0
	for ; rounds < 10 || time.Now().Before(deadline) && rounds < 200; rounds++ {
		cmd := exec.Command(self, "-test.run=^$")
		cmd.Env = append(os.Environ(), deployerEnv+"="+dir)
		var out strings.Builder
		cmd.Stdout = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(rand.IntN(30_000))*time.Microsecond, func() { cmd.Process.Kill() })
		cmd.Wait()
		timer.Stop()
		if strings.Contains(out.String(), "failed") {
			t.Fatalf("round %d: %s", rounds, out.String())
		}
		told := 0
		for line := range strings.Lines(out.String()) {
			fmt.Sscan(line, &told)
		}
		r := open(t, dir)
		if len(r.Repairs()) > 0 {
			t.Fatalf("round %d: %v", rounds, r.Repairs())
		}
		commit, _ := r.Deployed("app")
		generation := 0
		fmt.Sscan(commit, &generation)
		want := ""
		if generation > 0 {
			want = fmt.Sprintf("a=%d b=%d", generation, generation)
		}
		if generation > 0 && generation%2 == 0 {
			want += fmt.Sprintf(" c=%d", generation)
		}
		wantLive(t, r, dir, want)
		wantWhole(t, dir)
		if generation < told {
			t.Errorf("round %d: generation %d is live after %d was told", rounds, generation, told)
		}
		if t.Failed() {
			return
		}
	}
	commit, _ := open(t, dir).Deployed("app")
	t.Logf("%d kills, generation %s", rounds, commit)
}

// wantWhole checks that what has the name of a release has all of one.
func wantWhole(t *testing.T, dir string) {
	t.Helper()
	releases, err := filepath.Glob(filepath.Join(dir, "releases", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, release := range releases {
		for _, name := range []string{"main.js", "main.js.map", "manifest.json"} {
			if info, err := os.Stat(filepath.Join(release, name)); err != nil || info.Size() == 0 {
				t.Errorf("%s is not whole: %s: %v", release, name, err)
			}
		}
	}
}
