package procman

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/denofn/denofn/procman/sandbox"
)

// A forker starts Denos, each in a sandbox of its own.
type forker struct {
	config *Config
	host   *sandbox.Host
	outlet *outlet
}

func newForker(c *Config, host *sandbox.Host) *forker {
	return &forker{config: c, host: host, outlet: newOutlet(c.Output)}
}

// Close implements launcher.
func (f *forker) Close() {
	f.outlet.close()
	os.Remove(filepath.Join(f.config.RuntimeDir, standbyName))
	if f.config.Sandbox != nil { // the caller's
		return
	}
	if err := f.host.Close(); err != nil {
		f.config.Logger.Warn("control group not removed", "error", err)
	}
}

// FreeMemory implements launcher. Where it cannot be known, there is none.
func (f *forker) FreeMemory() int64 {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	return availableMemory(text)
}

// availableMemory reads the contents of /proc/meminfo.
func availableMemory(text []byte) int64 {
	for line := range bytes.Lines(text) {
		if fields := bytes.Fields(line); len(fields) == 3 && string(fields[0]) == "MemAvailable:" {
			kB, _ := strconv.ParseInt(string(fields[1]), 10, 64)
			return kB << 10
		}
	}
	return 0
}

// Launch implements launcher.
func (f *forker) Launch(l launch) (process, error) {
	p := f.config.placesOf(l.spec, newSuffix())
	for _, dir := range []string{filepath.Join(p.home, dataDir), filepath.Join(p.home, tmpDir), p.cache} {
		if err := makeFolder(dir); err != nil {
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

// makeFolder makes a folder and what is above it, also when Forget of another
// release removes that in the same moment because it is empty.
func makeFolder(dir string) error {
	err := os.MkdirAll(dir, 0o700)
	for range 3 {
		if !os.IsNotExist(err) {
			break
		}
		err = os.MkdirAll(dir, 0o700)
	}
	return err
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
