package sandbox_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/denofn/denofn/procman/sandbox"
)

var orders = []string{
	"version=3", "path=/usr/lib/denofn/deno", "join=/sys/fs/cgroup/fn/cgroup.procs", "limit=7:2256", "limit=4:18446744073709551615",
	"landlock=2", "rule=12:/usr/lib", "rule=29630:/a:b=c", "seccomp=true", "network=true", "--", "deno", "run", "--", "path=x", "",
}

// What the host orders is what the helper reads, whatever is in paths and
// arguments.
func TestSetupTravels(t *testing.T) {
	got, err := sandbox.ThroughArguments(orders)
	if err != nil || !slices.Equal(got, orders) {
		t.Errorf("%q, %v", got, err)
	}
}

// A helper that does not understand all of its orders runs nothing.
func TestSetupThatIsNotUnderstood(t *testing.T) {
	for _, args := range [][]string{
		nil, {"version=2", "path=/x", "--", "x"}, {"path=/x", "version=3", "--", "x"}, {"version=3", "--", "x"}, {"version=3", "path=/x"},
		{"version=3", "path=/x", "--"}, {"version=3", "path=/x", "lock=1", "--", "x"}, {"version=3", "path=/x", "limit=1", "--", "x"},
		{"version=3", "path=/x", "limit=x:1", "--", "x"}, {"version=3", "path=/x", "rule=/usr", "--", "x"}, {"version=3", "path=/x", "landlock=", "--", "x"},
		{"version=3", "path=/x", "seccomp=perhaps", "--", "x"}, {"version=3", "path=/x", "", "--", "x"},
	} {
		if got, err := sandbox.ThroughArguments(args); err == nil {
			t.Errorf("%q is read as %q", args, got)
		}
	}
}

func FuzzSetup(f *testing.F) {
	f.Add(strings.Join(orders, "\n"))
	f.Fuzz(func(t *testing.T, text string) {
		once, err := sandbox.ThroughArguments(strings.Split(text, "\n"))
		if err != nil {
			return
		}
		twice, err := sandbox.ThroughArguments(once)
		if err != nil || !slices.Equal(once, twice) {
			t.Errorf("%q is read as %q, %v", once, twice, err)
		}
	})
}
