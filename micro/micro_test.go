package micro_test

import (
	"io/fs"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/denofn/denofn/micro"
	"github.com/denofn/denofn/micro/denotest"
)

// deno runs Deno in this folder and returns what it wrote.
func deno(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), denotest.Path(t), args...)
	cmd.Env = []string{"NO_COLOR=1", "DENO_NO_UPDATE_CHECK=1", "HOME=" + t.TempDir(), "DENO_DIR=" + filepath.Join(t.TempDir(), "deno")}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("deno %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// The TypeScript has tests of its own. The examples in its comments are checked
// with it.
func TestDeno(t *testing.T) {
	files, err := filepath.Glob("*.ts")
	if err != nil {
		t.Fatal(err)
	}
	t.Run("test", func(t *testing.T) {
		out := deno(t, "test", "--allow-all", "--no-lock", "--no-remote")
		if m := regexp.MustCompile(`(\d+) passed \| 0 failed`).FindStringSubmatch(out); m == nil {
			t.Errorf("no tests were run:\n%s", out)
		} else {
			t.Log(m[0])
		}
	})
	t.Run("check", func(t *testing.T) { deno(t, append([]string{"check", "--quiet", "--no-lock", "--doc"}, files...)...) })
	t.Run("lint", func(t *testing.T) { deno(t, "lint", "--quiet") })
	t.Run("fmt", func(t *testing.T) { deno(t, "fmt", "--check", "--quiet") })
}

var imported = regexp.MustCompile(`(?m)^(?:import|export) .*from "\./([a-z]+\.ts)";`)

// Every file that an embedded one imports is embedded too, and no test is.
func TestFilesAreWhole(t *testing.T) {
	names, err := fs.Glob(micro.Files, "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.Contains(name, "test") {
			t.Errorf("%s is embedded", name)
		}
		text, err := micro.Files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range imported.FindAllStringSubmatch(string(text), -1) {
			if !slices.Contains(names, m[1]) {
				t.Errorf("%s imports %s, which is not embedded", name, m[1])
			}
		}
	}
	if len(names) < 4 {
		t.Errorf("embedded: %q", names)
	}
}
