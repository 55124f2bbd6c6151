package procman

import "fmt"

// A State is where a process is in its life.
//
//	Stopped ─▶ Starting ─▶ Ready ─▶ Draining ─▶ Stopped
//	   │         ▲ │         └────▶ Failed
//	   │         │ ├─────▶ Draining
//	   │         │ └─────▶ Failed
//	   └──▶ Standby ─────▶ Draining, Failed
//
// Standby is a process that has loaded nothing and waits to be started for real.
// Draining begins when the process is no longer wanted and ends when it has been
// reaped: it takes no new request, finishes what it has, and is then told to go.
// Failed is a process that ended, or was ended for being stuck, while it was
// wanted. It never comes back; its function starts another one.
type State uint8

// The states of a process.
const (
	Stopped State = iota
	Starting
	Ready
	Draining
	Failed
	Standby
)

var stateNames = [...]string{"stopped", "starting", "ready", "draining", "failed", "standby"}

func (s State) String() string { return stateNames[s] }

// MarshalText implements encoding.TextMarshaler.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// moves is the table of legal moves.
var moves = [...][]State{
	Stopped:  {Starting, Standby},
	Standby:  {Starting, Draining, Failed},
	Starting: {Ready, Draining, Failed},
	Ready:    {Draining, Failed},
	Draining: {Stopped},
	Failed:   {},
}

// move changes s to next. A move that the table does not have is a bug in this
// package, and going on would lose a process or a request: it panics.
func (s *State) move(next State) {
	for _, legal := range moves[*s] {
		if legal == next {
			*s = next
			return
		}
	}
	panic(fmt.Sprintf("procman: illegal move of a process from %s to %s", *s, next))
}
