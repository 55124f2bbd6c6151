package procman_test

import (
	"testing"

	"github.com/denofn/denofn/procman"
)

func TestMoves(t *testing.T) {
	legal := map[procman.State][]procman.State{
		procman.Stopped:  {procman.Starting, procman.Standby},
		procman.Standby:  {procman.Starting, procman.Draining, procman.Failed},
		procman.Starting: {procman.Ready, procman.Draining, procman.Failed},
		procman.Ready:    {procman.Draining, procman.Failed},
		procman.Draining: {procman.Stopped},
	}
	for from := procman.Stopped; from <= procman.Standby; from++ {
		for to := procman.Stopped; to <= procman.Standby; to++ {
			allowed := false
			for _, s := range legal[from] {
				allowed = allowed || s == to
			}
			if got := !panics(func() { s := from; s.Move(to) }); got != allowed {
				t.Errorf("%s to %s: allowed %t", from, to, got)
			}
		}
	}
}

func panics(f func()) (panicked bool) {
	defer func() { panicked = recover() != nil }()
	f()
	return false
}
