package procman

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/procman/sandbox"
)

// Config is how a Pool runs its processes. A zero value has the default that its
// field names; fields that name none are required.
type Config struct {
	// DenoPath is the Deno that runs functions.
	DenoPath string
	// RuntimeDir holds a folder NAME-N with the socket of each process. Folders that
	// an earlier daemon left there are removed by New. Linux limits the path of a
	// socket to 107 bytes, so this one must be short.
	RuntimeDir string
	// HomeDir holds a folder for each function: its working directory and HOME, with
	// data (kept) and tmp (scratch) in it.
	HomeDir string
	// CacheDir holds a DENO_DIR for each release.
	CacheDir string

	// IdleTimeout is how long a process outlives its last request, unless the
	// function says otherwise. Default 5 minutes.
	IdleTimeout time.Duration
	// Timeout is the longest time to the head of a response, unless the function says
	// otherwise. Default 30 seconds.
	Timeout time.Duration
	// StartTimeout is the longest time from the start of a process until it is ready.
	// Default 10 seconds: a module that does more than this before it serves would
	// keep its first visitor waiting for as long.
	StartTimeout time.Duration
	// StopTimeout is how long a process has between TERM and KILL. Default 3 seconds.
	StopTimeout time.Duration
	// DrainTimeout is how long a replaced process may go on with the requests that it
	// has, or as long as the function's timeout if that is longer. Default 1 minute.
	DrainTimeout time.Duration
	// StuckGrace is how long a process may take to show that it is not stuck, after it
	// has let a request run into its timeout. Default 2 seconds.
	StuckGrace time.Duration

	// MaxQueue is how many requests may wait for a process of one function, and
	// QueueTimeout for how long. Default 1000 and 30 seconds.
	MaxQueue     int
	QueueTimeout time.Duration
	// Concurrency is how many requests one process takes at once, unless the function
	// says otherwise. Default 1000: one event loop can have very many requests open,
	// and what bounds them is descriptors.
	Concurrency int
	// Calls is how many calls of one task run at once. Default 4. More wait in the
	// queue.
	Calls int
	// Warmups is how many processes may be starting at once that no request waits
	// for. Default: the number of CPUs.
	Warmups int

	// Sandbox starts the processes. It stays the caller's, who closes it after
	// Shutdown. Default: one that the pool opens for itself. A daemon has one: it
	// takes over the daemon's own control group.
	Sandbox *sandbox.Host
	// Standby is how many processes wait, started but with nothing loaded, for
	// functions that have none; see standby.go. Default 0: they cost memory while
	// nothing happens.
	Standby int
	// StandbyReserve is how much memory the machine must have to spare for that.
	// With less, they go. Default 512M.
	StandbyReserve denofn.Bytes

	// Memory, CPU, Tasks and Disk are what one process may use, unless the function
	// says otherwise. Defaults: 256M, no limit of CPU, 64 threads, and 1G for all
	// that a function keeps in its own folders, for which it cannot ask itself.
	Memory denofn.Bytes
	CPU    denofn.Percent
	Tasks  int
	Disk   denofn.Bytes
	// RequireSandbox makes New fail where the machine does not offer every layer of
	// package sandbox. Without it, functions run with what there is.
	RequireSandbox bool

	// LogRate is how many entries a second a function may write for long. What is
	// above is dropped and counted. Default 500.
	LogRate int

	// AllowPrivateNet lets functions that may use the network reach loopback,
	// private and link-local addresses too.
	AllowPrivateNet bool

	// Logger is told about processes. Default: discard.
	Logger *slog.Logger
	// Output is given every line that functions write. Default: discard.
	Output LogSink
}

const (
	defaultIdleTimeout    = 5 * time.Minute
	defaultTimeout        = 30 * time.Second
	defaultStartTimeout   = 10 * time.Second
	defaultStopTimeout    = 3 * time.Second
	defaultDrainTimeout   = time.Minute
	defaultStuckGrace     = 2 * time.Second
	defaultMaxQueue       = 1000
	defaultQueueTimeout   = 30 * time.Second
	defaultConcurrency    = 1000
	defaultCalls          = 4
	defaultLogRate        = 500
	defaultStandbyReserve = 512 << 20
	defaultMemory         = 256 << 20
	defaultTasks          = 64
	defaultDisk           = 1 << 30
)

func (c *Config) complete() error {
	setDefault(&c.IdleTimeout, defaultIdleTimeout)
	setDefault(&c.Timeout, defaultTimeout)
	setDefault(&c.StartTimeout, defaultStartTimeout)
	setDefault(&c.StopTimeout, defaultStopTimeout)
	setDefault(&c.DrainTimeout, defaultDrainTimeout)
	setDefault(&c.StuckGrace, defaultStuckGrace)
	setDefault(&c.MaxQueue, defaultMaxQueue)
	setDefault(&c.QueueTimeout, defaultQueueTimeout)
	setDefault(&c.Concurrency, defaultConcurrency)
	setDefault(&c.Calls, defaultCalls)
	setDefault(&c.LogRate, defaultLogRate)
	setDefault(&c.StandbyReserve, defaultStandbyReserve)
	setDefault(&c.Memory, defaultMemory)
	setDefault(&c.Tasks, defaultTasks)
	setDefault(&c.Disk, defaultDisk)
	setDefault(&c.Warmups, runtime.GOMAXPROCS(0))
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Output == nil {
		c.Output = discard{}
	}
	for _, path := range []string{c.DenoPath, c.RuntimeDir, c.HomeDir, c.CacheDir} {
		if !filepath.IsAbs(path) {
			return fmt.Errorf("path %q is not absolute", path)
		}
	}
	if n := longestSocketPath(c.RuntimeDir); n > maxSocketPath {
		return fmt.Errorf("runtime dir %s is %d bytes too long for a socket below it", c.RuntimeDir, n-maxSocketPath)
	}
	if c.IdleTimeout < 0 || c.Timeout < 0 || c.StartTimeout < 0 || c.StopTimeout < 0 || c.DrainTimeout < 0 ||
		c.StuckGrace < 0 || c.QueueTimeout < 0 || c.MaxQueue < 0 || c.Concurrency < 0 || c.Calls < 0 || c.Standby < 0 || c.StandbyReserve < 0 || c.Warmups < 0 || c.LogRate < 0 ||
		c.Memory < 0 || c.CPU < 0 || c.Tasks < 0 || c.Disk < 0 {
		return errors.New("negative limit")
	}
	return nil
}

// prepareDirs creates the folders and resolves the links in their paths, because
// Deno compares permissions with the real path of a file.
func (c *Config) prepareDirs() error {
	for _, dir := range []*string{&c.RuntimeDir, &c.HomeDir, &c.CacheDir} {
		if err := os.MkdirAll(*dir, 0o700); err != nil {
			return fmt.Errorf("create folder: %w", err)
		}
		path, err := filepath.EvalSymlinks(*dir)
		if err != nil {
			return fmt.Errorf("resolve folder: %w", err)
		}
		*dir = path
	}
	return nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// limits is what a function's settings and the pool's defaults come to.
type limits struct {
	idleTimeout  time.Duration
	timeout      time.Duration
	concurrency  int // requests that one process takes
	minInstances int
	maxInstances int // at least 1
	memory       denofn.Bytes
	cpu          denofn.Percent // 0: no limit
	tasks        int
	disk         denofn.Bytes
	once         bool // a process takes one request in its life: the function is a task
}

func (c *Config) limitsOf(s denofn.Settings) limits {
	l := limits{
		idleTimeout:  cmp.Or(s.IdleTimeout.Duration, c.IdleTimeout),
		timeout:      cmp.Or(s.Timeout.Duration, c.Timeout),
		concurrency:  cmp.Or(s.Concurrency, c.Concurrency),
		minInstances: s.Instances.Min,
		maxInstances: max(1, s.Instances.Min, s.Instances.Max),
		memory:       cmp.Or(s.Memory, c.Memory),
		cpu:          cmp.Or(s.CPU, c.CPU),
		tasks:        cmp.Or(s.Tasks, c.Tasks),
		disk:         c.Disk,
	}
	if s.Handler == denofn.HandlerTask {
		l.once, l.concurrency = true, 1
		l.minInstances, l.maxInstances = 0, cmp.Or(s.Instances.Max, c.Calls)
	}
	return l
}

type discard struct{}

func (discard) Write(LogRecord) {}
