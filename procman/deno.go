package procman

import (
	"crypto/rand"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
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
	return len(runtimeDir) + len("/") + denofn.MaxNameLength + len("-") + suffixLength + len("/"+socketName)
}

// places are the paths that one process has to do with.
type places struct {
	id     string // NAME-N, the name of the process on this machine
	dir    string // of the release
	home   string // working directory and HOME
	cache  string // DENO_DIR
	runDir string // the folder of the socket
	socket string

	standby string // the main module of standby processes
}

func (c *Config) placesOf(spec Spec, suffix string) places {
	name := string(spec.Release.Function)
	p := places{
		id:    name + "-" + suffix,
		dir:   spec.Dir,
		home:  filepath.Join(c.HomeDir, name),
		cache: filepath.Join(c.CacheDir, name, string(spec.Release.ID)),
	}
	p.runDir = filepath.Join(c.RuntimeDir, p.id)
	p.socket = filepath.Join(p.runDir, socketName)
	p.standby = filepath.Join(c.RuntimeDir, standbyName)
	return p
}

// newSuffix returns what tells processes of one function apart. It is random,
// because a function that has left Deno's permissions behind can connect to any
// socket whose path it knows: no rule of older kernels is against it.
func newSuffix() string {
	return strings.ToLower(rand.Text())[:suffixLength]
}

const suffixLength = 7

// fixedFlags go before the permissions of every process. None of them costs
// anything, and each closes a door: no question is asked on a terminal that is
// not there, and nothing but the bundle is read or downloaded to be run.
var fixedFlags = []string{
	"--quiet", "--no-prompt", "--no-config", "--no-lock", "--no-npm", "--no-remote", "--cached-only",
}

// arguments returns the arguments of Deno for a process of the release. A standby
// process has another main module, which imports the release's own: so it may read
// that one file, until the runtime has given that up too.
func (c *Config) arguments(r *denofn.Release, l limits, p places, standby bool) []string {
	main, permissions := filepath.Join(p.dir, mainModule), c.permissions(r, p)
	modules := []string{main, p.socket}
	if standby {
		modules = []string{p.standby, p.socket, main}
		permissions.Read = permissions.Read.Merge(denofn.Access{Allow: []string{main}})
	}
	return slices.Concat([]string{"run"}, fixedFlags, []string{heapFlag(l.memory)}, permissions.Flags(), modules)
}

// heapFlag tells V8 how much memory there is. It would look at the machine's, see
// no reason to collect garbage, and be killed at the limit. A quarter is left for
// what is not on its heap.
func heapFlag(memory denofn.Bytes) string {
	return fmt.Sprintf("--v8-flags=--max-old-space-size=%d", max(16, int64(memory)/4*3>>20))
}

// permissions returns what the release asks for, with the paths of this machine,
// and beyond that just what serving takes: the process's own socket, which the
// runtime gives up once it listens, and the environment values of the release.
func (c *Config) permissions(r *denofn.Release, p places) denofn.Permissions {
	asked := r.Permissions
	asked.Read = inHome(asked.Read, p.home)
	asked.Write = inHome(asked.Write, p.home)
	if r.Settings.Handler == denofn.HandlerTask {
		asked.Net = denofn.Access{}
	} else if !c.AllowPrivateNet {
		asked.Net.Deny = append(slices.Clone(asked.Net.Deny), privateNet(asked.Net)...)
	}
	socket := denofn.Access{Allow: []string{p.socket}}
	return denofn.Permissions{
		Net:   asked.Net.Merge(denofn.Access{Allow: []string{"unix:" + p.socket}}),
		Env:   asked.Env.Merge(denofn.Access{Allow: r.Settings.EnvNames()}),
		Read:  asked.Read.Merge(socket).Merge(shipped(r, p)),
		Write: asked.Write.Merge(socket),
		Sys:   asked.Sys,
	}
}

// shipped is the grant to read the files that came with the release.
func shipped(r *denofn.Release, p places) denofn.Access {
	if r.FilesBytes == 0 {
		return denofn.Access{}
	}
	return denofn.Access{Allow: []string{filepath.Join(p.dir, denofn.FilesDir)}}
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
	values := maps.Clone(r.Settings.Env)
	if values == nil {
		values = make(map[string]string)
	}
	for name := range values {
		if steersDeno(name) {
			return nil, fmt.Errorf("environment value %s may not be set by a function", name)
		}
	}
	maps.Copy(values, map[string]string{
		"HOME":                 p.home,
		"TMPDIR":               filepath.Join(p.home, tmpDir),
		"PATH":                 "/usr/bin:/bin",
		"NO_COLOR":             "1",
		"DENO_NO_UPDATE_CHECK": "1",
		"DENO_DIR":             p.cache,
	})
	env := make([]string, 0, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		env = append(env, name+"="+values[name])
	}
	return env, nil
}

// steersDeno reports whether the dynamic linker, the C library or Deno itself
// reads the variable. With LD_PRELOAD a function would leave every permission
// behind.
func steersDeno(name string) bool {
	return strings.ContainsAny(name, "=\x00") || name == "" || name == "GCONV_PATH" || name == "NODE_OPTIONS" ||
		slices.ContainsFunc([]string{"LD_", "DENO_", "GLIBC_", "MALLOC_"}, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}
