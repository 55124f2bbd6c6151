package procman

import (
	"errors"
	"fmt"
	"time"

	"github.com/denofn/denofn"
)

// ErrTask is what Warm answers for a task.
var ErrTask = errors.New("a task is not kept warm: each call starts a process")

// What Acquire may answer besides a *StartError and the context's error.
var (
	ErrUnknown      = errors.New("no such function")
	ErrBusy         = errors.New("too many requests are waiting for the function")
	ErrShuttingDown = errors.New("shutting down")
)

// A Reason says in what way a process did not become ready.
type Reason string

// The reasons of a StartError.
const (
	ReasonExited     Reason = "exited"      // while its module was loaded
	ReasonTimedOut   Reason = "timed out"   // not ready after Config.StartTimeout
	ReasonUnusable   Reason = "unusable"    // its module has nothing that can be served
	ReasonNotStarted Reason = "not started" // the operating system could not run it
	ReasonCrashed    Reason = "crashed"     // after it had been ready
	ReasonStuck      Reason = "stuck"       // it was ready, and then answered nobody
	ReasonLimit      Reason = "limit"       // killed for using more memory or disk than it may
)

// A StartError says why a function has no process. It is the fault of the
// function, except with ReasonNotStarted.
type StartError struct {
	Function   denofn.FunctionName `json:"function"`
	Release    denofn.ReleaseID    `json:"release"`
	Reason     Reason              `json:"reason"`
	ExitCode   int                 `json:"exitCode"`             // -1: it was killed, or never ran
	Message    string              `json:"message"`              // what happened, one line
	Hint       string              `json:"hint,omitempty"`       // what to do about it; may be empty
	Output     []string            `json:"output,omitempty"`     // the last lines of its standard error
	WasReady   bool                `json:"wasReady,omitempty"`   // the process had been ready
	Time       time.Time           `json:"time"`                 // when it ended
	RetryAfter time.Duration       `json:"retryAfter,omitempty"` // a new start will not be tried sooner; 0: at once

	killed bool // by a signal that is not ours, and not for a limit
}

func (e *StartError) Error() string {
	return fmt.Sprintf("start %s@%s: %s: %s", e.Function, e.Release, e.Reason, e.Message)
}

// retryAfter returns the error for a request that came during the backoff.
func (e *StartError) retryAfter(rest time.Duration) *StartError {
	later := *e
	later.RetryAfter = rest
	return &later
}

// A BusyError says that a request could not wait any longer, or not at all. It is
// ErrBusy to errors.Is.
type BusyError struct {
	Function   denofn.FunctionName
	Waiting    int // requests in the queue
	RetryAfter time.Duration
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("%s: %s (%d in the queue)", e.Function, ErrBusy, e.Waiting)
}

// Is makes the error ErrBusy.
func (e *BusyError) Is(target error) bool { return target == ErrBusy }

const retryAfterBusy = time.Second
