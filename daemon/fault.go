package daemon

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/denofn/denofn"
)

// A fault is an error of the server and not of what was pushed. The person who
// pushes is told that much and what to do; the paths and the rest are for the log.
type fault struct {
	message string
	hint    string
	cause   error
}

func (f *fault) Error() string { return f.message }
func (f *fault) Unwrap() error { return f.cause }

// asFault returns the fault that err is, or nil if it is about what was pushed.
// What the operating system says of an absolute path is about the server: paths
// of a pushed tree are relative.
func asFault(err error) *fault {
	if _, ok := errors.AsType[denofn.Diagnostics](err); ok {
		return nil
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &fault{"the server's disk is full", "free some space on the server, below its state_dir, and push again", err}
	}
	path := ""
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		path = at.Path
	} else if at, ok := errors.AsType[*os.LinkError](err); ok {
		path = at.New
	}
	if filepath.IsAbs(path) {
		return &fault{"the server could not store the deploy", "its log says why: journalctl -u denofn", err}
	}
	return nil
}
