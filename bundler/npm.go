package bundler

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
)

// This file finds files in npm packages as Node and Deno do: package.json with
// its exports, imports, main, type and sideEffects. Specifications:
// nodejs.org/api/esm.html#resolution-algorithm and modules.html#all-together.

// conditions are the keys of exports and imports that hold, by the kind of
// import. They are Deno's, so that what is bundled is what `deno run` would load.
var (
	importConditions  = []string{"deno", "node", "import", "default"}
	requireConditions = []string{"deno", "node", "require", "default"}
)

// A packageTree is a package as its resolution needs it: the names of its files
// and its package.json.
type packageTree struct {
	files map[string]bool
	json  packageJSON
	read  func(name string) []byte // of one of the files

	mu     sync.Mutex // guards nested
	nested map[string]*packageJSON
}

// newPackageTree returns the tree of a package with these files.
func newPackageTree(files []string, read func(name string) []byte) *packageTree {
	p := &packageTree{files: make(map[string]bool, len(files)), read: read, nested: make(map[string]*packageJSON)}
	for _, name := range files {
		p.files[name] = true
	}
	if own := p.folderJSON("."); own != nil {
		p.json = *own
	}
	return p
}

// folderJSON returns the package.json of a folder, which says what kind its
// modules are, or nil where there is none that can be read.
func (p *packageTree) folderJSON(dir string) *packageJSON {
	name := path.Join(dir, "package.json")
	if !p.files[name] {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	known, ok := p.nested[name]
	if !ok {
		known = new(packageJSON)
		if json.Unmarshal(p.read(name), known) != nil {
			known = nil
		}
		p.nested[name] = known
	}
	return known
}

type packageJSON struct {
	Name        string          `json:"name"`
	Type        string          `json:"type"`
	Main        json.RawMessage `json:"main"`
	Exports     ordered         `json:"exports"`
	Imports     ordered         `json:"imports"`
	SideEffects json.RawMessage `json:"sideEffects"`
}

func (p packageJSON) main() string {
	var main string
	json.Unmarshal(p.Main, &main)
	return main
}

// errNotExported and errNoFile tell the two ways apart in which a package has
// nothing under a name.
var (
	errNotExported = errors.New("is not exported by the package")
	errNoFile      = errors.New("is not in the package")
)

// entry returns the file that a subpath of the package means to others: "." or
// "./server".
func (p *packageTree) entry(subpath string, conditions []string) (string, error) {
	if p.json.Exports.set {
		t, err := resolveExports(p.json.Exports, subpath, conditions)
		if err != nil {
			return "", err
		}
		return p.exact(t)
	}
	if subpath == "." {
		if main := p.json.main(); main != "" {
			if found, err := p.guess(path.Clean(main)); err == nil {
				return found, nil
			}
		}
		return p.guess("index")
	}
	return p.guess(path.Clean(subpath))
}

// relative returns the file that a relative specifier in one of the package's
// modules means. Only CommonJS guesses extensions.
func (p *packageTree) relative(importer, specifier string, guess bool) (string, error) {
	name := path.Join(path.Dir(importer), specifier)
	if name == ".." || strings.HasPrefix(name, "../") {
		return "", errNoFile
	}
	if p.files[name] {
		return name, nil
	}
	if !guess {
		return "", errNoFile
	}
	return p.guess(name)
}

// private returns what a specifier that begins with # means in the package: a
// file of it, or another specifier.
func (p *packageTree) private(specifier string, conditions []string) (file, other string, err error) {
	t, err := resolveMap(p.json.Imports, specifier, conditions)
	if err != nil {
		return "", "", err
	}
	if !strings.HasPrefix(t, "./") {
		return "", t, nil
	}
	file, err = p.exact(t)
	return file, "", err
}

func (p *packageTree) exact(target string) (string, error) {
	name := path.Clean(target)
	if !p.files[name] {
		return "", fmt.Errorf("%s %w", target, errNoFile)
	}
	return name, nil
}

// guess tries the names that CommonJS does.
func (p *packageTree) guess(name string) (string, error) {
	if found, ok := p.guessFile(name); ok {
		return found, nil
	}
	if nested := p.folderJSON(name); nested != nil {
		if main := nested.main(); main != "" {
			if found, ok := p.guessFile(path.Join(name, main)); ok {
				return found, nil
			}
			if found, ok := p.guessFile(path.Join(name, main, "index")); ok {
				return found, nil
			}
		}
	}
	if found, ok := p.guessFile(path.Join(name, "index")); ok {
		return found, nil
	}
	return "", errNoFile
}

func (p *packageTree) guessFile(name string) (string, bool) {
	for _, ext := range []string{"", ".js", ".json", ".cjs", ".mjs"} {
		if p.files[name+ext] {
			return name + ext, true
		}
	}
	return "", false
}

// scope returns the package.json that holds for a file.
func (p *packageTree) scope(name string) packageJSON {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if nested := p.folderJSON(dir); nested != nil {
			return *nested
		}
	}
	return p.json
}

// isESM reports whether a file is an ES module by its name or package.json.
func (p *packageTree) isESM(name string) bool {
	switch path.Ext(name) {
	case ".mjs", ".mts":
		return true
	case ".js", ".jsx", ".ts", ".tsx":
		return p.scope(name).Type == "module"
	}
	return false
}

// pure reports whether the package says that a file has no side effects, so that
// it can be left out when nothing of it is used.
func (p *packageTree) pure(name string) bool {
	raw := p.json.SideEffects
	var all bool
	if json.Unmarshal(raw, &all) == nil && len(raw) > 0 {
		return !all
	}
	var globs []string
	if len(raw) == 0 || json.Unmarshal(raw, &globs) != nil {
		return false
	}
	return !slices.ContainsFunc(globs, func(glob string) bool {
		if strings.Contains(glob, "{") {
			return true // braces, which are rare, are not worth reading
		}
		glob = strings.TrimPrefix(glob, "./")
		if !strings.Contains(glob, "/") {
			glob = "**/" + glob
		}
		return matchGlob(glob, name)
	})
}

// resolveExports finds a subpath in exports, which may be one target, conditions,
// or subpaths.
func resolveExports(exports ordered, subpath string, conditions []string) (string, error) {
	isMap := exports.kind == kindObject && len(exports.keys) > 0 && strings.HasPrefix(exports.keys[0], ".")
	if !isMap {
		if subpath != "." {
			return "", errNotExported
		}
		return pick(exports, "", conditions)
	}
	return resolveMap(exports, subpath, conditions)
}

// resolveMap finds a key in exports or imports: exactly, or by the longest
// pattern, of which each has one star.
func resolveMap(m ordered, key string, conditions []string) (string, error) {
	if m.kind != kindObject {
		return "", errNotExported
	}
	if v, ok := m.fields[key]; ok && !strings.Contains(key, "*") {
		return pick(v, "", conditions)
	}
	best, bestStar := "", ""
	for _, pattern := range m.keys {
		before, after, ok := strings.Cut(pattern, "*")
		if !ok && strings.HasSuffix(pattern, "/") { // of the days before patterns
			before, after, ok = pattern, "", true
		}
		if !ok || !strings.HasPrefix(key, before) || len(key) < len(before)+len(after) || !strings.HasSuffix(key, after) || key == before {
			continue
		}
		if best == "" || len(before) > len(strings.SplitN(best, "*", 2)[0]) || len(before) == len(strings.SplitN(best, "*", 2)[0]) && len(pattern) > len(best) {
			best, bestStar = pattern, key[len(before):len(key)-len(after)]
		}
	}
	if best == "" {
		return "", errNotExported
	}
	if strings.HasSuffix(best, "/") {
		t, err := pick(m.fields[best], "", conditions)
		return t + bestStar, err
	}
	return pick(m.fields[best], bestStar, conditions)
}

// pick walks conditions, in the order in which they are written, and lists of
// alternatives, down to a target.
func pick(v ordered, star string, conditions []string) (string, error) {
	switch v.kind {
	case kindString:
		return strings.ReplaceAll(v.text, "*", star), nil
	case kindList:
		for _, one := range v.list {
			if t, err := pick(one, star, conditions); err == nil {
				return t, nil
			}
		}
	case kindObject:
		for _, key := range v.keys {
			if slices.Contains(conditions, key) {
				if t, err := pick(v.fields[key], star, conditions); err == nil {
					return t, nil
				}
			}
		}
	}
	return "", errNotExported
}

// splitPackage splits a bare specifier into the name of a package and the subpath
// in it.
func splitPackage(specifier string) (name, subpath string) {
	elements := 1
	if strings.HasPrefix(specifier, "@") {
		elements = 2
	}
	parts := strings.SplitN(specifier, "/", elements+1)
	if len(parts) <= elements {
		return specifier, "."
	}
	return strings.Join(parts[:elements], "/"), "./" + parts[elements]
}
