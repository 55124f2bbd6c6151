package procman_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/procman"
	"github.com/denofn/denofn/procman/sandbox"
)

// A fakeDeno is a launcher whose processes are goroutines that sleep, for use in a
// synctest bubble. It also holds the pool to its promises: what it finds broken is
// in faults.
type fakeDeno struct {
	mu        sync.Mutex
	live      []*fakeProcess              // guarded by mu
	launched  map[denofn.FunctionName]int // guarded by mu
	faults    []string                    // guarded by mu
	free      int64                       // guarded by mu: memory
	delivered map[string]int              // guarded by mu: how often each request reached a process
}

// The way a fake process behaves is written in the ID of its release.
const (
	goodRelease  = "good"  // ready after a moment
	slowRelease  = "slow"  // ready after a second
	badRelease   = "bad"   // ends while it starts
	stuckRelease = "stuck" // never ready
	deafRelease  = "deaf"  // does not end when it is told to
)

var errCut = errors.New("connection cut")

type fakeProcess struct {
	deno     *fakeDeno
	number   int
	release  denofn.ReleaseID
	function denofn.FunctionName
	standing chan struct{}
	ready    chan struct{}
	exited   chan struct{}
	exit     procman.Exit
	die      func(code int)
	looping  chan struct{} // closed by loop: answers nobody any more
	loop     sync.Once
	primes   bool
	once     bool // the release is a task
	standby  bool
	assigned chan struct{} // closed by assign
	assign   sync.Once

	mu      sync.Mutex
	told    bool // guarded by mu: to end
	taken   int  // guarded by mu: requests so far
	isReady bool // guarded by mu
}

func (d *fakeDeno) fault(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults = append(d.faults, fmt.Sprintf(format, args...))
}

// Launch implements procman.Launcher.
func (d *fakeDeno) Launch(l procman.Launch) (procman.Process, error) {
	r := l.Spec().Release
	d.mu.Lock()
	if !l.Primes() && !l.Standby() {
		d.launched[r.Function]++
	}
	p := &fakeProcess{
		deno: d, number: len(d.live), primes: l.Primes(), release: r.ID, function: r.Function, once: r.Settings.Handler == denofn.HandlerTask,
		ready: make(chan struct{}), exited: make(chan struct{}), looping: make(chan struct{}),
		standby: l.Standby(), assigned: make(chan struct{}), standing: make(chan struct{}),
	}
	ended := make(chan int, 1)
	p.die = func(code int) {
		select {
		case ended <- code:
		default:
		}
	}
	d.live = append(d.live, p)
	d.mu.Unlock()

	startup, dies := 10*time.Millisecond, false
	switch string(r.ID)[2:] {
	case slowRelease:
		startup = time.Second
	case badRelease:
		dies = true
	case stuckRelease:
		startup = time.Hour
	}
	go func() {
		if p.standby {
			select {
			case <-time.After(10 * time.Millisecond):
			case code := <-ended:
				p.finish(code)
				return
			}
			close(p.standing)
			select {
			case <-p.assigned:
			case code := <-ended:
				p.finish(code)
				return
			}
			startup /= 10
		}
		select {
		case <-time.After(startup):
			if dies {
				p.die(1)
			} else {
				p.mu.Lock()
				p.isReady = true
				p.mu.Unlock()
				close(p.ready)
			}
			p.finish(<-ended)
		case code := <-ended:
			p.finish(code)
		}
	}()
	return p, nil
}

func (p *fakeProcess) finish(code int) {
	time.Sleep(time.Millisecond) // the news of a death takes its time
	p.exit = procman.NewExit(code, "error: it was in the script")
	p.deno.mu.Lock()
	for i, other := range p.deno.live {
		if other == p {
			p.deno.live = append(p.deno.live[:i:i], p.deno.live[i+1:]...)
			break
		}
	}
	p.deno.mu.Unlock()
	close(p.exited)
}

func (d *fakeDeno) Close() {}

// Forget implements procman.Launcher. It takes a while, as the disk does.
func (d *fakeDeno) Forget(spec procman.Spec) {
	d.checkForgotten(spec)
	time.Sleep(20 * time.Millisecond)
	d.checkForgotten(spec)
}

func (d *fakeDeno) checkForgotten(spec procman.Spec) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range d.live {
		if p.function == spec.Release.Function && p.release == spec.Release.ID {
			d.faults = append(d.faults, fmt.Sprintf("%s was forgotten while a process of it runs", spec.Release))
		}
	}
}

// stands reports whether the process has loaded nothing yet.
func (p *fakeProcess) stands() bool {
	select {
	case <-p.assigned:
		return false
	default:
		return p.standby
	}
}

// standbys returns the processes that wait and have not been told to end.
func (d *fakeDeno) standbys(name denofn.FunctionName) []*fakeProcess {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []*fakeProcess
	for _, p := range d.live {
		p.mu.Lock()
		if p.function == name && !p.told && p.stands() {
			list = append(list, p)
		}
		p.mu.Unlock()
	}
	return list
}

// FreeMemory implements procman.Launcher.
func (d *fakeDeno) FreeMemory() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.free
}

// processes returns those that have something to do and have not been told to end.
func (d *fakeDeno) processes(name denofn.FunctionName) []*fakeProcess {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []*fakeProcess
	for _, p := range d.live {
		p.mu.Lock()
		if p.function == name && !p.told && !p.primes && !p.stands() {
			list = append(list, p)
		}
		p.mu.Unlock()
	}
	return list
}

// primings returns how many that only fill the code cache have not been told to end.
func (d *fakeDeno) primings(name denofn.FunctionName) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for _, p := range d.live {
		p.mu.Lock()
		if p.function == name && p.primes && !p.told {
			n++
		}
		p.mu.Unlock()
	}
	return n
}

// looping returns how many of the processes answer nobody.
func (d *fakeDeno) looping(name denofn.FunctionName) int {
	n := 0
	for _, p := range d.processes(name) {
		select {
		case <-p.looping:
			n++
		default:
		}
	}
	return n
}

// RoundTrip implements procman.Process. The path says how long the answer takes, in
// milliseconds; "/loop" never gets one, and nobody else either from then on.
func (p *fakeProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	ready := p.isReady
	p.taken++
	if p.once && p.taken > 1 {
		p.deno.fault("process %d of a task is given %d calls", p.number, p.taken)
	}
	p.mu.Unlock()
	select {
	case <-p.exited:
		return nil, procman.NewDialError(errors.New("connection refused"))
	default:
	}
	if !ready {
		p.deno.fault("request to process %d, which is not ready", p.number)
	}
	id := r.Header.Get("X-Request-Id")
	p.deno.mu.Lock()
	p.deno.delivered[id]++
	p.deno.mu.Unlock()
	if r.URL.Path == "/loop" {
		p.loop.Do(func() { close(p.looping) })
	}
	ms, _ := strconv.Atoi(r.URL.Path[1:])
	answer := time.After(time.Duration(ms) * time.Millisecond)
	select {
	case <-p.looping:
		answer = nil
	default:
	}
	select {
	case <-p.exited:
		return nil, errCut
	case <-r.Context().Done():
		return nil, context.Cause(r.Context())
	case <-answer:
		return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
	}
}

func (p *fakeProcess) PID() int                  { return p.number }
func (p *fakeProcess) Ready() <-chan struct{}    { return p.ready }
func (p *fakeProcess) Standing() <-chan struct{} { return p.standing }
func (p *fakeProcess) Exited() <-chan struct{}   { return p.exited }
func (p *fakeProcess) Exit() procman.Exit        { return p.exit }
func (p *fakeProcess) Assign() {
	if !p.standby {
		p.deno.fault("process %d is assigned and was never on standby", p.number)
	}
	p.assign.Do(func() { close(p.assigned) })
}
func (p *fakeProcess) Kill() { p.tell(); p.die(-1) }

func (p *fakeProcess) Usage() sandbox.Usage { return sandbox.Usage{MemoryBytes: 1, CPU: time.Second} }

func (p *fakeProcess) Terminate() {
	p.tell()
	if string(p.release)[2:] != deafRelease {
		p.die(-1)
	}
}

func (p *fakeProcess) tell() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = true
}

func (p *fakeProcess) Ping(ctx context.Context) error {
	select {
	case <-p.looping:
	case <-p.exited:
		return errCut
	default:
		return nil
	}
	select {
	case <-p.exited:
		return errCut
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
