package bundler

import (
	"fmt"
	"path"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// load returns the content of a module that resolve has named.
func (c *compiler) load(args api.OnLoadArgs) (api.OnLoadResult, error) {
	name := unmarked(args.Path)
	switch args.Namespace {
	case spaceOwn:
		return c.loadOwn(name), nil
	case spaceRepo:
		return c.loadRepo(name, args.With["type"]), nil
	case spaceNPM:
		return c.loadPackage(name, args.With["type"]), nil
	case spaceURL:
		return c.loadRemote(name, args.With["type"]), nil
	case spaceNode:
		return loaded(nodeModule(name, name != args.Path), api.LoaderJS), nil
	case spaceVoid:
		return loaded(absentModule(name, fmt.Sprint(args.PluginData)), api.LoaderJS), nil
	}
	return api.OnLoadResult{}, nil // esbuild's own: a data URL
}

func (c *compiler) loadOwn(name string) api.OnLoadResult {
	if name == entryModule {
		text := `import { start } from "` + runtimeSpecifier + `";` + "\n" +
			`import * as module from "` + authorSpecifier + `";` + "\n" +
			"start(module);\n"
		return loaded([]byte(text), api.LoaderJS)
	}
	if worker, ok := strings.CutPrefix(name, workerPrefix); ok {
		return loaded([]byte("import "+quoteJS(workerPrefix+worker)+";\n"), api.LoaderJS)
	}
	if name == processSpecifier {
		return loaded([]byte(processModule), api.LoaderJS)
	}
	if module, ok := strings.CutPrefix(name, metaPrefix); ok {
		return loaded(c.metaModule(module), api.LoaderJS)
	}
	content, ok := microFile(strings.TrimPrefix(name, microPrefix))
	if !ok {
		return api.OnLoadResult{Errors: []api.Message{{Text: "denofn has no module " + name}}}
	}
	return loaded(content, api.LoaderTS)
}

func (c *compiler) loadRepo(name, attribute string) api.OnLoadResult {
	f := c.files.Read(name)
	if f.Fault != faultNone {
		return api.OnLoadResult{Errors: []api.Message{{Text: "cannot be read: " + f.Text}}}
	}
	if attribute != "" {
		return loaded(f.Content, attributes[attribute])
	}
	if path.Ext(name) == ".wasm" {
		return loadWasm(f.Content)
	}
	c.noteSettings(name, f.Content)
	return c.withMeta(spaceRepo+":"+name, withRuntime(f.Content), loaders[path.Ext(name)])
}

func loaded(content []byte, loader api.Loader) api.OnLoadResult {
	text := string(content)
	return api.OnLoadResult{Contents: &text, Loader: loader}
}
