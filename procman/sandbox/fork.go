package sandbox

import (
	"context"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// A forker starts processes, all from one goroutine that keeps its thread to
// itself: the kernel ties Pdeathsig to the thread that forked, and Go ends threads
// as it likes, which would kill sandboxes at random. The thread lives until close,
// so the signal comes exactly when the daemon dies, however it does.
type forker struct {
	forks chan fork
	done  chan struct{}
}

type fork struct {
	command *exec.Cmd
	result  chan<- error
}

func newForker() *forker {
	f := &forker{forks: make(chan fork), done: make(chan struct{})}
	go f.run()
	return f
}

func (f *forker) run() {
	defer close(f.done)
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	for fork := range f.forks {
		fork.result <- fork.command.Start()
	}
}

func (f *forker) close() {
	close(f.forks)
	<-f.done
}

// Start starts a command that [Host.Command] or [Host.CommandContext] made.
// Everything else is done with the command as usual. To call its own Start would
// bind the sandbox's life to a thread that may end at any time.
func (h *Host) Start(command *exec.Cmd) error {
	result := make(chan error, 1)
	h.forker.forks <- fork{command, result}
	return <-result
}

// killWait is how long after the kill of a sandbox Wait still reads what it wrote.
const killWait = time.Second

// CommandContext is [Host.Command] for a sandbox that is killed, with all that is
// in it, when ctx is done.
func (h *Host) CommandContext(ctx context.Context, p Profile) (*exec.Cmd, error) {
	plain, err := h.Command(p)
	if err != nil {
		return nil, err
	}
	c := exec.CommandContext(ctx, plain.Path)
	c.Args, c.Env, c.Dir, c.SysProcAttr = plain.Args, plain.Env, plain.Dir, plain.SysProcAttr
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = killWait
	return c, nil
}
