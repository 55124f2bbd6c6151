package registry_test

import (
	"strings"
	"testing"
)

func TestReleases(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir)
	if kept := r.Releases("a"); kept != nil {
		t.Errorf("nothing has releases %v", kept)
	}
	one := deploy(t, r, "app", "c1", "a=1")[0]
	if _, err := r.Former("a", ""); err == nil || !strings.Contains(err.Error(), "no former release") {
		t.Errorf("a first release has a former one: %v", err)
	}
	two := deploy(t, r, "app", "c2", "a=2")[0]
	three := deploy(t, r, "app", "c3", "a=3")[0]
	for range 2 {
		kept := r.Releases("a")
		if len(kept) != 3 || kept[0].ID != three.ID || kept[1].ID != two.ID || kept[2].ID != one.ID || kept[0].Made.IsZero() {
			t.Errorf("releases are %v", kept)
		}
		r = open(t, dir)
	}
	for _, c := range []struct{ id, want string }{
		{"", string(two.ID)}, {string(one.ID), string(one.ID)}, {string(one.ID)[:8], string(one.ID)},
		{"zz", "no release zz"}, {"../", "no release ../"},
	} {
		release, err := r.Former("a", c.id)
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = string(release.ID)
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("former %q is %s, not %s", c.id, got, c.want)
		}
	}
	if _, err := r.Former("nobody", ""); err == nil {
		t.Error("nobody has a former release")
	}
	// One that is damaged is none to go back to.
	put(t, r.ReleaseDir("a", two.ID)+"/main.js", "")
	if release, err := r.Former("a", ""); err != nil || release.ID != one.ID {
		t.Errorf("former is %v, %v", release, err)
	}
}
