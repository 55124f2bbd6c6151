package daemon

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/bundler"
	"github.com/denofn/denofn/procman/sandbox"
)

// bundlerConfig is the table [bundler]: how functions are made. It is the type of
// a field of Config, like the other tables, and has a name only to stand here.
type bundlerConfig = struct {
	// NPMRegistry and JSRRegistry are where packages come from. Default: where Deno
	// looks by itself. They are the addresses of mirrors or of a registry that this
	// network has.
	NPMRegistry string `toml:"npm_registry"`
	JSRRegistry string `toml:"jsr_registry"`
	// Proxy is the HTTP proxy through which everything is fetched. Default: none.
	Proxy string `toml:"proxy"`
	// ImportHosts are the hosts that https: modules may come from, host or host:port.
	// Default: those that Deno itself allows.
	ImportHosts []string `toml:"import_hosts"`
	// SkipScripts are the npm packages that are known to work although their
	// lifecycle scripts are not run. No script ever is.
	SkipScripts []string `toml:"skip_scripts"`
	// Check refuses pushes of any function that has type errors. Default false: a
	// function asks for it in its registry.json.
	Check bool `toml:"check"`
	// Minify makes bundles small and unreadable. Stacks name the author's lines all
	// the same. Default false.
	Minify bool `toml:"minify"`
	// Memory and Timeout are what the bundling of one function may take. Defaults
	// 512M and 1m.
	Memory  denofn.Bytes    `toml:"memory"`
	Timeout denofn.Duration `toml:"timeout"`
	// FetchTimeout is how long the modules of one function may take to download.
	// Default 2m.
	FetchTimeout denofn.Duration `toml:"fetch_timeout"`
	// CacheSize is how much of what was downloaded is kept, and CacheAge for how long
	// after its last use. Defaults 2G and 720h, 30 days.
	CacheSize denofn.Bytes    `toml:"cache_size"`
	CacheAge  denofn.Duration `toml:"cache_age"`
}

// checkBundler says what is wrong in the table, or nothing.
func checkBundler(c bundlerConfig) error {
	for key, value := range map[string]string{"npm_registry": c.NPMRegistry, "jsr_registry": c.JSRRegistry, "proxy": c.Proxy} {
		if value == "" {
			continue
		}
		if u, err := url.Parse(value); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return fmt.Errorf("%s: %q is not an address that begins with http:// or https://", key, value)
		}
	}
	for _, host := range c.ImportHosts {
		if host == "" || strings.ContainsAny(host, ",/ ") {
			return fmt.Errorf("import_hosts: %q is not a host or host:port", host)
		}
	}
	return nil
}

// bundler returns how functions are bundled. What the file leaves out is left to
// the bundler.
func (c *Config) bundler(host *sandbox.Host, logger *slog.Logger) bundler.Config {
	b := c.Bundler
	var env []string
	set := func(value string, names ...string) {
		for _, name := range names {
			if value != "" {
				env = append(env, name+"="+value)
			}
		}
	}
	set(b.NPMRegistry, "NPM_CONFIG_REGISTRY")
	set(b.JSRRegistry, "JSR_URL")
	set(b.Proxy, "HTTP_PROXY", "HTTPS_PROXY")
	return bundler.Config{
		DenoPath:     c.Deno,
		CacheDir:     filepath.Join(c.StateDir, "cache", "_bundler"), // no function is called that
		Env:          env,
		ImportHosts:  slices.Clone(b.ImportHosts),
		SkipScripts:  slices.Clone(b.SkipScripts),
		Minify:       b.Minify,
		FetchTimeout: b.FetchTimeout.Duration,
		Memory:       b.Memory,
		Timeout:      b.Timeout.Duration,
		CacheSize:    b.CacheSize,
		CacheAge:     b.CacheAge.Duration,
		Spawner:      bundlerSpawner{host},
		Logger:       logger,
	}
}

// bundlerSpawner puts what the bundler starts into sandboxes. It implements
// bundler.Spawner.
type bundlerSpawner struct {
	host *sandbox.Host
}

// fetchTasks is how many threads a Deno that fetches may have.
const fetchTasks = 64

func (s bundlerSpawner) Command(ctx context.Context, c bundler.Child) (*exec.Cmd, func(), error) {
	group, err := s.host.Cgroups().Create("_bundler-"+strings.ToLower(rand.Text()[:10]), sandbox.Limits{
		MemoryMaxBytes: c.Memory,
		Tasks:          fetchTasks,
	})
	if err != nil {
		return nil, nil, err
	}
	profile := sandbox.Profile{
		Args:      c.Args,
		Env:       c.Env,
		Dir:       c.Dir,
		ReadWrite: c.ReadWrite,
		Network:   c.Network,
		Cgroup:    group,
		Rlimits:   sandbox.Rlimits{OpenFiles: 4096},
	}
	if c.Worker {
		profile.Path, profile.Name = sandbox.Self, bundler.WorkerName
	}
	command, err := s.host.CommandContext(ctx, profile)
	if err != nil {
		_ = group.Remove()
		return nil, nil, err
	}
	return command, func() { _ = group.Remove() }, nil
}

func (s bundlerSpawner) Start(command *exec.Cmd) error { return s.host.Start(command) }
