package bundler

import (
	"path"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// resolveRemote resolves an import of a remote module. Deno has followed them all
// when it made the graph.
func (c *compiler) resolveRemote(args api.OnResolveArgs) api.OnResolveResult {
	if strings.HasPrefix(args.Path, metaPrefix) {
		return api.OnResolveResult{Path: args.Path, Namespace: spaceOwn}
	}
	if isMicro(args.Path) {
		return microModule("mod.ts")
	}
	if builtin, ok := strings.CutPrefix(args.Path, "node:"); ok && isBuiltin(builtin) {
		return api.OnResolveResult{Path: args.Path, External: true}
	}
	if strings.HasPrefix(args.Path, "data:") {
		return api.OnResolveResult{}
	}
	t, ok := c.job.Graph.find(unmarked(args.Importer), args.Path)
	if !ok {
		return refuse("Deno did not find "+quote(args.Path), "")
	}
	return c.target(args, t)
}

// mediaLoaders are the kinds of modules as Deno tells them from the headers of an
// answer and the end of an address.
var mediaLoaders = map[string]api.Loader{
	"TypeScript": api.LoaderTS,
	"Mts":        api.LoaderTS,
	"Cts":        api.LoaderTS,
	"TSX":        api.LoaderTSX,
	"JavaScript": api.LoaderJS,
	"Mjs":        api.LoaderJS,
	"Cjs":        api.LoaderJS,
	"JSX":        api.LoaderJSX,
	"Json":       api.LoaderJSON,
	"Dts":        api.LoaderTS,
}

func (c *compiler) loadRemote(address, attribute string) api.OnLoadResult {
	f := c.files.Packed(c.job.Graph.RemotePack, address)
	if f.Fault != faultNone {
		return api.OnLoadResult{Errors: []api.Message{{Text: address + " cannot be read: " + string(f.Fault) + f.Text}}}
	}
	if loader, ok := attributes[attribute]; ok {
		return loaded(f.Content, loader)
	}
	loader, ok := mediaLoaders[c.job.Graph.Remote[address].Media]
	if !ok {
		loader = loaders[path.Ext(address)]
	}
	if c.job.Graph.Remote[address].Media == "Wasm" {
		return loadWasm(f.Content)
	}
	return c.withMeta(address, withRuntime(f.Content), loader)
}
