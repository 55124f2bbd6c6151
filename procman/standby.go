package procman

import (
	"cmp"
	_ "embed"
	"slices"
	"time"
)

// A standby process is a Deno that has been started for one function, in that
// function's sandbox and with its permissions, and has loaded nothing yet. When
// the function needs a process, it loads the release, which takes a fraction of a
// start. It belongs to its function from the beginning: a process that could
// become any function's would have to begin with the permissions of all.
//
// The pool keeps Config.Standby of them, for the functions that were used last and
// have no process now, as long as the machine has memory to spare. One goroutine
// arranges that, apart from what requests wait for.

//go:embed standby.js
var standbyScript []byte

// standbyName is the file with standbyScript in the runtime folder.
const standbyName = "standby.js"

// memoryCheck is how often the pool looks whether memory has become short.
const memoryCheck = 10 * time.Second

// keepStandby runs as long as the pool is open.
func (p *Pool) keepStandby() {
	ticker := time.NewTicker(memoryCheck)
	defer ticker.Stop()
	for {
		select {
		case <-p.standbyWanted:
		case <-ticker.C:
		case <-p.closed:
			return
		}
		free := p.launcher.FreeMemory()
		p.mu.Lock()
		p.arrangeStandby(free < int64(p.config.StandbyReserve))
		p.mu.Unlock()
	}
}

// wakeStandby has the standby processes arranged soon. The pool's lock is held.
func (p *Pool) wakeStandby() {
	select {
	case p.standbyWanted <- struct{}{}:
	default:
	}
}

// arrangeStandby gives standby processes to the functions that should have one,
// and takes them from others. The pool's lock is held.
func (p *Pool) arrangeStandby(short bool) {
	if p.closing {
		return
	}
	var wanted []*function
	for _, fn := range p.functions {
		if !short && fn.wantsStandby() {
			wanted = append(wanted, fn)
		}
	}
	slices.SortFunc(wanted, func(a, b *function) int {
		return cmp.Or(b.lastUsed.Compare(a.lastUsed), cmp.Compare(a.name, b.name))
	})
	wanted = wanted[:min(len(wanted), p.config.Standby)]
	for _, fn := range p.functions {
		if fn.standby != nil && !slices.Contains(wanted, fn) {
			fn.endStandby()
		}
	}
	for _, fn := range wanted {
		if fn.standby == nil && p.warming < p.config.Warmups {
			in := p.newInstance(fn.spec, fn.limits, fn.flood)
			in.assigned = make(chan struct{})
			in.warmup = true
			p.warming++
			in.generation, fn.standby = fn.generation, in
			in.begin(Standby)
		}
	}
}

// wantsStandby reports whether a standby process would be of use. The pool's lock
// is held here and below.
func (fn *function) wantsStandby() bool {
	return !fn.limits.once && !fn.lastUsed.IsZero() && !fn.broken && !fn.standbyFailed && len(fn.instances) == 0 && fn.priming == nil
}

// assign returns the standby process, which now loads the release, or nil.
func (fn *function) assign() *instance {
	in := fn.standby
	fn.standby = nil
	if in == nil || in.state != Standby {
		return nil
	}
	in.state.move(Starting)
	in.started = time.Now()
	close(in.assigned)
	return in
}

func (fn *function) endStandby() {
	if fn.standby != nil {
		fn.standby.drain()
		fn.standby = nil
	}
}
