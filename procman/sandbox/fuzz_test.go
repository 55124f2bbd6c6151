package sandbox_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/denofn/denofn/procman/sandbox"
)

// What the kernel writes about a process has parts that the process chose: its name,
// and those of its files.
func FuzzProcess(f *testing.F) {
	f.Add("VmRSS:\t  1024 kB\nThreads:\t9\n", "1 (deno) S 1 1 1 0 -1 4194304 1 0 0 0 12 34 0 0", "7f0000000000-7f0000002000 rw-s 0 08:01 11 /a (deleted)\n")
	f.Add("VmHWM:", "1 (a) b) Z", "- - - - - (deleted)\n")
	f.Fuzz(func(t *testing.T, status, stat, maps string) {
		u, state := sandbox.ParseProcess([]byte(status), []byte(stat))
		if named, _ := sandbox.ParseProcess([]byte(status), []byte("1 (x) S 9 (y"+stat)); stat != "" && strings.Contains(stat, ")") && named != u {
			t.Errorf("a name with a bracket in it changes %+v to %+v", u, named)
		}
		if state == ')' {
			t.Error("the state is a bracket of the name")
		}
		for inode, size := range sandbox.RemovedMaps([]byte(maps)) {
			if inode == 0 || size <= 0 {
				t.Errorf("inode %d has %d bytes", inode, size)
			}
		}
	})
}

// Whatever the machine calls the daemon's group, it lies below what is mounted.
func FuzzMembership(f *testing.F) {
	for _, s := range []string{"0::/system.slice/denofn.service\n", "1:name=systemd:/\n0::/\n", "0::/../x\n", "0::relative\n", "0::/a (deleted)\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		path, err := sandbox.ParseMembership([]byte(text))
		if err == nil && (!filepath.IsAbs(path) || slices.Contains(strings.Split(path, "/"), "..")) {
			t.Errorf("%q gave %q", text, path)
		}
	})
}
