// Package admin is how people see and steer a running daemon: the command line,
// commands over SSH and the web page all go through it, so that they can do the
// same and say the same.
//
// API is what there is to do, as a Go interface. The daemon implements it. Server
// offers it as JSON over a Unix socket, whose file permissions say who may use it,
// and Client is that API again at the other end:
//
//	daemon ─▶ API ─▶ Server ─▶ socket ─▶ Client ─▶ API ─▶ Command ─▶ text
//	            └────────────────────────────────────────▶ Command ─▶ text (over SSH)
//
// A Command is one word that people type. It is given an API, arguments and
// writers, and does not know at which end it runs.
//
// To add a capability: a method in api.go, its route in server.go and its call in
// client.go, and a file with the command, listed in command.go.
package admin

import (
	"context"
	"time"

	"github.com/denofn/denofn"
)

// API is everything that can be seen and done. Its errors are *Error, or those of
// the context, where the person can do something about them.
type API interface {
	// Version tells which denofn runs.
	Version(context.Context) (*Version, error)
	// Functions returns every function, sorted by name.
	Functions(context.Context) ([]Function, error)
	// Warm returns when the function has a process that is ready.
	Warm(context.Context, denofn.FunctionName) error
	// Stop returns when the function's processes have ended their requests and gone.
	// The next request starts one again.
	Stop(context.Context, denofn.FunctionName) error
	// Invoke calls a function once and returns what it made of it.
	Invoke(context.Context, Call) (*Result, error)
	// Logs gives entries that a function wrote to each, the oldest first. With Follow
	// it goes on until the context or the daemon ends.
	Logs(ctx context.Context, q LogsQuery, each func(LogEntry) error) error
	// Releases returns the releases of a function, the live one first.
	Releases(context.Context, denofn.FunctionName) ([]Release, error)
	// Rollback makes a former release live: the one that id begins the ID of, or with
	// an empty id the one before the live one.
	Rollback(ctx context.Context, name denofn.FunctionName, id string) (*Release, error)
	// Remove takes a function down. What it keeps in ./data stays.
	Remove(context.Context, denofn.FunctionName) error
	// Redeploy deploys what was last pushed to a repository, or to that of the
	// function of this name, and returns what a push would have said.
	Redeploy(ctx context.Context, name string) (string, error)
	// Keys tells who may push.
	Keys(context.Context) (*Keys, error)
	// Doctor looks for what is missing.
	Doctor(context.Context) ([]Check, error)
}

// Version is the versions of everything that shapes what functions do.
type Version struct {
	Denofn  string `json:"denofn"`
	Bundler string `json:"bundler"`
	Deno    string `json:"deno"`
}

// A Function is what there is to know about one function.
type Function struct {
	Name        denofn.FunctionName   `json:"name"`
	Repository  denofn.RepositoryName `json:"repository"`
	Release     denofn.ReleaseID      `json:"release"`
	Commit      string                `json:"commit"`
	Handler     denofn.Handler        `json:"handler"` // "http", "task"; "static" where no process ever runs
	State       string                `json:"state"`   // of its furthest process: ready, starting, draining; else failed or stopped
	Processes   []Process             `json:"processes"`
	Waiting     int                   `json:"waiting"`  // requests that wait for a process
	Requests    uint64                `json:"requests"` // since the daemon started
	MemoryBytes int64                 `json:"memoryBytes"`
	Failure     *Failure              `json:"failure,omitempty"` // the last of this release
}

// HandlerStatic is the Handler of a Function that is static files alone.
const HandlerStatic denofn.Handler = "static"

// A Process is one Deno process.
type Process struct {
	PID         int              `json:"pid"` // 0: not started yet
	Release     denofn.ReleaseID `json:"release"`
	State       string           `json:"state"`
	Active      int              `json:"active"` // requests in it now
	Requests    uint64           `json:"requests"`
	MemoryBytes int64            `json:"memoryBytes"`
	Started     time.Time        `json:"started"`
}

// A Failure says why a process ended that should not have, or never was ready.
type Failure struct {
	Reason  string    `json:"reason"`
	Message string    `json:"message"`          // one line
	Hint    string    `json:"hint,omitempty"`   // what to do about it
	Output  []string  `json:"output,omitempty"` // the last lines of its standard error
	Time    time.Time `json:"time"`
}

// A Call is one call of a function.
type Call struct {
	Function    denofn.FunctionName
	Input       []byte
	ContentType string // of Input; empty: bytes
}

// A Result is what a function made of a call.
type Result struct {
	Output      []byte
	ContentType string
	Status      int // HTTP
	ExitCode    int // 0: done
}

// A LogsQuery says which entries are wanted.
type LogsQuery struct {
	Function denofn.FunctionName
	Most     int  // of those that there are
	Follow   bool // those to come as well
}

// A LogEntry is something that a function wrote.
type LogEntry struct {
	Time    time.Time        `json:"time"`
	Release denofn.ReleaseID `json:"release,omitempty"`
	Stream  string           `json:"stream,omitempty"`  // stdout or stderr
	Level   string           `json:"level"`             // error, warning, info or debug
	Request string           `json:"request,omitempty"` // for which it was written, where that is known
	Text    string           `json:"text"`              // perhaps of several lines
}

// A Release is one that a function can be served from.
type Release struct {
	ID     denofn.ReleaseID `json:"id"`
	Commit string           `json:"commit"` // that first made it
	Bytes  int64            `json:"bytes"`  // of its bundle
	Made   time.Time        `json:"made"`
	Live   bool             `json:"live"`
}

// Keys is the file of the keys that may push.
type Keys struct {
	Path  string   `json:"path"`
	Keys  []Key    `json:"keys"`
	Wrong []string `json:"wrong,omitempty"` // lines that are no keys, and why
}

// A Key is one that may push.
type Key struct {
	Name         string   `json:"name"` // the comment behind it
	Role         string   `json:"role"`
	Repositories []string `json:"repositories,omitempty"` // patterns; none: all
	Fingerprint  string   `json:"fingerprint"`
}

// A Check is one thing that Doctor looked at.
type Check struct {
	Name   string `json:"name"`
	State  Health `json:"state"`
	Detail string `json:"detail"`         // what was found
	Hint   string `json:"hint,omitempty"` // what to do about it
}

// Health is what Doctor makes of a thing.
type Health string

// What Doctor may find.
const (
	Good    Health = "ok"
	Warning Health = "warning" // works, and could be better
	Problem Health = "problem" // does not work
)
