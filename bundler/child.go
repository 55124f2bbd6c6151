package bundler

import (
	"bytes"
	"context"
	"os/exec"
	"syscall"
	"time"
)

// A Child is a process that the Bundler wants started, and all that it needs: no
// more than this has to be let through a sandbox.
type Child struct {
	// Worker asks for this very program, as what IsWorker answers to; else it is
	// Deno.
	Worker bool
	Args   []string
	Env    []string // "NAME=value"; all of it
	Dir    string

	ReadWrite []string // folders to read and write
	Network   bool
	Memory    int64 // the most that it may use, in bytes
}

// A Spawner starts children. The daemon's puts each into a sandbox.
type Spawner interface {
	// Command returns the command of a child, to be started by Start and killed
	// when ctx ends. done is called when it has ended.
	Command(ctx context.Context, c Child) (command *exec.Cmd, done func(), err error)
	Start(command *exec.Cmd) error
}

// plain starts children as they are: the Spawner of those who have no sandbox.
type plain struct {
	deno string
}

// WorkerName is the argv[0] under which the program is a worker.
const WorkerName = "denofn-bundler"

// self is the running program, also when an upgrade has replaced the file.
const self = "/proc/self/exe"

// killWait is how long after the kill of a child its output is still read.
const killWait = time.Second

func (p plain) Command(ctx context.Context, c Child) (*exec.Cmd, func(), error) {
	program, name := p.deno, "deno"
	if c.Worker {
		program, name = self, WorkerName
	}
	command := exec.CommandContext(ctx, program)
	command.Args = append([]string{name}, c.Args...)
	command.Env, command.Dir = c.Env, c.Dir
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.WaitDelay = killWait
	return command, func() {}, nil
}

func (p plain) Start(command *exec.Cmd) error { return command.Start() }

// limited keeps the first bytes of what is written to it and takes the rest, so
// that the writer is never held up.
type limited struct {
	bytes.Buffer
	most int
}

func (l *limited) Write(p []byte) (int, error) {
	if room := l.most - l.Len(); room > 0 {
		l.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
