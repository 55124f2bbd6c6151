package procman

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/denofn/denofn/procman/sandbox"
)

// A forker starts Denos. All are forked by one goroutine that keeps its thread to
// itself: the kernel ties Pdeathsig to the thread that forked, and Go ends threads
// as it likes, which would kill functions at random. The thread lives until Close,
// so the signal comes exactly when the daemon dies, however it does.
type forker struct {
	config *Config
	host   *sandbox.Host
	outlet *outlet
	forks  chan fork
	done   chan struct{}
}

type fork struct {
	command *exec.Cmd
	files   []*os.File
	result  chan<- forked
}

type forked struct {
	process *os.Process
	err     error
}

func newForker(c *Config, host *sandbox.Host) *forker {
	f := &forker{config: c, host: host, outlet: newOutlet(c.Output), forks: make(chan fork), done: make(chan struct{})}
	go f.run()
	return f
}

func (f *forker) run() {
	defer close(f.done)
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	for fork := range f.forks {
		c := fork.command
		process, err := os.StartProcess(c.Path, c.Args, &os.ProcAttr{Dir: c.Dir, Env: c.Env, Files: fork.files, Sys: c.SysProcAttr})
		fork.result <- forked{process, err}
	}
}

// Close implements launcher.
func (f *forker) Close() {
	close(f.forks)
	<-f.done
	f.outlet.close()
	if err := f.host.Close(); err != nil {
		f.config.Logger.Warn("control group not removed", "error", err)
	}
}

// start starts a command in the forker's thread.
func (f *forker) start(command *exec.Cmd, files ...*os.File) (*os.Process, error) {
	result := make(chan forked, 1)
	f.forks <- fork{command, files, result}
	r := <-result
	return r.process, r.err
}

// Launch implements launcher.
func (f *forker) Launch(l launch) (process, error) {
	p := f.config.placesOf(l.spec, newSuffix())
	for _, dir := range []string{filepath.Join(p.home, dataDir), filepath.Join(p.home, tmpDir), p.cache} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("create folder: %w", err)
		}
	}
	if err := os.Mkdir(p.runDir, 0o700); err != nil {
		return nil, fmt.Errorf("create folder: %w", err)
	}
	c, err := f.startChild(l, p)
	if err != nil {
		os.RemoveAll(p.runDir)
		return nil, err
	}
	return c, nil
}

// Forget implements launcher.
func (f *forker) Forget(spec Spec) {
	dir := f.config.placesOf(spec, "").cache
	if err := os.RemoveAll(dir); err != nil {
		f.config.Logger.Warn("code cache not removed", "path", dir, "error", err)
	}
	os.Remove(filepath.Dir(dir)) // of a function that has no other
}

// removeLeftovers removes the socket folders of processes that are not ours. They
// died with the daemon that started them.
func removeLeftovers(runtimeDir string) error {
	entries, err := os.ReadDir(runtimeDir)
	if err != nil {
		return fmt.Errorf("read runtime folder: %w", err)
	}
	for _, entry := range entries {
		if !entry.IsDir() || !strings.Contains(entry.Name(), "-") {
			continue
		}
		dir := filepath.Join(runtimeDir, entry.Name())
		if !holdsOnlySocket(dir) {
			continue
		}
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove leftover: %w", err)
		}
	}
	return nil
}

// holdsOnlySocket reports whether the folder is one that Launch made: empty, or
// with a socket and nothing else.
func holdsOnlySocket(dir string) bool {
	entries, err := os.ReadDir(dir)
	return err == nil && (len(entries) == 0 || len(entries) == 1 && entries[0].Name() == socketName)
}
