package daemon

import (
	"log/slog"
	"path/filepath"

	"github.com/denofn/denofn/procman"
	"github.com/denofn/denofn/procman/sandbox"
)

// pool returns how functions are run. What the file leaves out is left to procman.
func (c *Config) pool(host *sandbox.Host, logger *slog.Logger, sink procman.LogSink) procman.Config {
	f := c.Functions
	return procman.Config{
		DenoPath:        c.Deno,
		RuntimeDir:      c.RuntimeDir,
		HomeDir:         filepath.Join(c.StateDir, "home"),
		CacheDir:        filepath.Join(c.StateDir, "cache"),
		IdleTimeout:     f.IdleTimeout.Duration,
		Timeout:         f.Timeout.Duration,
		StartTimeout:    f.StartTimeout.Duration,
		MaxQueue:        f.MaxQueue,
		QueueTimeout:    f.QueueTimeout.Duration,
		Concurrency:     f.Concurrency,
		Calls:           f.Calls,
		Warmups:         f.Warmups,
		Memory:          f.Memory,
		CPU:             f.CPU,
		Tasks:           f.Tasks,
		Disk:            f.Disk,
		Standby:         f.Standby,
		StandbyReserve:  f.StandbyReserve,
		LogRate:         f.LogRate,
		Sandbox:         host,
		RequireSandbox:  f.RequireSandbox,
		AllowPrivateNet: c.Policy.AllowPrivateNet,
		Logger:          logger,
		Output:          sink,
	}
}
