package procman

import (
	"time"

	"github.com/denofn/denofn"
)

// Arguments returns the command line of a process of the release.
func (c Config) Arguments(spec Spec, suffix string) []string {
	return c.arguments(spec.Release, c.limitsOf(spec.Release.Settings), c.placesOf(spec, suffix), false)
}

// PrivateNet is privateNet.
func PrivateNet(asked denofn.Access) []string { return privateNet(asked) }

// Move is State.move.
func (s *State) Move(next State) { s.move(next) }

// ParseControl is parseControl.
func ParseControl(line []byte) (verb, rest string, ok bool) {
	c, ok := parseControl(line)
	return c.verb, string(c.rest), ok
}

// What a test needs to be a launcher.
type (
	Launcher = launcher
	Launch   = launch
	Process  = process
	Exit     = exit
)

// NewWithLauncher returns a Pool whose processes are not real.
func NewWithLauncher(c Config, l Launcher) *Pool {
	c.DenoPath, c.RuntimeDir, c.HomeDir, c.CacheDir = "/deno", "/run", "/home", "/cache"
	if err := c.complete(); err != nil {
		panic(err)
	}
	return newPool(c, l)
}

// Spec returns the release to start.
func (l launch) Spec() Spec { return l.spec }

// Primes reports whether the process will serve nobody.
func (l launch) Primes() bool { return l.primes }

// Standby reports whether the process waits before it loads its release.
func (l launch) Standby() bool { return l.standby }

// NewExit returns how a process ended.
func NewExit(code int, output ...string) Exit {
	x := Exit{code: code, output: output}
	if code == -1 {
		x.signal = "killed"
	}
	return x
}

// NewDialError returns the error of a process that does not listen.
func NewDialError(err error) error { return &dialError{err} }

// An Entry is what a framer makes of lines.
type Entry struct {
	Priority      int
	Request, Text string
}

// Frame reads a stream to its end.
func Frame(stream string, r pipe, emit func(Entry), verb func(string)) {
	f := framer{
		stream:  stream,
		emit:    func(e entry) { emit(Entry{e.priority, e.request, e.text}) },
		control: func(c control) { verb(c.verb) },
	}
	f.read(r)
}

// MaxEntryBytes is maxEntryBytes.
const MaxEntryBytes = maxEntryBytes

// An Outlet is an outlet with a process that writes to it.
type Outlet struct {
	outlet *outlet
	writer writer
}

// NewOutlet returns an Outlet whose process may write so many entries a second.
func NewOutlet(sink LogSink, rate int) *Outlet {
	o := newOutlet(sink)
	return &Outlet{o, writer{flood: newFlood(rate), outlet: o}}
}

// Write writes an entry.
func (o *Outlet) Write(text string) {
	o.writer.write(entry{stream: streamStdout, time: time.Now(), text: text})
}

// Close closes the writer and the outlet.
func (o *Outlet) Close() {
	o.writer.close()
	o.outlet.close()
}

// TellMissing is what New says of a sandbox that is not complete.
var TellMissing = tellMissing
