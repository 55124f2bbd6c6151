package daemon_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon"
)

// A person who pushes is never told a path of the server, and always what to do.
func TestFaults(t *testing.T) {
	for _, test := range []struct {
		name string
		err  error
		want string // "": not the server's fault
	}{
		{"a full disk", fmt.Errorf("write release: %w", &fs.PathError{Op: "write", Path: "/var/lib/denofn/x", Err: syscall.ENOSPC}), "the server's disk is full"},
		{"a quota", &os.LinkError{Op: "rename", Old: "/a", New: "/b", Err: syscall.EDQUOT}, "the server's disk is full"},
		{"a folder of the server's", &fs.PathError{Op: "open", Path: "/var/lib/denofn/x", Err: fs.ErrPermission}, "the server could not store the deploy"},
		{"a rename", &os.LinkError{Op: "rename", Old: "/a", New: "/b", Err: syscall.EIO}, "the server could not store the deploy"},
		{"a path of the tree", &fs.PathError{Op: "open", Path: "hello/index.ts", Err: fs.ErrNotExist}, ""},
		{"a finding", denofn.Diagnostics{{File: "hello/index.ts", Message: "wrong"}}, ""},
		{"anything else", errors.New("no such name"), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			message, hint := daemon.FaultOf(test.err)
			if message != test.want || (hint == "") != (test.want == "") {
				t.Errorf("%q, hint %q", message, hint)
			}
		})
	}
}
