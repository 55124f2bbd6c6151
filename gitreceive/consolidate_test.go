package gitreceive_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

func (s *site) packs(name string) int {
	paths, err := filepath.Glob(s.path("repos/" + name + ".git/objects/pack/*.pack"))
	if err != nil {
		s.t.Fatal(err)
	}
	return len(paths)
}

// Many pushes do not leave many packs, and what no ref reaches goes.
func TestConsolidate(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.repository("app")
	s.write("app/secret", "a secret that is pushed by mistake")
	s.commit("app", "secret")
	secret := strings.TrimSpace(s.git("app", "rev-parse", "HEAD:secret"))
	s.git("app", "push", "-q", "denofn", "main")
	s.git("app", "reset", "-q", "--hard", "HEAD~")
	s.git("app", "push", "-q", "--force", "denofn", "main")
	if out, err := s.run("repos/app.git", "git", "cat-file", "-e", secret); err != nil {
		t.Fatalf("the secret is not there yet: %v\n%s", err, out)
	}
	text := strings.Repeat("a line that stays as it is\n", 200)
	most := 0
	for i := range 24 {
		s.write("app/file", text+fmt.Sprint(i))
		s.commit("app", fmt.Sprint(i))
		s.git("app", "tag", "-a", "-m", "t", fmt.Sprint("t", i))
		s.git("app", "push", "-q", "--follow-tags", "denofn", "main")
		most = max(most, s.packs("app"))
	}
	eventually(t, func() error {
		if n := s.packs("app"); n >= 20 {
			return fmt.Errorf("%d packs, log:\n%s", n, s.log)
		}
		return nil
	})
	if most > 22 {
		t.Errorf("there were %d packs", most)
	}
	s.sound("app")
	if out, err := s.run("repos/app.git", "git", "cat-file", "-e", secret); err == nil {
		t.Errorf("the secret is still there\n%s", out)
	}
	if left, _ := filepath.Glob(s.path("repos/app.git/objects/pack/tmp_*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
	if out := s.git("repos/app.git", "verify-pack", "-v", s.only("repos/app.git/objects/pack/*.idx")); !strings.Contains(out, "chain length") {
		t.Errorf("deltas were lost:\n%s", out)
	}
}

// only returns the largest of the files that match.
func (s *site) only(pattern string) string {
	paths, err := filepath.Glob(s.path(pattern))
	if err != nil || len(paths) == 0 {
		s.t.Fatalf("%s: %v, %v", pattern, paths, err)
	}
	best := paths[0]
	for _, p := range paths {
		if len(s.read(strings.TrimPrefix(p, s.dir+"/"))) > len(s.read(strings.TrimPrefix(best, s.dir+"/"))) {
			best = p
		}
	}
	return best
}
