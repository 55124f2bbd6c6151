package procman

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/procman/sandbox"
)

// A Spec is a release and the folder on disk that holds its main.js.
type Spec struct {
	Release *denofn.Release
	Dir     string // absolute
}

// A Change makes a release the one that new requests of its function go to.
type Change struct {
	Spec Spec
	// Candidate is a process of that release that Start has proved, or nil.
	Candidate *Candidate
}

// An Update is a set of changes that take effect together.
type Update struct {
	Set    []Change
	Remove []denofn.FunctionName
}

// A Pool runs the processes of all functions. It is safe for concurrent use.
type Pool struct {
	config   Config
	launcher launcher
	logger   *slog.Logger

	// mu guards what is below and every field of functions and instances. It is
	// never held across a system call, so holding it is short; one lock for all
	// functions makes Update the atomic step that it promises to be.
	mu        sync.Mutex
	functions map[denofn.FunctionName]*function
	instances map[*instance]struct{} // whose process is not yet reaped, wanted or not
	closing   bool
	warmups   []*function // that wait for their turn, in order
	primings  []Spec      // that wait until no warm-up does
	warming   int         // starts that warmups led to

	forgets map[denofn.FunctionName][]chan struct{} // that are under way; see retire

	standbyWanted chan struct{} // has one when standby processes may have to be arranged
	closed        chan struct{} // closed with closing

	running sync.WaitGroup // a supervisor for each of instances
	release sync.Once      // the launcher
}

// New returns a Pool that knows no function yet. It creates the folders of the
// configuration and removes from RuntimeDir what an earlier daemon left.
func New(c Config) (*Pool, error) {
	if err := c.complete(); err != nil {
		return nil, fmt.Errorf("configure pool: %w", err)
	}
	if err := c.prepareDirs(); err != nil {
		return nil, err
	}
	if err := removeLeftovers(c.RuntimeDir); err != nil {
		return nil, err
	}
	if c.Standby > 0 {
		if err := os.WriteFile(filepath.Join(c.RuntimeDir, standbyName), standbyScript, 0o600); err != nil {
			return nil, fmt.Errorf("write standby module: %w", err)
		}
	}
	host, err := openSandbox(&c)
	if err != nil {
		return nil, err
	}
	return newPool(c, newForker(&c, host)), nil
}

// Sandbox tells what of the containment is in force on this machine.
func (p *Pool) Sandbox() sandbox.Report {
	if f, ok := p.launcher.(*forker); ok {
		return f.host.Report()
	}
	return nil
}

func newPool(c Config, l launcher) *Pool {
	p := &Pool{
		config:    c,
		launcher:  l,
		logger:    c.Logger,
		functions: make(map[denofn.FunctionName]*function),
		instances: make(map[*instance]struct{}),
		forgets:   make(map[denofn.FunctionName][]chan struct{}),

		standbyWanted: make(chan struct{}, 1),
		closed:        make(chan struct{}),
	}
	if c.Standby > 0 {
		p.running.Go(p.keepStandby)
	}
	return p
}

// Update applies all of u at once: when it returns, new requests go to the new
// releases, and requests for what was removed are ErrUnknown. It does not wait
// for processes.
//
// A candidate takes over at once if the function has a process now or wants to
// be warm, and is stopped otherwise. Without a candidate, a ready process of the
// old release goes on serving until one of the new release is ready.
func (p *Pool) Update(u Update) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, name := range u.Remove {
		if fn := p.functions[name]; fn != nil {
			delete(p.functions, name)
			fn.remove(ErrUnknown)
			p.retire(fn.spec)
		}
	}
	for _, change := range u.Set {
		p.set(change)
	}
}

// set applies one change. mu is held.
func (p *Pool) set(change Change) {
	release := change.Spec.Release
	fn := p.functions[release.Function]
	if fn == nil {
		fn = &function{pool: p, name: release.Function, flood: newFlood(p.config.LogRate)}
		p.functions[release.Function] = fn
	}
	var candidate *instance
	if change.Candidate != nil {
		candidate = change.Candidate.take()
	}
	if p.closing {
		if candidate != nil {
			candidate.drain()
		}
		return
	}
	old := fn.spec
	fn.replace(change.Spec, p.config.limitsOf(release.Settings), candidate)
	if old.Release != nil {
		p.retire(old)
	}
}

// Acquire waits until a process of the function can take a request. The caller
// must call Release on the lease. The error is ErrUnknown, ErrBusy (a *BusyError),
// ErrShuttingDown, a *StartError, or that of ctx.
func (p *Pool) Acquire(ctx context.Context, name denofn.FunctionName) (*Lease, error) {
	in, waited, err := p.acquire(ctx, name)
	if err != nil {
		return nil, err
	}
	return &Lease{in: in, waited: waited}, nil
}

// acquire is Acquire without the lease.
func (p *Pool) acquire(ctx context.Context, name denofn.FunctionName) (*instance, Wait, error) {
	p.mu.Lock()
	if p.closing {
		p.mu.Unlock()
		return nil, Wait{}, ErrShuttingDown
	}
	fn := p.functions[name]
	if fn == nil {
		p.mu.Unlock()
		return nil, Wait{}, ErrUnknown
	}
	in, wait, err := fn.acquire()
	p.mu.Unlock()
	if wait == nil {
		return in, Wait{}, err
	}
	began := time.Now()
	timeout := time.NewTimer(p.config.QueueTimeout)
	defer timeout.Stop()
	select {
	case got := <-wait.result:
		return got.in, p.waitOf(began, got.in), got.err
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-timeout.C:
		err = &BusyError{Function: name, RetryAfter: retryAfterBusy}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if busy, ok := err.(*BusyError); ok {
		busy.Waiting = len(fn.waiting)
	}
	if !fn.forget(wait) { // it has just been given something
		if got := <-wait.result; got.in != nil {
			got.in.giveBack()
		}
	}
	return nil, Wait{}, err
}

// waitOf splits the time since began into what the process took to become ready
// and what was spent in the queue.
func (p *Pool) waitOf(began time.Time, in *instance) (w Wait) {
	if in == nil {
		return w
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	w.Queue = time.Since(began)
	if from := latest(began, in.started); in.readyAt.After(from) {
		w.Start = in.readyAt.Sub(from)
		w.Queue = max(0, w.Queue-w.Start)
	}
	return w
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Status is what there is to know about one function.
type Status struct {
	Function  denofn.FunctionName `json:"function"`
	Release   denofn.ReleaseID    `json:"release"`
	State     State               `json:"state"` // of the process that is furthest: ready, starting, draining; else failed, standby or stopped
	Processes []ProcessStatus     `json:"processes"`
	Waiting   int                 `json:"waiting"`  // requests in the queue
	Requests  uint64              `json:"requests"` // so far
	Totals    Totals              `json:"totals"`
	Failure   *StartError         `json:"failure,omitempty"` // the last of this release

	broken bool // no process has been ready since Failure
}

// Totals are what the processes of a function have come to since the pool knows it.
type Totals struct {
	Starts   uint64        `json:"starts"`   // processes that became ready
	Failures uint64        `json:"failures"` // processes that did not, or ended although they were wanted
	CPU      time.Duration `json:"cpu"`      // of the processes that have ended, in nanoseconds
}

// ProcessStatus is what there is to know about one process.
type ProcessStatus struct {
	PID      int              `json:"pid"` // 0: not started yet
	Release  denofn.ReleaseID `json:"release"`
	State    State            `json:"state"`
	Active   int              `json:"active"` // requests in it now
	Requests uint64           `json:"requests"`
	Started  time.Time        `json:"started"`

	MemoryBytes int64         `json:"memory"` // resident, most of which a process shares with others; 0: not known
	CPU         time.Duration `json:"cpu"`    // processor time so far, in nanoseconds

	process process
}

// Snapshot returns the status of every function, sorted by name. Processes that
// only fill a code cache are not in it: they are a moment's work of a deploy.
func (p *Pool) Snapshot() []Status {
	all := p.statuses()
	for i := range all {
		for j := range all[i].Processes {
			s := &all[i].Processes[j]
			if s.process != nil {
				usage := s.process.Usage()
				s.MemoryBytes, s.CPU = usage.MemoryBytes, usage.CPU
			}
		}
	}
	return all
}

// statuses is Snapshot without what is asked of the operating system.
func (p *Pool) statuses() []Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	byName := make(map[denofn.FunctionName]*Status, len(p.functions))
	for name, fn := range p.functions {
		s := fn.status()
		byName[name] = &s
	}
	for in := range p.instances {
		if s := byName[in.spec.Release.Function]; s != nil && !in.primes {
			s.Processes = append(s.Processes, in.status())
		}
	}
	all := make([]Status, 0, len(byName))
	for _, s := range byName {
		slices.SortFunc(s.Processes, func(a, b ProcessStatus) int { return a.Started.Compare(b.Started) })
		s.State = overall(s.Processes, s.broken)
		all = append(all, *s)
	}
	slices.SortFunc(all, func(a, b Status) int { return strings.Compare(string(a.Function), string(b.Function)) })
	return all
}

// Running returns the releases that a process runs which has not been reaped yet,
// one for each process: also those of functions that were removed, and of processes
// that are not in a Snapshot.
func (p *Pool) Running() []*denofn.Release {
	p.mu.Lock()
	defer p.mu.Unlock()
	running := make([]*denofn.Release, 0, len(p.instances))
	for in := range p.instances {
		running = append(running, in.spec.Release)
	}
	return running
}

func overall(processes []ProcessStatus, failed bool) State {
	for _, state := range []State{Ready, Starting, Draining} {
		if slices.ContainsFunc(processes, func(s ProcessStatus) bool { return s.State == state }) {
			return state
		}
	}
	if failed {
		return Failed
	}
	if len(processes) > 0 {
		return Standby
	}
	return Stopped
}

// Shutdown refuses new requests, lets those that processes have end, and stops
// every process. When ctx ends first, it kills what is left and returns ctx's
// error. No process and no goroutine of the pool outlives it.
func (p *Pool) Shutdown(ctx context.Context) error {
	p.mu.Lock()
	p.closing = true
	closeOnce(p.closed)
	for _, fn := range p.functions {
		fn.remove(ErrShuttingDown)
	}
	for in := range p.instances {
		in.drain()
	}
	p.mu.Unlock()

	done := make(chan struct{})
	go func() {
		p.running.Wait()
		close(done)
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = context.Cause(ctx)
		p.mu.Lock()
		for in := range p.instances {
			in.kill()
		}
		p.mu.Unlock()
		<-done
	}
	p.release.Do(p.launcher.Close)
	return err
}
