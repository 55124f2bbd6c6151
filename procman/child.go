package procman

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/denofn/denofn/procman/sandbox"
)

// readGrace is how long after the death of a process its pipes may stay open. It
// is only used up when a descendant that left the group holds them.
const readGrace = time.Second

// A child is a running Deno: the process that a forker returns.
type child struct {
	*http.Transport
	server  *Socket
	process *os.Process
	pidfd   *os.File
	places  places
	cell    *cell
	limits  limits
	fills   bool // writes the code cache
	writer  writer
	errors  tail // of standard error; belongs to its reader

	orders    *os.File // standard input of a standby process; nil for others
	standOnce sync.Once
	standing  chan struct{}
	readyOnce sync.Once
	ready     chan struct{}
	exited    chan struct{}
	exit      exit // written before exited is closed
	failure   *unusable

	overQuota atomic.Bool

	mu     sync.Mutex
	reaped bool // guarded by mu: the number may belong to another process
}

// startChild starts Deno and the goroutines that watch it. They end when it does.
func (f *forker) startChild(l launch, p places) (_ *child, err error) {
	release := l.spec.Release
	fills := !isFilled(p.cache)
	cell, err := f.newCell(l, p, fills)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			cell.remove()
		}
	}()
	command, err := f.host.Command(cell.profile)
	if err != nil {
		return nil, err
	}
	pidfd := -1
	command.SysProcAttr.PidFD = &pidfd

	stdin, orders, err := openInput(l.standby)
	if err != nil {
		return nil, err
	}
	defer stdin.Close()
	defer func() {
		if err != nil {
			orders.Close()
		}
	}()
	stdout, stdoutWriter, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("create pipe: %w", err)
	}
	defer stdoutWriter.Close()
	stderr, stderrWriter, err := os.Pipe()
	if err != nil {
		stdout.Close()
		return nil, fmt.Errorf("create pipe: %w", err)
	}
	defer stderrWriter.Close()
	command.Stdin, command.Stdout, command.Stderr = stdin, stdoutWriter, stderrWriter
	if err = f.host.Start(command); err != nil {
		stdout.Close()
		stderr.Close()
		return nil, fmt.Errorf("start deno: %w", err)
	}
	c := &child{
		Transport: newTransport(p.socket),
		server:    NewSocket(p.socket),
		process:   command.Process,
		places:    p,
		cell:      cell,
		limits:    l.limits,
		fills:     fills,
		writer: writer{
			base:   LogRecord{Function: release.Function, Release: release.ID},
			flood:  l.flood,
			outlet: f.outlet,
		},
		orders:   orders,
		standing: make(chan struct{}),
		ready:    make(chan struct{}),
		exited:   make(chan struct{}),
	}
	if pidfd >= 0 {
		unix.SetNonblock(pidfd, true)
		c.pidfd = os.NewFile(uintptr(pidfd), "pidfd")
	}
	var readers sync.WaitGroup
	readers.Go(func() {
		(&framer{stream: streamStdout, emit: c.writer.write, control: c.control}).read(stdout)
	})
	readers.Go(func() {
		(&framer{stream: streamStderr, emit: c.writer.write, control: ignore, line: c.errors.add}).read(stderr)
	})
	ctx, ended := context.WithCancel(context.Background())
	var quota sync.WaitGroup
	quota.Go(func() {
		if cell.watch(ctx, c.process.Pid) {
			c.overQuota.Store(true)
			c.Kill()
		}
	})
	go func() {
		c.waitExit()
		ended()
		quota.Wait()
		c.reap(&readers, stdout, stderr)
	}()
	return c, nil
}

// openInput returns the standard input of a process, and for a standby process the
// end to write to.
func openInput(standby bool) (stdin, orders *os.File, err error) {
	if standby {
		if stdin, orders, err = os.Pipe(); err != nil {
			return nil, nil, fmt.Errorf("create pipe: %w", err)
		}
		return stdin, orders, nil
	}
	if stdin, err = os.Open(os.DevNull); err != nil {
		return nil, nil, fmt.Errorf("open null device: %w", err)
	}
	return stdin, nil, nil
}

// reap ends what the process may have left, and collects all that is to be known
// of it.
//
// The process is left unreaped until its group has been killed. As long as it is a
// zombie its number cannot be given to another process, so the signal cannot hit
// a stranger.
func (c *child) reap(readers *sync.WaitGroup, stdout, stderr *os.File) {
	c.Kill()
	c.mu.Lock()
	c.reaped = true
	c.mu.Unlock()
	state, err := c.process.Wait()
	x := exit{code: -1}
	if err == nil {
		x.code = state.ExitCode()
		x.cpu = state.UserTime() + state.SystemTime()
		if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			x.signal = status.Signal().String()
		}
	}
	giveUp := time.AfterFunc(readGrace, func() {
		stdout.Close()
		stderr.Close()
	})
	readers.Wait()
	giveUp.Stop()
	stdout.Close()
	stderr.Close()
	if c.pidfd != nil {
		c.pidfd.Close()
	}
	c.orders.Close()
	c.CloseIdleConnections()
	c.server.Close()
	os.RemoveAll(c.places.runDir)
	c.writer.close()
	x.output = c.errors.lines
	x.failure = c.failure
	switch {
	case c.overQuota.Load():
		x.limit = fmt.Sprintf("disk limit %s", c.limits.disk)
	case c.cell.outOfMemory(x):
		x.limit = fmt.Sprintf("memory limit %s", c.limits.memory)
	}
	c.cell.remove()
	if c.fills && isClosed(c.ready) {
		markFilled(c.places.cache)
	}
	c.exit = x
	close(c.exited)
}

// waitExit returns when the process has ended but is not yet reaped. A descriptor
// of the process lets the runtime's poller wait; waiting in the system call would
// take a thread for each process.
func (c *child) waitExit() {
	if c.pidfd != nil {
		raw, err := c.pidfd.SyscallConn()
		if err == nil {
			err = raw.Read(func(fd uintptr) bool { return hasExited(unix.P_PIDFD, int(fd), unix.WNOHANG) })
		}
		if err == nil {
			return
		}
	}
	for !hasExited(unix.P_PID, c.process.Pid, 0) {
	}
}

// hasExited reports whether the process has ended, without reaping it.
func hasExited(idType, id, options int) bool {
	var info unix.Siginfo
	err := unix.Waitid(idType, id, &info, unix.WEXITED|unix.WNOWAIT|options, nil)
	switch {
	case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
		return false
	case err != nil:
		return true // not our child any more
	}
	return info.Signo == int32(unix.SIGCHLD)
}

// control hears what the runtime has to say. It speaks on standard output.
func (c *child) control(ctl control) {
	switch ctl.verb {
	case "standby":
		c.standOnce.Do(func() { close(c.standing) })
	case "ready":
		c.readyOnce.Do(func() { close(c.ready) })
	case "failed":
		c.failure = parseUnusable(ctl.rest)
	}
}

func ignore(control) {}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// socket implements connector.
func (c *child) socket() *Socket { return c.server }

// PID implements process.
func (c *child) PID() int { return c.process.Pid }

// Standing implements process.
func (c *child) Standing() <-chan struct{} { return c.standing }

// Assign implements process.
func (c *child) Assign() { c.orders.Write([]byte{'\n'}) }

// Ready implements process.
func (c *child) Ready() <-chan struct{} { return c.ready }

// Exited implements process.
func (c *child) Exited() <-chan struct{} { return c.exited }

// Exit implements process.
func (c *child) Exit() exit { return c.exit }

// Usage implements process. The group counts the page cache as well, which the
// kernel takes back when it needs to; so the process's own count is told, and the
// group's only for what it alone has.
func (c *child) Usage() sandbox.Usage {
	u, err := sandbox.ProcessUsage(c.process.Pid)
	if err != nil {
		return sandbox.Usage{}
	}
	if group, err := c.cell.group.Usage(); err == nil {
		u.CPU = max(u.CPU, group.CPU)
	}
	return u
}

// Terminate implements process.
func (c *child) Terminate() { c.signal(syscall.SIGTERM) }

// Kill implements process.
func (c *child) Kill() { c.signal(syscall.SIGKILL) }

func (c *child) signal(s syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.reaped {
		syscall.Kill(-c.process.Pid, s)
	}
}
