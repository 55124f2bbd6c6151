package bundler

import (
	"cmp"
	"context"
	"fmt"
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
	// Graph has the answers to the imports that are not paths, as far as they are
	// known.
	Graph *graph `json:"graph,omitempty"`
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
	Code      []byte
	SourceMap []byte
	Errors    denofn.Diagnostics
	Warnings  denofn.Diagnostics
}

// mapName is the file that the last line of the code refers to. Deno reads it
// when it prints a stack, so a start does not pay for it.
const mapName = "main.js.map"

// compile bundles a function with esbuild. esbuild touches neither the disk nor
// the network: every name goes through resolve and every file through load.
func compile(ctx context.Context, files source, j job) (*outcome, error) {
	c := &compiler{files: files, job: j, wanted: make(map[want]bool), packages: make(map[string]*packageTree)}
	build, buildErr := api.Context(c.options())
	if buildErr != nil {
		return nil, fmt.Errorf("start esbuild: %w", buildErr)
	}
	defer build.Dispose()
	stop := context.AfterFunc(ctx, build.Cancel)
	defer stop()
	result := build.Rebuild()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	out := &outcome{Errors: c.diagnostics(result.Errors), Warnings: c.diagnostics(result.Warnings)}
	out.Wanted = slices.SortedFunc(maps.Keys(c.wanted), compareWants)
	if len(result.Errors) > 0 || len(out.Wanted) > 0 {
		return out, nil
	}
	for _, f := range result.OutputFiles {
		if strings.HasSuffix(f.Path, ".map") {
			out.SourceMap = f.Contents
		} else {
			out.Code = f.Contents
		}
	}
	var err error
	if out.SourceMap, err = publicSources(out.SourceMap); err != nil {
		return nil, fmt.Errorf("read source map: %w", err)
	}
	out.Code = publicComments(out.Code)
	return out, nil
}

// A compiler is one run of esbuild.
type compiler struct {
	files source
	job   job

	mu       sync.Mutex // guards what follows: esbuild asks from many goroutines
	wanted   map[want]bool
	packages map[string]*packageTree // by ID
}

// options are the same on every machine: nothing of the environment, the working
// folder or the time gets into a bundle.
func (c *compiler) options() api.BuildOptions {
	return api.BuildOptions{
		EntryPointsAdvanced: []api.EntryPoint{{InputPath: entryModule, OutputPath: "main"}},
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
		Sourcemap:           api.SourceMapLinked,
		SourcesContent:      api.SourcesContentExclude,
		TsconfigRaw:         `{"compilerOptions":{"target":"ESNext","useDefineForClassFields":true}}`,
		Define:              map[string]string{"process.env.NODE_ENV": `"production"`},
		LogLevel:            api.LogLevelSilent,
		Plugins: []api.Plugin{{Name: "denofn", Setup: func(build api.PluginBuild) {
			build.OnResolve(api.OnResolveOptions{Filter: ".*"}, c.resolve)
			build.OnLoad(api.OnLoadOptions{Filter: ".*"}, c.load)
		}}},
	}
}
