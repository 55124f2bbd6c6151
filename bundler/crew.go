package bundler

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"path"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/denofn/denofn"
)

// A crew is the workers of a Bundler. There are no more than may run at once, and
// none any more when nothing has been bundled for a while: a worker serves the
// functions of one push, not of a year.
type crew struct {
	spawner Spawner
	memory  int64
	timeout time.Duration
	logger  *slog.Logger
	slots   chan struct{} // one a running job

	mu     sync.Mutex // guards what follows
	idle   []*worker
	closed bool
	ending sync.WaitGroup // of workers that are told to end
}

const (
	// workerIdle is how long a worker waits for another job.
	workerIdle = 5 * time.Second
	// workerJobs is how many jobs a worker does before a fresh one takes its place.
	workerJobs = 200
)

// A worker is a running child.
type worker struct {
	wire
	command *exec.Cmd
	input   io.Closer
	said    *limited
	cancel  context.CancelFunc
	done    func()
	jobs    int
	memory  int64
	retire  *time.Timer // while it is idle
}

// compile has a worker compile, when it is its turn, and says how long that took.
func (c *crew) compile(ctx context.Context, files source, j job) (*outcome, time.Duration, error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return nil, 0, context.Cause(ctx)
	}
	began := time.Now()
	out, err := c.work(ctx, files, j)
	return out, time.Since(began), err
}

func (c *crew) work(ctx context.Context, files source, j job) (*outcome, error) {
	w, err := c.get()
	if err != nil {
		return nil, fmt.Errorf("start bundler: %w", err)
	}
	late := fmt.Errorf("took longer than %s", c.timeout)
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, late)
	defer cancel()
	stop := context.AfterFunc(ctx, w.cancel)
	out, err := w.do(files, j)
	if stop() && err == nil {
		c.put(w)
		return out, nil
	}
	ended := w.end()
	if cause := context.Cause(ctx); errors.Is(cause, late) {
		return nil, tooMuch(j.Entry, "it took longer than "+c.timeout.String()+" (bundler.timeout)")
	} else if cause != nil {
		return nil, cause
	}
	if failed, ok := errors.AsType[*workError](err); ok {
		return nil, failed
	}
	c.logger.Warn("bundler's worker ended", "entry", j.Entry, "error", errors.Join(err, ended), "said", w.said.String())
	if w.outOfMemory(ended) {
		return nil, tooMuch(j.Entry, "it took more than "+denofn.Bytes(c.memory).String()+" of memory (bundler.memory)")
	}
	return nil, fmt.Errorf("bundler ended: %w: %s", errors.Join(err, ended), lastLine(w.said.String()))
}

func tooMuch(entry, why string) error {
	return denofn.Diagnostics{{File: entry, Message: "the function could not be bundled: " + why, Hint: "import less, or have the limit raised in denofn.toml"}}
}

// A workError is what a worker could not do and lived to tell.
type workError struct{ text string }

func (e *workError) Error() string { return e.text }

// do gives the worker a job and answers its questions.
func (w *worker) do(files source, j job) (*outcome, error) {
	w.jobs++
	if err := w.send(head{Kind: kindJob, Job: &j}, nil); err != nil {
		return nil, err
	}
	for {
		h, body, err := w.receive()
		if err != nil {
			return nil, err
		}
		reply := head{Kind: kindAnswer, ID: h.ID}
		var f file
		switch h.Kind {
		case askRead:
			f = files.Read(h.Name)
		case askPacked:
			f = files.Packed(h.Pack, h.Name)
		case askList:
			reply.Names = files.List(path.Clean(h.Name))
		case askNames:
			reply.Names = files.Names(h.Pack)
		case kindDone:
			if h.Done == nil {
				return nil, errors.New("outcome without a head")
			}
			return h.Done.outcome(body)
		case kindFailed:
			return nil, &workError{h.Text}
		default:
			return nil, fmt.Errorf("unexpected message %q", h.Kind)
		}
		reply.Fault, reply.Text = f.Fault, f.Text
		if err := w.send(reply, f.Content); err != nil {
			return nil, err
		}
	}
}

// get returns an idle worker, or a new one.
func (c *crew) get() (*worker, error) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, errors.New("is closed")
	}
	if n := len(c.idle); n > 0 {
		w := c.idle[n-1]
		c.idle = c.idle[:n-1]
		w.retire.Stop()
		c.mu.Unlock()
		return w, nil
	}
	c.mu.Unlock()
	return c.start()
}

func (c *crew) start() (*worker, error) {
	ctx, cancel := context.WithCancel(context.Background())
	command, done, err := c.spawner.Command(ctx, Child{
		Worker: true,
		Args:   []string{strconv.FormatInt(c.memory, 10)},
		Env:    []string{"GOMEMLIMIT=" + strconv.FormatInt(c.memory/10*9, 10)},
		Dir:    "/",
		Memory: c.memory,
	})
	if err != nil {
		cancel()
		return nil, err
	}
	w := &worker{memory: c.memory, command: command, said: &limited{most: 16 << 10}, cancel: cancel, done: done}
	command.Stderr = w.said
	input, err := command.StdinPipe()
	if err == nil {
		w.wire.in, err = command.StdoutPipe()
	}
	if err == nil {
		w.wire.out, w.input = input, input
		err = c.spawner.Start(command)
	}
	if err != nil {
		cancel()
		done()
		return nil, err
	}
	return w, nil
}

// put keeps a worker for the next job.
func (c *crew) put(w *worker) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || w.jobs >= workerJobs {
		c.ending.Go(func() { w.end() })
		return
	}
	c.idle = append(c.idle, w)
	w.retire = time.AfterFunc(workerIdle, func() { c.drop(w) })
}

// drop ends a worker that is still idle.
func (c *crew) drop(w *worker) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, one := range c.idle {
		if one == w {
			c.idle = append(c.idle[:i], c.idle[i+1:]...)
			c.ending.Go(func() { w.end() })
			return
		}
	}
}

// close ends the idle workers and waits for all that are ending.
func (c *crew) close() {
	c.mu.Lock()
	c.closed = true
	for _, w := range c.idle {
		w.retire.Stop()
		c.ending.Go(func() { w.end() })
	}
	c.idle = nil
	c.mu.Unlock()
	c.ending.Wait()
}

// end ends the worker and returns how it did.
func (w *worker) end() error {
	w.input.Close()
	stop := time.AfterFunc(killWait, w.cancel)
	err := w.command.Wait()
	stop.Stop()
	w.cancel()
	w.done()
	return err
}

// outOfMemory reports whether the worker ended for its memory, by the kernel or by
// its own runtime, which dies in many ways.
func (w *worker) outOfMemory(ended error) bool {
	for _, last := range []string{"out of memory", "cannot allocate memory", "failed to create new OS thread", "pthread_create failed"} {
		if strings.Contains(w.said.String(), last) {
			return true
		}
	}
	exit, ok := errors.AsType[*exec.ExitError](ended)
	if !ok {
		return false
	}
	usage, ok := exit.SysUsage().(*syscall.Rusage)
	return ok && usage.Maxrss<<10 > w.memory/2
}

func lastLine(s string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return first
}
