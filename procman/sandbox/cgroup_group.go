package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Cgroup is the control group of one sandbox. Where there are no control
// groups its readings and Kill fail with [errors.ErrUnsupported].
// It is safe for concurrent use.
type Cgroup struct {
	dir          string
	folder       atomic.Pointer[os.File] // dir, if a process can be started in it; closed by Remove
	limits       Limits
	memory, pids bool
}

// enter makes a sandbox begin in the group: by the attributes of its start, or
// where the kernel cannot do that, by joining it first of all.
func (c *Cgroup) enter(s *setup, start *syscall.SysProcAttr) {
	if folder := c.folder.Load(); folder != nil {
		start.UseCgroupFD, start.CgroupFD = true, int(folder.Fd())
	} else if c.dir != "" {
		s.Join = filepath.Join(c.dir, "cgroup.procs")
	}
}

// Kill kills every process in the group at once. Without control groups the
// error is [errors.ErrUnsupported]; the sandbox's only process can be killed by
// its ID.
func (c *Cgroup) Kill() error {
	if c.dir == "" {
		return errors.ErrUnsupported
	}
	if err := os.WriteFile(filepath.Join(c.dir, "cgroup.kill"), []byte("1"), 0); err != nil {
		return fmt.Errorf("kill control group: %w", err)
	}
	return nil
}

// Remove removes the group. Its processes must have been waited for: the error
// is EBUSY otherwise.
func (c *Cgroup) Remove() error {
	if c.dir == "" {
		return nil
	}
	if err := unix.Rmdir(c.dir); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("remove control group: %w", err)
	}
	if folder := c.folder.Swap(nil); folder != nil {
		folder.Close()
	}
	return nil
}

// Usage is what a group uses and has used.
type Usage struct {
	MemoryBytes     int64         // now, with the page cache of its files
	PeakMemoryBytes int64         // most so far; 0 on kernels before 5.19
	CPU             time.Duration // processor time so far
	Tasks           int64         // threads now
}

// Usage reads the counters. Those whose controller is missing are 0; for the
// process alone there is [ProcessUsage].
func (c *Cgroup) Usage() (Usage, error) {
	if c.dir == "" {
		return Usage{}, errors.ErrUnsupported
	}
	var u Usage
	stat, err := c.keyed("cpu.stat")
	if err != nil {
		return Usage{}, err
	}
	u.CPU = time.Duration(stat["usage_usec"]) * time.Microsecond
	if c.memory {
		if u.MemoryBytes, err = c.number("memory.current"); err != nil {
			return Usage{}, err
		}
		if u.PeakMemoryBytes, err = c.number("memory.peak"); err != nil && !errors.Is(err, os.ErrNotExist) {
			return Usage{}, err
		}
	}
	if c.pids {
		if u.Tasks, err = c.number("pids.current"); err != nil {
			return Usage{}, err
		}
	}
	return u, nil
}

// Events is how often a limit was met.
type Events struct {
	MemoryHigh int64 // slowed down at MemoryHighBytes
	MemoryMax  int64 // reclaimed at MemoryMaxBytes
	OOMKills   int64 // processes killed at MemoryMaxBytes
	TasksMax   int64 // threads refused at Tasks
	Throttled  int64 // periods cut short at CPUPercent
}

// Events reads the counters. Read them after a process has ended and before
// Remove: OOMKills tells a death by the memory limit from any other SIGKILL.
func (c *Cgroup) Events() (Events, error) {
	if c.dir == "" {
		return Events{}, errors.ErrUnsupported
	}
	var e Events
	stat, err := c.keyed("cpu.stat")
	if err != nil {
		return Events{}, err
	}
	e.Throttled = stat["nr_throttled"]
	if c.memory {
		memory, err := c.keyed("memory.events")
		if err != nil {
			return Events{}, err
		}
		e.MemoryHigh, e.MemoryMax, e.OOMKills = memory["high"], memory["max"], memory["oom_kill"]
	}
	if c.pids {
		pids, err := c.keyed("pids.events")
		if err != nil {
			return Events{}, err
		}
		e.TasksMax = pids["max"]
	}
	return e, nil
}

func (c *Cgroup) number(name string) (int64, error) {
	text, err := os.ReadFile(filepath.Join(c.dir, name))
	if err != nil {
		return 0, fmt.Errorf("read control group: %w", err)
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", name, err)
	}
	return n, nil
}

func (c *Cgroup) keyed(name string) (map[string]int64, error) {
	text, err := os.ReadFile(filepath.Join(c.dir, name))
	if err != nil {
		return nil, fmt.Errorf("read control group: %w", err)
	}
	return parseKeyed(text), nil
}

// parseKeyed reads the kernel's flat keyed files, "key value" a line. Lines that
// are not of this form are for somebody else.
func parseKeyed(text []byte) map[string]int64 {
	values := make(map[string]int64)
	for line := range bytes.Lines(text) {
		fields := bytes.Fields(line)
		if len(fields) != 2 {
			continue
		}
		if n, err := strconv.ParseInt(string(fields[1]), 10, 64); err == nil {
			values[string(fields[0])] = n
		}
	}
	return values
}
