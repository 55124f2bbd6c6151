package procman

import (
	"context"
	"net/http"
	"time"

	"github.com/denofn/denofn/procman/sandbox"
)

// A launcher starts processes. The pool's own is the forker; tests have one that
// needs no Deno, and time that they control.
type launcher interface {
	// Launch starts a process and returns without waiting for it to be ready.
	Launch(launch) (process, error)
	// Forget drops what was kept to start a release faster. No process of it runs.
	Forget(Spec)
	// FreeMemory returns how many bytes of memory the machine has to spare.
	FreeMemory() int64
	// Close releases the launcher once every process that it started has exited.
	Close()
}

// A launch is what makes one process different from the others.
type launch struct {
	spec   Spec
	limits limits
	flood  *flood
	primes bool // the process is there for the code cache alone

	standby bool // the process loads the release when it is told to, by Assign
}

// A process is a Deno that has been started. Its methods may be called at any
// time and from several goroutines.
type process interface {
	http.RoundTripper
	PID() int
	// Standing is closed when a standby process waits for Assign, which makes it load
	// the release.
	Standing() <-chan struct{}
	Assign()
	// Ready is closed when the process has said that it listens.
	Ready() <-chan struct{}
	// Exited is closed when the process and its whole group are dead, reaped, and
	// all that they wrote has been read.
	Exited() <-chan struct{}
	// Exit returns how it ended. Only after Exited.
	Exit() exit
	// Ping returns nil when the process does something, without calling the function.
	Ping(context.Context) error
	// Usage returns what the process uses; the zero value if that cannot be known.
	Usage() sandbox.Usage
	// Terminate asks the process to end, Kill ends its whole group.
	Terminate()
	Kill()
}

// An exit is how a process ended.
type exit struct {
	code    int      // -1: by a signal
	signal  string   // "killed"
	output  []string // the last lines of its standard error
	failure *unusable
	cpu     time.Duration // that it has used
	limit   string        // the limit that killed it, for people: "memory limit 256M"
}

// unusable is what a process says of a module that cannot be served.
type unusable struct {
	Message string `json:"message"`
	Hint    string `json:"hint"`
}
