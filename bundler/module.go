package bundler

import (
	"bytes"
	"encoding/json"
	"path"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// Namespaces tell esbuild's modules apart by where they come from. esbuild
// writes NAMESPACE:PATH into comments, source maps and errors.
const (
	spaceOwn  = "denofn" // the entry, the runtime and the library
	spaceRepo = "repo"   // the tree
	spaceNPM  = "npm"    // ID/FILE of a package
	spaceURL  = "url"    // a remote module
	spaceNode = "node"   // a built-in module as CommonJS sees it
	spaceVoid = "absent" // what a package asks for and does not have
)

// entryModule is what esbuild is given to bundle. It brings the runtime in first
// and hands the author's module to it.
const entryModule = "entry"

// esmMark ends the path of every module that is an ES module whatever its
// extension. esbuild has no other way to be told, and imports of CommonJS modules
// mean something else in files that it takes for such of the old days: there the
// default import of a module with __esModule is its exports.default, where Deno
// and Node give all of the exports.
const esmMark = "?esm.mts"

// marked returns the path under which esbuild knows an ES module.
func marked(name string) string {
	switch path.Ext(name) {
	case ".mts", ".mjs":
		return name
	}
	return name + esmMark
}

func unmarked(name string) string { return strings.TrimSuffix(name, esmMark) }

// loaders are the kinds of modules by extension, as Deno has them.
var loaders = map[string]api.Loader{
	".ts":   api.LoaderTS,
	".mts":  api.LoaderTS,
	".cts":  api.LoaderTS,
	".tsx":  api.LoaderTSX,
	".js":   api.LoaderJS,
	".mjs":  api.LoaderJS,
	".cjs":  api.LoaderJS,
	".jsx":  api.LoaderJSX,
	".json": api.LoaderJSON,
}

// attributes are the kinds of files by the type that an import asks for.
var attributes = map[string]api.Loader{
	"json":  api.LoaderJSON,
	"text":  api.LoaderText,
	"bytes": api.LoaderBinary,
}

// publicName is how people and Deno see a module of esbuild's in a stack. Files
// of the tree are shown as if the repository were the whole disk: short, and the
// same on every machine.
func publicName(name string) string {
	name = unmarked(name)
	if repo, ok := strings.CutPrefix(name, spaceRepo+":"); ok {
		return "file:///" + repo
	}
	return strings.TrimPrefix(name, spaceURL+":")
}

// publicSources rewrites the names of the modules in a source map.
func publicSources(sourceMap []byte) ([]byte, error) {
	var m struct {
		Version  int      `json:"version"`
		Sources  []string `json:"sources"`
		Mappings string   `json:"mappings"`
		Names    []string `json:"names"`
	}
	if err := json.Unmarshal(sourceMap, &m); err != nil {
		return nil, err
	}
	for i, name := range m.Sources {
		m.Sources[i] = publicName(name)
	}
	return json.Marshal(m)
}

// publicComments rewrites them in the comment that esbuild writes before each,
// a line of its own. It changes no line's number.
func publicComments(code []byte) []byte {
	mark := []byte(esmMark + "\n")
	if !bytes.Contains(code, mark) {
		return code
	}
	out := make([]byte, 0, len(code))
	for line := range bytes.Lines(code) {
		if bytes.HasPrefix(line, []byte("// ")) && bytes.HasSuffix(line, mark) {
			out = append(out, strings.TrimSuffix(string(line), string(mark))...)
			out = append(out, '\n')
			continue
		}
		out = append(out, line...)
	}
	return out
}
