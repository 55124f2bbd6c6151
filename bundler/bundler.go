// Package bundler turns a function's source into one JavaScript file that Deno
// runs without looking anything up.
//
// In goes a tree of files, in production a commit read straight from git's
// objects, and the path of an entry module; out come the code, its source map,
// and the list of everything in the tree that shaped them. There is no checkout:
// esbuild parses, links and prints, and what a name means and what a file holds
// is decided here (resolve.go, load.go).
//
//   - Paths are exact, as Deno resolves them. No extension is guessed; the error
//     suggests the file that was meant.
//   - A relative import may lead anywhere in the tree, and never out of it,
//     symbolic links included.
//   - `denofn/micro`, and the spellings that earlier versions had for it, are the
//     library of package micro.
//   - The runtime of package micro is the first module of every bundle.
//
// Whatever is wrong in the source is reported as denofn.Diagnostics: all
// findings at once, sorted, with the line and a hint.
package bundler

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/micro"
)

const (
	// esbuildVersion is the version that go.mod names; a test compares them.
	esbuildVersion = "0.28.2"
	// format is raised whenever the same source gives another bundle for a reason
	// of ours.
	format = 1
)

// Version identifies everything that shapes a bundle beside its source: the
// version of esbuild, the embedded library, and what this package makes of them.
// Bundles of two versions may differ.
func Version() string {
	return fmt.Sprintf("%d+esbuild-%s+micro-%s", format, esbuildVersion, microHash())
}

func microHash() string {
	h := sha256.New()
	fs.WalkDir(micro.Files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := micro.Files.ReadFile(path)
		fmt.Fprintf(h, "%s %d\n%s", path, len(content), content)
		return err
	})
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// A Tree is the source of functions: a read-only file system with git's hash of
// each file. Paths are slash-separated from the root. It must be safe for
// concurrent use, and its links must not lead out of it.
type Tree interface {
	fs.ReadFileFS
	fs.ReadDirFS
	fs.ReadLinkFS
	// Hash returns the git blob hash of a file, of a link that of its target text.
	// It follows no links.
	Hash(path string) (string, error)
}

// Config is how a Bundler works. The zero value of a field is the default that it
// names.
type Config struct {
	// DenoPath is the Deno that looks up and fetches what is not in the tree. Empty:
	// such imports are errors.
	DenoPath string
	// CacheDir keeps what was fetched. It is shared by all functions and can be
	// deleted at any time. Required with DenoPath.
	CacheDir string
	// Env is added to the environment of the Deno that fetches: addresses of
	// registries and proxies.
	Env []string
	// ImportHosts are the hosts that https: modules may come from. Default: those
	// that Deno itself allows.
	ImportHosts []string
	// SkipScripts names the npm packages that work although their lifecycle scripts
	// are not run.
	SkipScripts []string
	// Minify makes bundles small and unreadable. Stacks name the author's lines all
	// the same.
	Minify bool
	// FetchTimeout is how long one function's modules may take to fetch. Default 2
	// minutes.
	FetchTimeout time.Duration
	// Spawner starts child processes. Default: Deno without a sandbox, and no
	// workers: everything else happens in this process.
	Spawner Spawner
	// Memory and Timeout are what one worker and one function may take. Defaults:
	// 512M and 1 minute.
	Memory  denofn.Bytes
	Timeout time.Duration
	// CacheSize and CacheAge bound the cache: when it is larger, what was used the
	// longest time ago is removed, and what was not used for that long is in any
	// case. Defaults: 2G and 30 days.
	CacheSize denofn.Bytes
	CacheAge  time.Duration
	// Logger hears of what is not an error of anybody's push. Default: none.
	Logger *slog.Logger
	// Workers is how many functions are bundled at once, whoever asks. Default: the
	// number of CPUs.
	Workers int
}

// A Bundler makes bundles. It is safe for concurrent use.
type Bundler struct {
	config  Config
	spawner Spawner

	crew      *crew      // nil: compile in this process
	fetching  sync.Mutex // held by the one that runs Deno on the shared cache; guards the next two
	grown     int64      // bytes added to the cache since it was collected
	collected time.Time
	queueing  sync.Mutex // guards queue
	queue     []*asked

	deno func() (string, error) // its version, found out once
}

// New returns a Bundler, which must be closed.
func New(config Config) (*Bundler, error) {
	if config.DenoPath != "" && config.CacheDir == "" {
		return nil, errors.New("a bundler with a Deno needs a cache folder")
	}
	if config.CacheDir != "" {
		// Deno knows its folder by its real path, which what it says is compared with.
		if err := os.MkdirAll(config.CacheDir, 0o700); err != nil {
			return nil, fmt.Errorf("make cache: %w", err)
		}
		real, err := filepath.EvalSymlinks(config.CacheDir)
		if err == nil {
			real, err = filepath.Abs(real)
		}
		if err != nil {
			return nil, fmt.Errorf("find cache: %w", err)
		}
		config.CacheDir = real
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	config.CacheSize = cmp.Or(config.CacheSize, 2<<30)
	config.CacheAge = cmp.Or(config.CacheAge, 30*24*time.Hour)
	config.FetchTimeout = cmp.Or(config.FetchTimeout, 2*time.Minute)
	b := &Bundler{config: config, spawner: config.Spawner}
	if b.spawner == nil {
		b.spawner = plain{config.DenoPath}
	} else {
		b.crew = &crew{
			spawner: config.Spawner,
			memory:  int64(cmp.Or(config.Memory, 512<<20)),
			timeout: cmp.Or(config.Timeout, time.Minute),
			logger:  config.Logger,
			slots:   make(chan struct{}, cmp.Or(config.Workers, runtime.GOMAXPROCS(0))),
		}
	}
	b.deno = sync.OnceValues(b.askVersion)
	if err := b.sweep(); err != nil {
		return nil, fmt.Errorf("clean cache: %w", err)
	}
	return b, nil
}

// Close ends the children that wait for work. Nothing may be being bundled.
func (b *Bundler) Close() error {
	if b.crew != nil {
		b.crew.close()
	}
	return nil
}

// compile compiles in a worker, if there are any, and says how long that took.
func (b *Bundler) compile(ctx context.Context, files source, j job) (*outcome, time.Duration, error) {
	if b.crew == nil {
		began := time.Now()
		out, err := compile(ctx, files, j)
		return out, time.Since(began), err
	}
	return b.crew.compile(ctx, files, j)
}

// A Source is a function to bundle.
type Source struct {
	Tree  Tree
	Entry string // path of the entry module
	Dir   string // the function's folder; default: that of Entry
	// Include are globs, from Dir, of files that are shipped with the release. They
	// come back in Result.Files.
	Include []string
	// Check has Deno check the types of the function's own modules.
	Check bool
	// AllowUnversioned lets the function import packages without saying which
	// version.
	AllowUnversioned bool
}

// A Result is what a function was bundled to.
type Result struct {
	Code      []byte             // main.js
	SourceMap []byte             // main.js.map, to which Code refers by that name
	Inputs    []denofn.Input     // what was read of the tree, sorted by path
	Files     map[string][]byte  // more files of the release, by path in its folder
	Workers   int                // modules that the code starts as workers
	Warnings  denofn.Diagnostics // worth knowing, not fatal
	Took      time.Duration      // the work on it, without its turn or that of Deno
}

// Bundle bundles a function. Errors about its source are denofn.Diagnostics.
func (b *Bundler) Bundle(ctx context.Context, source Source) (*Result, error) {
	if !fs.ValidPath(source.Entry) {
		return nil, fmt.Errorf("bundle %q: %w", source.Entry, fs.ErrInvalid)
	}
	t := &task{bundler: b, source: source, files: newRecorder(source.Tree), packs: packs{dir: b.packsDir()}}
	defer t.packs.close()
	result, err := t.run(ctx)
	if found, ok := errors.AsType[denofn.Diagnostics](err); ok {
		return nil, tidy(found)
	}
	if err == nil {
		result.Warnings = tidy(result.Warnings)
	}
	return result, err
}
