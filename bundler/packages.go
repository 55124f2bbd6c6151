package bundler

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// packagePath returns the path under which esbuild knows a file of a package.
func packagePath(id, name string) string { return id + "/" + name }

// splitPackagePath is its inverse. Only the scope of an ID has a slash.
func splitPackagePath(p string) (id, name string) {
	skip := 0
	if strings.HasPrefix(p, "@") {
		skip = strings.IndexByte(p, '/') + 1
	}
	slash := strings.IndexByte(p[skip:], '/')
	if slash < 0 {
		return p, ""
	}
	return p[:skip+slash], p[skip+slash+1:]
}

// packageOf returns the tree of a package of the graph.
func (c *compiler) packageOf(id string) (*packageTree, npmPackage, error) {
	info, ok := c.job.Graph.Packages[id]
	if !ok {
		return nil, info, fmt.Errorf("package %s is not installed", id)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p, ok := c.packages[id]
	if !ok {
		p = newPackageTree(c.files.Names(info.Pack), func(name string) []byte { return c.files.Packed(info.Pack, name).Content })
		c.packages[id] = p
	}
	return p, info, nil
}

// packageModule returns the module under a subpath of a package.
func (c *compiler) packageModule(args api.OnResolveArgs, id, subpath string) api.OnResolveResult {
	p, info, err := c.packageOf(id)
	if err != nil {
		return refuse(err.Error(), "")
	}
	if r, bad := refusePackage(info); bad {
		return r
	}
	found, err := p.entry(subpath, conditionsOf(args.Kind))
	if err != nil {
		what := info.Name + strings.TrimPrefix(subpath, ".")
		if !errors.Is(err, errNotExported) {
			return refuse(fmt.Sprintf("%s is not in version %s of the package", what, info.Version), "")
		}
		return refuse(fmt.Sprintf("%s is not exported by version %s of the package", what, info.Version), exportsHint(p, info.Name))
	}
	return packageFile(p, id, found)
}

// refusePackage refuses what does not work without having been installed.
func refusePackage(info npmPackage) (api.OnResolveResult, bool) {
	switch at := info.Name + "@" + info.Version; {
	case info.Native != "":
		return refuse(fmt.Sprintf("npm:%s needs a native addon (%s), which cannot be part of a bundle and would run outside Deno's permissions", at, info.Native),
			"use a package that is written in JavaScript or compiled to WebAssembly"), true
	case len(info.Scripts) > 0:
		return refuse(fmt.Sprintf("npm:%s wants to run scripts when it is installed (%s), and no package's scripts are ever run here", at, strings.Join(info.Scripts, ", ")),
			"use another package, or, if it works without, have it listed in bundler.skip_scripts of denofn.toml"), true
	}
	return api.OnResolveResult{}, false
}

// exportsHint names some of what a package does export.
func exportsHint(p *packageTree, name string) string {
	var all []string
	for _, key := range p.json.Exports.keys {
		if strings.HasPrefix(key, ".") && !strings.Contains(key, "*") && key != "./package.json" {
			all = append(all, name+strings.TrimPrefix(key, "."))
		}
	}
	if len(all) == 0 {
		return ""
	}
	return "it exports " + strings.Join(all[:min(len(all), 6)], ", ")
}

func packageFile(p *packageTree, id, name string) api.OnResolveResult {
	r := api.OnResolveResult{Path: packagePath(id, name), Namespace: spaceNPM}
	if p.isESM(name) {
		r.Path = marked(r.Path)
	}
	if p.pure(name) {
		r.SideEffects = api.SideEffectsFalse
	}
	return r
}

func isRequire(kind api.ResolveKind) bool {
	return kind == api.ResolveJSRequireCall || kind == api.ResolveJSRequireResolve
}

func conditionsOf(kind api.ResolveKind) []string {
	if isRequire(kind) {
		return requireConditions
	}
	return importConditions
}

// resolvePackage resolves an import of a module of a package. What a package asks
// for and does not have may well be meant to be missing, so where Node would throw
// when that line runs, the bundle does too: packages try out what is there.
func (c *compiler) resolvePackage(args api.OnResolveArgs) api.OnResolveResult {
	id, importer := splitPackagePath(unmarked(args.Importer))
	r, err := c.resolveInPackage(args, id, importer)
	if err == nil {
		return r
	}
	if isRequire(args.Kind) || args.Kind == api.ResolveJSDynamicImport {
		return api.OnResolveResult{Path: args.Path, Namespace: spaceVoid, PluginData: err.Error()}
	}
	return refuse(fmt.Sprintf("npm:%s imports %s: %s", packagePath(id, importer), quote(args.Path), err), "")
}

func (c *compiler) resolveInPackage(args api.OnResolveArgs, id, importer string) (api.OnResolveResult, error) {
	p, info, err := c.packageOf(id)
	if err != nil {
		return api.OnResolveResult{}, err
	}
	specifier := args.Path
	if strings.HasPrefix(specifier, metaPrefix) {
		return api.OnResolveResult{Path: specifier, Namespace: spaceOwn}, nil
	}
	if strings.HasPrefix(specifier, "#") {
		file, other, err := p.private(specifier, conditionsOf(args.Kind))
		if err != nil {
			return api.OnResolveResult{}, err
		}
		if other == "" {
			return packageFile(p, id, file), nil
		}
		specifier = other
	}
	if builtin := strings.TrimPrefix(specifier, "node:"); isBuiltin(builtin) {
		return builtinModule(args.Kind, builtin), nil
	}
	switch {
	case strings.HasPrefix(specifier, "data:"):
		return api.OnResolveResult{}, nil
	case strings.HasPrefix(specifier, "node:"):
		return api.OnResolveResult{}, errors.New("no such module is built in")
	case isRelative(specifier):
		file, err := p.relative(importer, specifier, isRequire(args.Kind) || !p.isESM(importer))
		if err != nil {
			return api.OnResolveResult{}, err
		}
		if path.Ext(file) == ".node" {
			return api.OnResolveResult{}, errors.New("is a native addon")
		}
		return packageFile(p, id, file), nil
	}
	name, subpath := splitPackage(specifier)
	dependency := info.Dependencies[name]
	if name == info.Name && p.json.Exports.set {
		dependency = id
	}
	if dependency == "" {
		return api.OnResolveResult{}, errors.New("the package does not depend on it")
	}
	other, otherInfo, err := c.packageOf(dependency)
	if err != nil {
		return api.OnResolveResult{}, err
	}
	if otherInfo.Native != "" {
		return api.OnResolveResult{}, fmt.Errorf("needs a native addon (%s), which cannot be part of a bundle", otherInfo.Native)
	}
	file, err := other.entry(subpath, conditionsOf(args.Kind))
	if err != nil {
		return api.OnResolveResult{}, err
	}
	return packageFile(other, dependency, file), nil
}

// builtinModule returns a module that Deno has built in. CommonJS has to be given
// a module that imports it, since a bundle has no require.
func builtinModule(kind api.ResolveKind, builtin string) api.OnResolveResult {
	switch {
	case isRequire(kind):
		return api.OnResolveResult{Path: "node:" + builtin, Namespace: spaceNode}
	case builtin == "process":
		return api.OnResolveResult{Path: marked("node:" + builtin), Namespace: spaceNode}
	}
	return api.OnResolveResult{Path: "node:" + builtin, External: true}
}

// nodeModule returns the source of a built-in module as packages see it.
func nodeModule(name string, esm bool) []byte {
	switch {
	case esm: // node:process
		return fmt.Appendf(nil, "import { process } from %s;\nexport default process;\nexport * from %s;\nexport const env = process.env;\n", quoteJS(processSpecifier), quoteJS(name))
	case name == "node:process":
		return fmt.Appendf(nil, "module.exports = require(%s).process;\n", quoteJS(processSpecifier))
	}
	return fmt.Appendf(nil, "import * as all from %s;\nmodule.exports = all.default ?? all;\n", quoteJS(name))
}

// absentModule throws what Node does, and says why.
func absentModule(specifier, why string) []byte {
	message, _ := json.Marshal("Cannot find module '" + specifier + "': " + why)
	return fmt.Appendf(nil, "throw Object.assign(new Error(%s), { code: \"MODULE_NOT_FOUND\" });\n", message)
}

func (c *compiler) loadPackage(p, attribute string) api.OnLoadResult {
	id, name := splitPackagePath(p)
	f := c.files.Packed(c.job.Graph.Packages[id].Pack, name)
	if f.Fault != faultNone {
		return api.OnLoadResult{Errors: []api.Message{{Text: "npm:" + p + " cannot be read: " + string(f.Fault) + f.Text}}}
	}
	loader, ok := attributes[attribute]
	if !ok {
		loader, ok = loaders[path.Ext(name)]
	}
	if !ok {
		loader = api.LoaderJS // Node's rule for what has no extension it knows
	}
	if attribute == "" && path.Ext(name) == ".wasm" {
		return loadWasm(f.Content)
	}
	if loader != api.LoaderJS {
		return loaded(f.Content, loader)
	}
	tree, _, err := c.packageOf(id)
	if err != nil {
		return api.OnLoadResult{Errors: []api.Message{{Text: err.Error()}}}
	}
	if tree.isESM(name) {
		return c.withMeta(spaceNPM+":"+p, withNodeNames(f.Content, p, true), loader)
	}
	return loaded(withNodeNames(f.Content, p, false), loader)
}
