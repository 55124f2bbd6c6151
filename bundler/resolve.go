package bundler

import (
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/denofn/denofn/micro"
)

// resolve says which module an import means. It is called by esbuild for every
// import of every module.
func (c *compiler) resolve(args api.OnResolveArgs) (api.OnResolveResult, error) {
	if args.Path == processSpecifier {
		return processResolved, nil
	}
	if args.Kind == api.ResolveEntryPoint {
		return api.OnResolveResult{Path: args.Path, Namespace: spaceOwn}, nil
	}
	switch args.Namespace {
	case spaceOwn:
		return c.resolveOwn(args), nil
	case spaceNPM:
		return c.resolvePackage(args), nil
	case spaceURL:
		return c.resolveRemote(args), nil
	case spaceNode:
		return api.OnResolveResult{Path: args.Path, External: true}, nil
	}
	return c.resolveRepo(args), nil
}

// The specifiers of the entry module and of package micro's files.
const (
	runtimeSpecifier = "denofn:serve"
	authorSpecifier  = "denofn:function"
)

func (c *compiler) resolveOwn(args api.OnResolveArgs) api.OnResolveResult {
	switch args.Path {
	case runtimeSpecifier:
		return microModule("serve.ts")
	case authorSpecifier:
		return c.repoModule(args, c.job.Entry)
	}
	if strings.HasPrefix(args.Path, "node:") {
		return api.OnResolveResult{Path: args.Path, External: true}
	}
	if name, ok := strings.CutPrefix(args.Path, workerPrefix); ok {
		return c.repoModule(args, name)
	}
	return microModule(path.Join(path.Dir(strings.TrimPrefix(unmarked(args.Importer), microPrefix)), args.Path))
}

// microPrefix is before the paths of package micro's files.
const microPrefix = "micro/"

func microModule(name string) api.OnResolveResult {
	return api.OnResolveResult{Path: marked(microPrefix + name), Namespace: spaceOwn}
}

// microSpecifier is the name of the library for authors.
const microSpecifier = "denofn/micro"

// oldMicro matches the addresses at which the first denoFn's library was found:
// the same path in its repository, whoever the owner and the host.
var oldMicro = regexp.MustCompile(`^https?://[^/]+/(?:.*/)?(?:denofn|denofn-selfhosted|deno-functions|denoFn)[^/]*(?:/[^/]+)?/(?:packages|src)/micro/(mod|functions/mod|router/mod)\.ts$`)

// ownMicro matches the address at which a daemon serves the library to editors.
var ownMicro = regexp.MustCompile(`^https?://[^/]+/_denofn/micro/v\d+/mod\.ts$`)

// seedMicro ends the spelling that functions in the first denoFn's own
// repository used.
const seedMicro = "src/micro/mod.ts"

func isMicro(specifier string) bool {
	return specifier == microSpecifier || oldMicro.MatchString(specifier) || ownMicro.MatchString(specifier)
}

// resolveRepo resolves an import of a module in the tree.
func (c *compiler) resolveRepo(args api.OnResolveArgs) api.OnResolveResult {
	importer := unmarked(args.Importer)
	switch specifier := args.Path; {
	case strings.HasPrefix(specifier, metaPrefix):
		return api.OnResolveResult{Path: specifier, Namespace: spaceOwn}
	case isMicro(specifier):
		return microModule("mod.ts")
	case isRelative(specifier):
		name, fine := joinSpecifier(path.Dir(importer), specifier)
		if !fine {
			return refuse("the import "+quote(specifier)+" has a query or characters that no file's name can have", "write the path of a file")
		}
		return c.repoModule(args, name)
	case strings.HasPrefix(specifier, "data:"):
		return api.OnResolveResult{} // esbuild's own
	case strings.HasPrefix(specifier, "node:"):
		if !isBuiltin(strings.TrimPrefix(specifier, "node:")) {
			return refuse("there is no built-in module "+quote(specifier), nearestHint(strings.TrimPrefix(specifier, "node:"), builtins, "node:"))
		}
		return api.OnResolveResult{Path: specifier, External: true}
	case specifier == "":
		return refuse("the import has no name", "")
	}
	t, ok := c.job.Graph.find(importer, args.Path)
	if !ok {
		c.want(want{importer, args.Path, args.With["type"]})
		return api.OnResolveResult{Path: args.Path, External: true}
	}
	return c.target(args, t)
}

// want notes an import that has to be looked up, and lets esbuild go on.
func (c *compiler) want(w want) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wanted[w] = true
}

// target returns the module that the graph names.
func (c *compiler) target(args api.OnResolveArgs, t target) api.OnResolveResult {
	switch {
	case t.Error != "":
		return refuse(t.Error, t.Hint)
	case t.Micro:
		return microModule("mod.ts")
	case t.Builtin != "":
		return api.OnResolveResult{Path: t.Builtin, External: true}
	case t.Repo != "":
		return c.repoModule(args, t.Repo)
	case t.URL != "":
		return api.OnResolveResult{Path: marked(t.URL), Namespace: spaceURL}
	}
	r := c.packageModule(args, t.Package, t.Subpath)
	if t.Warning != "" {
		r.Warnings = append(r.Warnings, api.Message{Text: t.Warning, Detail: finding{t.Hint}})
	}
	return r
}

func isRelative(specifier string) bool {
	return strings.HasPrefix(specifier, "./") || strings.HasPrefix(specifier, "../") || strings.HasPrefix(specifier, "/") || specifier == "." || specifier == ".."
}

// joinSpecifier returns the path in the tree that a relative specifier leads to,
// which starts with ".." when that is outside. Percent signs mean what they do in
// URLs.
func joinSpecifier(dir, specifier string) (string, bool) {
	if strings.HasPrefix(specifier, "/") {
		return ".." + specifier, true // the root of the disk, not of the repository
	}
	plain, err := url.PathUnescape(specifier)
	if err != nil || strings.ContainsAny(specifier, "?#") || strings.Contains(plain, "\x00") {
		return "", false
	}
	return path.Join(dir, plain), true
}

// repoModule returns the module at a path of the tree, or what is wrong with it.
func (c *compiler) repoModule(args api.OnResolveArgs, name string) api.OnResolveResult {
	f := c.files.Read(name)
	if (f.Fault == faultMissing || f.Fault == faultOutside) && strings.HasSuffix("/"+name, "/"+seedMicro) {
		return microModule("mod.ts")
	}
	switch f.Fault {
	case faultMissing, faultFolder:
		return c.missing(args.Path, name, f.Fault)
	case faultOutside:
		return refuse(quote(args.Path)+" leads out of the repository", "only files of the repository can be imported; a symbolic link may not point out of it either")
	case faultOther:
		return refuse(quote(args.Path)+" cannot be read: "+f.Text, "")
	}
	switch loader, module := loaders[path.Ext(name)]; {
	case args.With["type"] != "":
		if _, known := attributes[args.With["type"]]; !known {
			return refuse("there is no import type "+quote(args.With["type"]), nearestHint(args.With["type"], []string{"json", "text", "bytes"}, ""))
		}
		return api.OnResolveResult{Path: name, Namespace: spaceRepo}
	case path.Ext(name) == ".wasm":
	case !module:
		return refuse(quote(args.Path)+" is not a JavaScript or TypeScript module", `to import what is in the file, add an attribute: with { type: "text" } or with { type: "bytes" }`)
	case loader == api.LoaderJSON:
		return refuse(quote(args.Path)+" is JSON and is imported as a module", `add the attribute: with { type: "json" }`)
	}
	return api.OnResolveResult{Path: marked(name), Namespace: spaceRepo}
}

// missing says that there is no file of that name, and which may have been meant.
func (c *compiler) missing(specifier, name string, why fault) api.OnResolveResult {
	message := "there is no file " + name
	if why == faultFolder {
		message = name + " is a folder, and Deno imports files"
	}
	if meant := c.meant(name); meant != "" {
		return refuse(message, "did you mean "+quote(respell(specifier, name, meant))+"?")
	}
	return refuse(message, "paths are exact, with their extension, and only what is committed is there")
}

// meant returns the file that a path without its extension, of a folder, or with
// a slip was meant to be.
func (c *compiler) meant(name string) string {
	dir, base := path.Split(name)
	siblings := c.files.List(path.Clean(dir))
	stem := strings.TrimSuffix(base, path.Ext(base))
	for _, candidate := range []string{base, stem} {
		for _, ext := range []string{".ts", ".tsx", ".mts", ".js", ".jsx", ".mjs", ".json"} {
			if slices.Contains(siblings, candidate+ext) {
				return dir + candidate + ext
			}
		}
	}
	if slices.Contains(siblings, base+"/") {
		inside := c.files.List(name)
		for _, index := range []string{"mod.ts", "index.ts", "index.tsx", "mod.js", "index.js"} {
			if slices.Contains(inside, index) {
				return name + "/" + index
			}
		}
	}
	files := slices.DeleteFunc(slices.Clone(siblings), func(s string) bool { return strings.HasSuffix(s, "/") })
	if near := nearest(base, files); near != "" {
		return dir + near
	}
	return ""
}

// respell writes the specifier of name so that it leads to meant, which begins
// with the same folders.
func respell(specifier, name, meant string) string {
	dir := path.Dir(name)
	rest := strings.TrimPrefix(meant, dir+"/")
	if dir == "." {
		rest = meant
	}
	if slash := strings.LastIndexByte(strings.TrimRight(specifier, "/"), '/'); slash >= 0 {
		return specifier[:slash+1] + rest
	}
	return "./" + rest
}

// refuse is the answer to an import that cannot be. esbuild adds the place.
func refuse(message, hint string) api.OnResolveResult {
	return api.OnResolveResult{Errors: []api.Message{{Text: message, Detail: finding{hint}}}}
}

// microFile reports whether package micro has a file of the name.
func microFile(name string) ([]byte, bool) {
	content, err := micro.Files.ReadFile(name)
	return content, err == nil
}
