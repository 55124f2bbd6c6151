package procman

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/procman/sandbox"
)

// openSandbox finds out what the machine offers to contain processes with, and
// says once what it does not.
func openSandbox(c *Config) (*sandbox.Host, error) {
	host := c.Sandbox
	if host == nil {
		var err error
		if host, err = sandbox.Open(sandbox.Config{Deno: c.DenoPath, Logger: c.Logger}); err != nil {
			return nil, fmt.Errorf("open sandbox: %w", err)
		}
	}
	missing := tellMissing(c.Logger, host.Report())
	if c.RequireSandbox && len(missing) > 0 {
		err := fmt.Errorf("the sandbox is required and lacks %s", strings.Join(missing, ", "))
		if c.Sandbox == nil {
			err = errors.Join(err, host.Close())
		}
		return nil, err
	}
	return host, nil
}

// tellMissing logs which layers are not in force, those that are mended alike in
// one record, and returns their names.
func tellMissing(logger *slog.Logger, layers sandbox.Report) (missing []string) {
	var mends []string
	byMend := make(map[string][]sandbox.Layer)
	for _, layer := range layers {
		if layer.InForce {
			continue
		}
		missing = append(missing, layer.Name)
		if byMend[layer.Mend] == nil {
			mends = append(mends, layer.Mend)
		}
		byMend[layer.Mend] = append(byMend[layer.Mend], layer)
	}
	for _, mend := range mends {
		names := make([]string, len(byMend[mend]))
		for i, layer := range byMend[mend] {
			names[i] = layer.Name
		}
		logger.Warn("sandbox layer is missing", "layer", strings.Join(names, ","), "detail", byMend[mend][0].Detail, "hint", mend)
	}
	return missing
}

// A cell is what contains one process, and what there is to do about it.
type cell struct {
	profile sandbox.Profile
	group   *sandbox.Cgroup
	quota   sandbox.DiskQuota
	watched bool // the function can write, so its disk use is looked at
}

// newCell makes the cell of a process. remove must be called when it has ended.
func (f *forker) newCell(l launch, p places, fills bool) (*cell, error) {
	r := l.spec.Release
	env, err := f.config.environment(r, p)
	if err != nil {
		return nil, err
	}
	group, err := f.host.Cgroups().Create(p.id, sandbox.Limits{
		MemoryMaxBytes: int64(l.limits.memory),
		Tasks:          int64(l.limits.tasks),
		CPUPercent:     int64(l.limits.cpu),
	})
	if err != nil {
		return nil, err
	}
	c := &cell{
		profile: sandbox.Profile{
			Args:      f.config.arguments(r, l.limits, p, l.standby),
			Env:       env,
			Dir:       p.home,
			ReadOnly:  []string{p.dir},
			ReadWrite: []string{p.runDir},
			Network:   hasNetwork(r),
			Workers:   r.Workers > 0,
			Cgroup:    group,
			Rlimits: sandbox.Rlimits{
				OpenFiles:     openFiles(l.limits.concurrency),
				FileSizeBytes: uint64(l.limits.disk),
			},
		},
		group: group,
		quota: sandbox.DiskQuota{Dir: p.home, LimitBytes: int64(l.limits.disk)},
	}
	if l.standby {
		c.profile.ReadOnly = append(c.profile.ReadOnly, p.standby)
	}
	if fills {
		c.profile.ReadWrite = append(c.profile.ReadWrite, p.cache)
	} else {
		c.profile.ReadOnly = append(c.profile.ReadOnly, p.cache)
	}
	c.grant(r.Permissions, p.home)
	return c, nil
}

// hasNetwork reports whether the release may open connections.
func hasNetwork(r *denofn.Release) bool {
	return r.Settings.Handler != denofn.HandlerTask && (r.Permissions.Net.All || len(r.Permissions.Net.Allow) > 0)
}

// openFiles is how many descriptors a process gets that takes so many requests:
// one for each, one for what it may open to answer, and some for Deno itself.
func openFiles(concurrency int) uint64 { return uint64(256 + 2*concurrency) }

// grant opens the paths that the function may read and write. Deno's permissions
// are finer than what the kernel is told here, and hold as well.
//
// A function that may write has its own folders to write in, as long as it stays
// within its quota; after that it may only remove from them. One that may not
// needs nobody to look at what it has on disk.
func (c *cell) grant(asked denofn.Permissions, home string) {
	c.watched = asked.Write.All || len(asked.Write.Allow) > 0
	own := []string{filepath.Join(home, dataDir), filepath.Join(home, tmpDir)}
	if c.watched {
		if _, err := c.quota.Check(); err == nil {
			c.profile.ReadWrite = append(c.profile.ReadWrite, own...)
		} else {
			c.profile.RemoveOnly = append(c.profile.RemoveOnly, own...)
			c.watched = false
		}
	} else {
		c.profile.ReadOnly = append(c.profile.ReadOnly, own...)
	}
	c.profile.ReadOnly = append(c.profile.ReadOnly, beyond(home, asked.Read)...)
	c.profile.ReadWrite = append(c.profile.ReadWrite, beyond(home, asked.Write)...)
}

// beyond returns the paths of a that lie outside of the function's home and exist.
func beyond(home string, a denofn.Access) []string {
	if a.All {
		return []string{"/"}
	}
	var paths []string
	for _, path := range a.Allow {
		if _, err := os.Stat(path); err == nil && filepath.IsAbs(path) && !strings.HasPrefix(path, home+"/") {
			paths = append(paths, path)
		}
	}
	return paths
}

// watch returns when the process has ended, or when the function has more on disk
// than it may; then it reports true.
func (c *cell) watch(ctx context.Context, pid int) (exceeded bool) {
	if !c.watched {
		return false
	}
	_, exceeded = errors.AsType[*sandbox.QuotaError](c.quota.Watch(ctx, pid))
	return exceeded
}

// outOfMemory reports whether the process died of its memory limit: the kernel
// killed it, or V8 gave up before that.
func (c *cell) outOfMemory(x exit) bool {
	if events, err := c.group.Events(); err == nil && events.OOMKills > 0 {
		return true
	}
	if x.code == 0 {
		return false
	}
	for _, line := range x.output {
		if strings.Contains(line, "JavaScript heap out of memory") || strings.Contains(line, "Fatal JavaScript out of memory") ||
			strings.Contains(line, "memory allocation of ") {
			return true
		}
	}
	return false
}

func (c *cell) remove() error { return c.group.Remove() }
