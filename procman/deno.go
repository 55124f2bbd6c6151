package procman

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/denofn/denofn"
)

const (
	mainModule = "main.js"
	socketName = "http.sock"
	dataDir    = "data"
	tmpDir     = "tmp"
)

// maxSocketPath is the longest path that Linux takes for a socket, in bytes.
const maxSocketPath = 107

func longestSocketPath(runtimeDir string) int {
	return len(runtimeDir) + len("/") + denofn.MaxNameLength + len("-9999999/"+socketName)
}

// places are the paths that one process has to do with.
type places struct {
	main   string // the module
	home   string // working directory and HOME
	cache  string // DENO_DIR
	runDir string // the folder of the socket
	socket string
}

func (c *Config) placesOf(l launch) places {
	name := string(l.spec.Release.Function)
	p := places{
		main:   filepath.Join(l.spec.Dir, mainModule),
		home:   filepath.Join(c.HomeDir, name),
		cache:  filepath.Join(c.CacheDir, name),
		runDir: filepath.Join(c.RuntimeDir, name+"-"+strconv.Itoa(l.number)),
	}
	p.socket = filepath.Join(p.runDir, socketName)
	return p
}

// fixedFlags go before the permissions of every process. None of them costs
// anything, and each closes a door: no question is asked on a terminal that is
// not there, and nothing but the bundle is read or downloaded to be run.
var fixedFlags = []string{
	"--quiet", "--no-prompt", "--no-config", "--no-lock", "--no-npm", "--no-remote", "--cached-only",
}

// arguments returns the arguments of Deno for a process of the release.
func (c *Config) arguments(r *denofn.Release, p places) []string {
	args := slices.Concat([]string{"run"}, fixedFlags, c.permissions(r, p).Flags())
	return append(args, p.main, p.socket)
}

// permissions returns what the release asks for, with the paths of this machine,
// and beyond that just what serving takes: the process's own socket, which the
// runtime gives up once it listens, and the environment values of the release.
func (c *Config) permissions(r *denofn.Release, p places) denofn.Permissions {
	asked := r.Permissions
	asked.Read = inHome(asked.Read, p.home)
	asked.Write = inHome(asked.Write, p.home)
	if !c.AllowPrivateNet {
		asked.Net.Deny = append(slices.Clone(asked.Net.Deny), privateNet(asked.Net)...)
	}
	socket := denofn.Access{Allow: []string{p.socket}}
	return denofn.Permissions{
		Net:   asked.Net.Merge(denofn.Access{Allow: []string{"unix:" + p.socket}}),
		Env:   asked.Env.Merge(denofn.Access{Allow: r.Settings.EnvNames()}),
		Read:  asked.Read.Merge(socket),
		Write: asked.Write.Merge(socket),
		Sys:   asked.Sys,
	}
}

// inHome makes the relative paths of a absolute below the function's home. A path
// that would lead out of it stays inside: Clean drops what climbs above the root.
func inHome(a denofn.Access, home string) denofn.Access {
	absolute := func(paths []string) []string {
		out := slices.Clone(paths)
		for i, path := range out {
			if !filepath.IsAbs(path) {
				out[i] = filepath.Join(home, filepath.Clean("/"+path))
			}
		}
		return out
	}
	a.Allow, a.Deny = absolute(a.Allow), absolute(a.Deny)
	return a
}

// environment returns the whole environment of a process. Nothing of the
// daemon's own gets into it. A value of the release that would change the program
// that runs functions, instead of the function, is an error.
func (c *Config) environment(r *denofn.Release, p places) ([]string, error) {
	var env []string
	for _, name := range r.Settings.EnvNames() {
		if steersDeno(name) {
			return nil, fmt.Errorf("environment value %s may not be set by a function", name)
		}
		env = append(env, name+"="+r.Settings.Env[name])
	}
	// The last of two values wins.
	return append(env,
		"HOME="+p.home,
		"TMPDIR="+filepath.Join(p.home, tmpDir),
		"PATH=/usr/bin:/bin",
		"NO_COLOR=1",
		"DENO_NO_UPDATE_CHECK=1",
		"DENO_DIR="+p.cache,
	), nil
}

// steersDeno reports whether the dynamic linker, the C library or Deno itself
// reads the variable. With LD_PRELOAD a function would leave every permission
// behind.
func steersDeno(name string) bool {
	return strings.ContainsAny(name, "=\x00") || name == "" || name == "GCONV_PATH" || name == "NODE_OPTIONS" ||
		slices.ContainsFunc([]string{"LD_", "DENO_", "GLIBC_", "MALLOC_"}, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}
