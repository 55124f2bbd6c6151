package bundler

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/denofn/denofn"
)

// A source of files is what compile reads: a recorder, or one at the other end of
// a pipe.
type source interface {
	// Read returns a file of the tree, and List the names in a folder of it.
	Read(name string) file
	List(dir string) []string
	// Packed returns a file of a pack, and Names what is in one.
	Packed(pack, name string) file
	Names(pack string) []string
}

// A job is what compile is asked for.
type job struct {
	Entry string `json:"entry"`
	// Dir and Include say what is shipped beside the code.
	Dir     string   `json:"dir"`
	Include []string `json:"include,omitempty"`
	// Graph has the answers to the imports that are not paths, as far as they are
	// known.
	Graph *graph `json:"graph,omitempty"`
	// CompilerOptions are those of deno.json; Settled says that it was read.
	CompilerOptions map[string]json.RawMessage `json:"compilerOptions,omitempty"`
	Settled         bool                       `json:"settled,omitempty"`
	Minify          bool                       `json:"minify,omitempty"`
}

// A want is an import that the graph of the job has no answer to.
type want struct {
	Importer  string `json:"importer"` // path in the tree
	Specifier string `json:"specifier"`
	Type      string `json:"type,omitempty"` // attribute
}

func compareWants(a, b want) int {
	return cmp.Or(cmp.Compare(a.Importer, b.Importer), cmp.Compare(a.Specifier, b.Specifier), cmp.Compare(a.Type, b.Type))
}

// An outcome is what compile made of a job. The code is whole when there are
// neither Errors nor Wanted imports.
type outcome struct {
	Wanted    []want
	Unsettled bool              // what was made may depend on compilerOptions, which the job did not have
	Files     map[string][]byte // of the release, by path
	Errors    denofn.Diagnostics
	Warnings  denofn.Diagnostics
}

// The files of a release: the code of the function, and the map that its last line
// refers to. Deno reads the map when it prints a stack, so a start does not pay
// for it.
const (
	mainFile = "main.js"
	mapFile  = mainFile + ".map"
)

// compile bundles a function with esbuild, and each of the workers that it
// starts. esbuild touches neither the disk nor the network: every name goes
// through resolve and every file through load.
func compile(ctx context.Context, files source, j job) (*outcome, error) {
	c := &compiler{
		files: files, job: j,
		wanted: make(map[want]bool), packages: make(map[string]*packageTree), workers: make(map[string]bool), assets: make(map[string][]byte),
		unshipped: make(map[string]denofn.Diagnostic),
	}
	out := &outcome{Files: make(map[string][]byte)}
	if err := c.build(ctx, out, output{entryModule, mainFile, "./" + filesDir}); err != nil {
		return nil, err
	}
	built := make(map[string]bool)
	for again := true; again; {
		again = false
		for _, name := range slices.Sorted(maps.Keys(c.workers)) {
			if built[name] {
				continue
			}
			built[name], again = true, true
			if err := c.buildWorker(ctx, out, name); err != nil {
				return nil, err
			}
		}
	}
	maps.Copy(out.Files, c.assets)
	for name, d := range c.unshipped {
		if !c.workers[name] {
			out.Warnings = append(out.Warnings, d)
		}
	}
	out.Errors = out.Errors.Sort()
	out.Unsettled = c.unsettled
	out.Wanted = slices.SortedFunc(maps.Keys(c.wanted), compareWants)
	return out, nil
}

// An output is one bundle of a function.
type output struct {
	entry string // path in spaceOwn
	file  string // in the release
	files string // how filesDir is spelt from there
}

// build makes one bundle and adds it, or what is wrong with it, to out.
func (c *compiler) build(ctx context.Context, out *outcome, o output) error {
	c.output = o
	build, buildErr := api.Context(c.options())
	if buildErr != nil {
		return fmt.Errorf("start esbuild: %w", buildErr)
	}
	defer build.Dispose()
	stop := context.AfterFunc(ctx, build.Cancel)
	defer stop()
	result := build.Rebuild()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	out.Errors = append(out.Errors, c.diagnostics(result.Errors)...)
	out.Warnings = append(out.Warnings, ofAuthor(c.diagnostics(result.Warnings))...)
	for _, f := range result.OutputFiles {
		content, err := publicComments(f.Contents), error(nil)
		if strings.HasSuffix(f.Path, ".map") {
			if content, err = publicSources(f.Contents); err != nil {
				return fmt.Errorf("read source map: %w", err)
			}
		}
		out.Files[strings.TrimPrefix(f.Path, "/")] = content
	}
	return nil
}

// A compiler is one function on its way through esbuild.
type compiler struct {
	files  source
	job    job
	output output // that is being built

	mu        sync.Mutex // guards what follows: esbuild asks from many goroutines
	wanted    map[want]bool
	packages  map[string]*packageTree      // by ID
	workers   map[string]bool              // entry modules of workers, by path in the tree
	assets    map[string][]byte            // files of packages, by path in the release
	unshipped map[string]denofn.Diagnostic // files that are read and not shipped, by path; workers are
	unsettled bool
}

// options are the same on every machine: nothing of the environment, the working
// folder or the time gets into a bundle.
func (c *compiler) options() api.BuildOptions {
	return api.BuildOptions{
		EntryPointsAdvanced: []api.EntryPoint{{InputPath: c.output.entry, OutputPath: strings.TrimSuffix(c.output.file, ".js")}},
		AbsWorkingDir:       "/",
		Outdir:              "/",
		Bundle:              true,
		Format:              api.FormatESModule,
		Platform:            api.PlatformNeutral,
		Target:              api.ESNext,
		Supported:           map[string]bool{"decorators": false}, // V8 has none yet
		Charset:             api.CharsetUTF8,
		LegalComments:       api.LegalCommentsNone,
		TreeShaking:         api.TreeShakingTrue,
		MinifyWhitespace:    c.job.Minify,
		MinifySyntax:        c.job.Minify,
		MinifyIdentifiers:   c.job.Minify,
		Sourcemap:           api.SourceMapLinked,
		SourcesContent:      api.SourcesContentExclude,
		TsconfigRaw:         c.job.tsconfig(),
		Inject:              []string{processSpecifier},
		Define:              map[string]string{"process.env.NODE_ENV": `"production"`},
		LogLevel:            api.LogLevelSilent,
		Plugins: []api.Plugin{{Name: "denofn", Setup: func(build api.PluginBuild) {
			build.OnResolve(api.OnResolveOptions{Filter: ".*"}, c.resolve)
			build.OnLoad(api.OnLoadOptions{Filter: ".*"}, c.load)
		}}},
	}
}

// validFile reports whether an outcome may hold a file of that name.
func validFile(name string) bool {
	return name == mainFile || name == mapFile || fs.ValidPath(name) && strings.HasPrefix(name, filesDir+"/")
}
