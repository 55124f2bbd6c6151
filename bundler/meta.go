package bundler

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/denofn/denofn"
)

// In a bundle import.meta is that of the bundle. Modules that use it get one of
// their own, as if they lay in the folder files of the release at the path that
// they have in the repository: there is where included files are.

// metaPrefix begins the specifier of the module that makes an import.meta: what
// follows is esbuild's name of the module that it is for.
const metaPrefix = "denofn:meta/"

// metaName stands for import.meta in the module. It is long so that nobody else
// has it.
const metaName = "__denofn_import_meta"

// withMeta returns a module with an import.meta of its
// own, where it uses it. esbuild replaces import.meta only everywhere or nowhere,
// so the module goes through it once alone, with a source map that the bundle's
// then goes through.
func (c *compiler) withMeta(name string, content []byte, loader api.Loader) api.OnLoadResult {
	if !bytes.Contains(content, []byte("import.meta")) || loader == api.LoaderJSON {
		return loaded(content, loader)
	}
	result := api.Transform(string(content), api.TransformOptions{
		Loader:         loader,
		Format:         api.FormatESModule,
		Platform:       api.PlatformNeutral,
		Target:         api.ESNext,
		Supported:      map[string]bool{"decorators": false},
		Charset:        api.CharsetUTF8,
		TsconfigRaw:    c.job.tsconfig(),
		Define:         map[string]string{"import.meta": metaName},
		Sourcefile:     name,
		Sourcemap:      api.SourceMapInline,
		SourcesContent: api.SourcesContentExclude,
		LogLevel:       api.LogLevelSilent,
	})
	if len(result.Errors) > 0 {
		return loaded(content, loader) // the bundle has the same errors, with the right place
	}
	if repo, ok := strings.CutPrefix(name, spaceRepo+":"); ok {
		c.noteWorkers(repo, result.Code)
		c.missIncludes(repo, content, result.Code)
	}
	if p, ok := strings.CutPrefix(name, spaceNPM+":"); ok {
		c.noteAssets(p, result.Code)
	}
	// Imports count wherever they are; at the end this one moves no line.
	code := append(result.Code, "\nimport { meta as "+metaName+" } from "+quoteJS(metaPrefix+name)+";\n"...)
	return loaded(code, api.LoaderJS)
}

// metaModule returns the source of the module that makes an import.meta.
func (c *compiler) metaModule(name string) []byte {
	address := quoteJS(name)
	repo, own := strings.CutPrefix(name, spaceRepo+":")
	at := repo
	if p, ok := strings.CutPrefix(name, spaceNPM+":"); ok {
		at, own = assetsDir+p, true
	}
	if own {
		address = fmt.Sprintf("new URL(%s, import.meta.url).href", quoteJS(c.output.files+"/"+escapePath(at)))
	}
	main := at == repo && (c.output.entry == entryModule && repo == c.job.Entry || c.output.entry == workerPrefix+repo)
	text := "const url = " + address + ";\n"
	text += "export const meta = { url, main: " + fmt.Sprint(main) + ", resolve: (specifier) => new URL(specifier, url).href };\n"
	if own {
		text += "const filename = decodeURIComponent(new URL(url).pathname);\n" +
			"Object.assign(meta, { filename, dirname: filename.slice(0, filename.lastIndexOf(\"/\")) });\n"
	}
	return []byte(text)
}

// escapePath writes a path as a URL has it.
func escapePath(name string) string {
	return strings.NewReplacer("%", "%25", "?", "%3F", "#", "%23").Replace(name)
}

// assetsDir is where packages have what they read beside their code, below
// filesDir.
const assetsDir = ".npm/"

// namesAsset matches the address of a file beside a module, as esbuild prints it.
var namesAsset = regexp.MustCompile(`\bnew URL\(("(?:[^"\\]|\\.)*"), ` + metaName + `\.url\)`)

// noteAssets ships the files of a package that a module of it names beside itself,
// which is how libraries load their WebAssembly.
func (c *compiler) noteAssets(p string, code []byte) {
	id, importer := splitPackagePath(p)
	tree, info, err := c.packageOf(id)
	if err != nil {
		return
	}
	for _, m := range namesAsset.FindAllSubmatch(code, -1) {
		var specifier string
		if json.Unmarshal(m[1], &specifier) != nil {
			continue
		}
		name, err := tree.relative(importer, specifier, false)
		if err != nil {
			continue
		}
		if f := c.files.Packed(info.Pack, name); f.Fault == faultNone {
			c.mu.Lock()
			c.assets[path.Join(filesDir, assetsDir, packagePath(id, name))] = f.Content
			c.mu.Unlock()
		}
	}
}

// missIncludes warns of files that a module of the author names beside itself and
// that are not shipped: it would be told so by the first request.
func (c *compiler) missIncludes(importer string, content, code []byte) {
	for _, m := range namesAsset.FindAllSubmatchIndex(code, -1) {
		var specifier string
		if json.Unmarshal(code[m[2]:m[3]], &specifier) != nil || !isRelative(specifier) {
			continue
		}
		name, ok := joinSpecifier(path.Dir(importer), specifier)
		if !ok || !slices.Contains(c.files.List(path.Dir(name)), path.Base(name)) {
			continue
		}
		below, inside := strings.CutPrefix(name, c.job.Dir+"/")
		if c.job.Dir == "." {
			below, inside = name, true
		}
		if inside && slices.ContainsFunc(c.job.Include, func(glob string) bool { return includes(glob, below) }) {
			continue
		}
		d := denofn.Diagnostic{File: importer, Message: name + " is read beside the code and is not part of the release", Hint: "put the file into the function's folder and include it"}
		if inside {
			d.Hint = "add it to registry.json: \"include\": [" + quote(below) + "]"
		}
		if at := bytes.Index(content, []byte(specifier)); at >= 0 {
			d.SetPosition(content, at)
			d.Length = utf8.RuneCountInString(specifier)
		}
		c.mu.Lock()
		c.unshipped[name] = d
		c.mu.Unlock()
	}
}
