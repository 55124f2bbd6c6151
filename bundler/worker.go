package bundler

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"syscall"
)

// A worker is this program, started again to do what works on strangers' source:
// parse, link and print. It has no files and no network; what it reads it asks its
// Bundler for. It is worth a process because memory that a huge source made esbuild
// take is given back with it, and because one that takes too much is killed alone.

// IsWorker reports whether this process was started to be a worker.
func IsWorker() bool { return len(os.Args) > 0 && os.Args[0] == WorkerName }

// WorkerMain is the worker's main function. It never returns. Call it first in
// main, and in TestMain of tests with a Bundler that has a Spawner, where
// [IsWorker] says so.
func WorkerMain() {
	if len(os.Args) == 2 {
		if memory, err := strconv.ParseUint(os.Args[1], 10, 64); err == nil {
			limitMemory(memory)
		}
	}
	if err := work(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", WorkerName, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// ownBytes is what a Go program maps before it has done anything.
const ownBytes = 64 << 20

// limitMemory is the last resort where there is no control group: all private
// memory, at which the runtime gives up.
func limitMemory(memory uint64) {
	limit := memory + ownBytes
	_ = syscall.Setrlimit(syscall.RLIMIT_DATA, &syscall.Rlimit{Cur: limit, Max: limit})
}

// work does the jobs that arrive, one at a time, until the input ends.
func work(in io.Reader, out io.Writer) error {
	w := &asker{wire: wire{in: in, out: out}, waiting: make(map[uint32]chan<- answer)}
	jobs := make(chan job)
	ended := make(chan error, 1)
	go func() { ended <- w.listen(jobs) }()
	for j := range jobs {
		outcome, err := compile(context.Background(), w, j)
		if err != nil {
			err = w.send(head{Kind: kindFailed, Text: err.Error()}, nil)
		} else {
			h, body := outcome.done()
			err = w.send(h, body)
		}
		if err != nil {
			return err
		}
	}
	return <-ended
}

// An asker is what a worker's compile reads: every question goes over the wire.
type asker struct {
	wire

	mu      sync.Mutex // guards what follows
	last    uint32
	waiting map[uint32]chan<- answer
}

type answer struct {
	head head
	body []byte
}

// listen hands out what arrives. It closes jobs when nothing more will.
func (a *asker) listen(jobs chan<- job) error {
	defer close(jobs)
	for {
		h, body, err := a.receive()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		switch {
		case h.Kind == kindJob && h.Job != nil:
			jobs <- *h.Job
		case h.Kind == kindAnswer:
			a.mu.Lock()
			waiting, ok := a.waiting[h.ID]
			delete(a.waiting, h.ID)
			a.mu.Unlock()
			if ok {
				waiting <- answer{h, body}
			}
		default:
			return fmt.Errorf("unexpected message %q", h.Kind)
		}
	}
}

// ask asks one question and waits for the answer. If there is none any more, the
// process is about to end.
func (a *asker) ask(h head) answer {
	waiting := make(chan answer, 1)
	a.mu.Lock()
	a.last++
	h.ID = a.last
	a.waiting[h.ID] = waiting
	a.mu.Unlock()
	if err := a.send(h, nil); err != nil {
		return answer{head: head{Fault: faultOther, Text: err.Error()}}
	}
	return <-waiting
}

func (a *asker) file(h head) file {
	got := a.ask(h)
	return file{Content: got.body, Fault: got.head.Fault, Text: got.head.Text}
}

func (a *asker) Read(name string) file { return a.file(head{Kind: askRead, Name: name}) }

func (a *asker) Packed(pack, name string) file {
	return a.file(head{Kind: askPacked, Pack: pack, Name: name})
}

func (a *asker) List(dir string) []string { return a.ask(head{Kind: askList, Name: dir}).head.Names }

func (a *asker) Names(pack string) []string {
	return a.ask(head{Kind: askNames, Pack: pack}).head.Names
}
