package bundler

import (
	"context"
	"fmt"
	"strings"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/denofn/denofn"
)

// A source of files is what compile reads: a recorder, or one at the other end of
// a pipe.
type source interface {
	Read(name string) file
	List(dir string) []string
}

// A job is what compile is asked for.
type job struct {
	Entry string
}

// An outcome is what compile made of a job: either there are Errors, or the
// code is whole.
type outcome struct {
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
	c := &compiler{files: files, job: j}
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
	if len(result.Errors) > 0 {
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
		LogLevel:            api.LogLevelSilent,
		Plugins: []api.Plugin{{Name: "denofn", Setup: func(build api.PluginBuild) {
			build.OnResolve(api.OnResolveOptions{Filter: ".*"}, c.resolve)
			build.OnLoad(api.OnLoadOptions{Filter: ".*"}, c.load)
		}}},
	}
}
