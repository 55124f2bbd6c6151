package procman

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/denofn/denofn/procman/sandbox"
)

// startError explains why the process of in is of no use, from what it said and
// how it ended.
func (in *instance) startError(reason Reason, x exit, message string) *StartError {
	e := &StartError{
		Function: in.spec.Release.Function,
		Release:  in.spec.Release.ID,
		Reason:   reason,
		ExitCode: x.code,
		Message:  message,
		Output:   x.output,
		WasReady: reason == ReasonCrashed || reason == ReasonStuck,
		killed:   (reason == ReasonExited || reason == ReasonCrashed) && x.signal != "" && x.limit == "",
	}
	switch {
	case x.limit != "":
		e.Reason, e.Message = ReasonLimit, fmt.Sprintf("%s was killed: %s", e.Function, x.limit)
		e.Hint = "use less of it, or raise the limit in registry.json or the daemon's configuration"
	case x.code == sandbox.ExitSetup && len(x.output) == 1 && strings.HasPrefix(x.output[0], sandboxSays):
		e.Reason, e.Message = ReasonNotStarted, x.output[0]
	case message != "":
	case x.failure != nil:
		e.Reason, e.Message, e.Hint = ReasonUnusable, x.failure.Message, x.failure.Hint
	case reason == ReasonTimedOut:
		e.Message = fmt.Sprintf("the module was not ready to serve after %s", in.pool.config.StartTimeout)
		e.Hint = "do long work in the handler or without awaiting it at the top level"
	case reason == ReasonCrashed:
		e.Message = "the process ended: " + cause(x)
	default:
		e.Message = "the module ended while it was loaded: " + cause(x)
	}
	if e.Hint == "" {
		e.Hint = permissionHint(x.output)
	}
	return e
}

// sandboxSays begins what the sandbox writes instead of starting Deno.
const sandboxSays = "denofn-sandbox: "

// uncaught begins the line with which Deno reports what a module threw.
const uncaught = "error: "

// cause says in one line why a process ended.
func cause(x exit) string {
	for _, line := range x.output {
		if text, ok := strings.CutPrefix(line, uncaught); ok {
			return text
		}
	}
	if x.signal != "" {
		return "signal " + x.signal
	}
	return fmt.Sprintf("exit code %d", x.code)
}

// needsAccess is how Deno words a permission that was not granted.
var needsAccess = regexp.MustCompile(`Requires (net|env|read|write|sys|run|ffi|import) access(?: to "([^"]*)")?`)

// permissionHint tells how to grant the first permission that the output misses.
func permissionHint(output []string) string {
	for _, line := range output {
		m := needsAccess.FindStringSubmatch(line)
		switch {
		case m == nil:
		case m[1] == "run" || m[1] == "ffi" || m[1] == "import":
			return fmt.Sprintf("functions can never have %s access", m[1])
		case m[2] == "":
			return fmt.Sprintf(`grant it in registry.json: "permissions": ["--allow-%s"]`, m[1])
		default:
			return fmt.Sprintf(`grant it in registry.json: "permissions": ["--allow-%s=%s"]`, m[1], m[2])
		}
	}
	return ""
}
