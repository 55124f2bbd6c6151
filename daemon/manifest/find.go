package manifest

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/denofn/denofn"
)

// entryFiles are the entry files of a function, in the order in which they are
// taken where a folder has several: what is written comes before what may have
// been compiled from it.
var entryFiles = []string{"index.ts", "index.tsx", "index.js", "index.jsx", "index.mts", "index.mjs"}

// maxFunctions is how many functions one repository can hold.
const maxFunctions = 5000

// functionsDir is the folder whose folders count too.
const functionsDir = "functions"

// Find returns the functions of a tree, sorted by name. The error is
// denofn.Diagnostics when the fault is in the tree.
//
// A function is a folder with an index file, or one whose registry.json names an
// entry file or a static folder. Looked at are:
//
//   - where the root's registry.json has "functions", the folders that these
//     globs match, and no others;
//   - else the root, the folders in it, and those in functions/. Where the root
//     is a function itself, folders in it are its own code, unless they have a
//     registry.json.
//
// Names that start with _ or . are shared code.
func Find(tree fs.FS, repository denofn.RepositoryName) ([]Function, error) {
	f := &finder{tree: tree, repository: repository}
	if err := f.find(); err != nil {
		return nil, err
	}
	if len(f.found) > maxFunctions {
		return nil, denofn.Diagnostics{{Message: fmt.Sprintf("the repository holds %d functions, more than the %d allowed", len(f.found), maxFunctions), Hint: "split it"}}
	}
	f.collide()
	if len(f.wrong) > 0 {
		return nil, f.wrong.Sort()
	}
	slices.SortFunc(f.found, func(a, b Function) int { return cmp.Compare(a.Name, b.Name) })
	return f.found, nil
}

// A finder is one call of Find.
type finder struct {
	tree       fs.FS
	repository denofn.RepositoryName
	found      []Function
	wrong      denofn.Diagnostics
}

func (f *finder) find() error {
	root, err := f.look(".")
	if err != nil {
		return err
	}
	if root.file != nil && root.file.functions != nil {
		return f.findNamed(root)
	}
	if root.isFunction() {
		f.add(root, string(f.repository))
	} else if root.file != nil && len(root.file.set) > 0 {
		f.wrong = append(f.wrong, root.file.at(root.file.set[0],
			fmt.Sprintf("%q is set for the root of the repository, which has no function", root.file.set[0].name),
			"put a registry.json into the folder of each function, or an index.ts beside this one"))
	}
	folders := root.folders
	if slices.Contains(folders, functionsDir) {
		inner, err := f.look(functionsDir)
		if err != nil {
			return err
		}
		for _, name := range inner.folders {
			folders = append(folders, path.Join(functionsDir, name))
		}
	}
	for _, dir := range folders {
		if isShared(path.Base(dir)) {
			continue
		}
		p, err := f.look(dir)
		if err != nil {
			return err
		}
		ownCode := root.isFunction() && p.file == nil && !strings.HasPrefix(dir, functionsDir+"/")
		if p.isFunction() && !ownCode {
			f.add(p, path.Base(dir))
		}
	}
	return nil
}

// findNamed finds the functions in the folders that the root's file names. A
// pattern that finds nothing is an error: taken as "no functions", a slip of the
// pen would take every function down.
func (f *finder) findNamed(root place) error {
	if len(root.file.set) > 0 && root.isFunction() && !slices.ContainsFunc(root.file.functions, func(l located) bool { return l.text == "." }) {
		f.wrong = append(f.wrong, root.file.at(root.file.set[0],
			fmt.Sprintf("%q is set for the root of the repository, which is not among the functions", root.file.set[0].name),
			`add "." to "functions", or put this into the registry.json of a function`))
	}
	seen, left := make(map[string]bool), maxFolders
	for _, pattern := range root.file.functions {
		dirs, err := expand(f.tree, pattern.text, &left)
		if errors.Is(err, errTooManyFolders) {
			f.wrong = append(f.wrong, root.file.at(pattern.key, fmt.Sprintf("%q: %v", pattern.text, err), "name the folders more closely"))
			continue
		}
		if err != nil {
			return err
		}
		matched := false
		for _, dir := range dirs {
			p := root
			if dir != "." {
				if p, err = f.look(dir); err != nil {
					return err
				}
			}
			if !p.isFunction() {
				continue
			}
			matched = true
			if !seen[dir] {
				seen[dir] = true
				name := path.Base(dir)
				if dir == "." {
					name = string(f.repository)
				}
				f.add(p, name)
			}
		}
		if !matched {
			f.wrong = append(f.wrong, root.file.at(pattern.key, fmt.Sprintf("%q matches no folder with a function in it", pattern.text),
				"a function is a folder with an index.ts; patterns start at the root of the repository"))
		}
	}
	return nil
}

// A place is a folder that may be a function.
type place struct {
	dir     string
	index   string   // name of its index file, if it has one
	folders []string // in it, sorted
	file    *file    // its registry.json, if it has one that counts
}

func (p place) isFunction() bool {
	return p.index != "" || p.file != nil && (p.file.entry != "" || p.file.settings.Static != "")
}

// look reads a folder and its registry.json.
func (f *finder) look(dir string) (place, error) {
	entries, err := fs.ReadDir(f.tree, dir)
	if err != nil {
		return place{}, fmt.Errorf("read folder: %w", err)
	}
	p := place{dir: dir}
	rank, asks := len(entryFiles), false
	for _, e := range entries {
		switch name := e.Name(); {
		case e.IsDir():
			if name != "node_modules" {
				p.folders = append(p.folders, name)
			}
		case name == FileName:
			asks = true
		default:
			if i := slices.Index(entryFiles, name); i >= 0 && i < rank {
				rank, p.index = i, name
			}
		}
	}
	if !asks {
		return p, nil
	}
	name := path.Join(dir, FileName)
	text, err := readFile(f.tree, name)
	if d, ok := errors.AsType[denofn.Diagnostic](err); ok {
		f.wrong = append(f.wrong, d)
		return p, nil
	}
	if err != nil {
		return place{}, fmt.Errorf("read manifest: %w", err)
	}
	file, wrong := parse(name, text)
	if dir != "." && p.index == "" && file.isObject && !file.marks() {
		return p, nil // nothing here is a function: it is some other program's file
	}
	if dir != "." && file.functions != nil {
		wrong = append(wrong, file.at(file.functionsKey, `"functions" is for the registry.json at the root of the repository`, "remove it here"))
	}
	p.file = file
	f.wrong = append(f.wrong, wrong...)
	return p, nil
}

// add checks a function against its folder and takes it up.
func (f *finder) add(p place, name string) {
	parsed, err := denofn.ParseFunctionName(name)
	if err != nil {
		f.wrong = append(f.wrong, denofn.Diagnostic{File: p.dir, Message: err.Error(),
			Hint: "rename the folder; one that starts with _ holds shared code and is no function"})
		return
	}
	function := Function{Name: parsed, Dir: p.dir, file: p.file}
	if p.index != "" {
		function.Entry = path.Join(p.dir, p.index)
	}
	if p.file != nil {
		function.Permissions, function.Settings, function.Build = p.file.permissions, p.file.settings, p.file.build
		if p.file.entry != "" {
			function.Entry = path.Join(p.dir, p.file.entry)
		}
		f.wrong = append(f.wrong, p.file.checkAgainst(f.tree, p.dir)...)
	}
	f.found = append(f.found, function)
}

// collide reports names that are equal, or would be for people.
func (f *finder) collide() {
	first := make(map[string]Function)
	for _, function := range f.found {
		other, ok := first[function.Name.Fold()]
		if !ok {
			first[function.Name.Fold()] = function
			continue
		}
		d := denofn.Diagnostic{File: function.Dir, Hint: "rename one of them"}
		d.Message = fmt.Sprintf("function %q is also in %s", function.Name, place{dir: other.Dir})
		if other.Name != function.Name {
			d.Message = fmt.Sprintf("function %q differs only in case from %q in %s", function.Name, other.Name, place{dir: other.Dir})
		}
		f.wrong = append(f.wrong, d)
	}
}

// String names the folder for people.
func (p place) String() string {
	if p.dir == "." {
		return "the root of the repository"
	}
	return p.dir
}

// isShared reports whether a folder of this name is never a function.
func isShared(name string) bool { return name[0] == '_' || name[0] == '.' }

// readFile reads a registry.json. What is not a file that this package will read
// is a denofn.Diagnostic.
func readFile(tree fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(tree, name)
	if err != nil {
		return nil, denofn.Diagnostic{File: name, Message: "this is a link that leads nowhere", Hint: "commit the file itself"}
	}
	if !info.Mode().IsRegular() {
		return nil, denofn.Diagnostic{File: name, Message: "this is not a file", Hint: "commit the file itself"}
	}
	if info.Size() > maxFileBytes {
		return nil, denofn.Diagnostic{File: name, Message: fmt.Sprintf("the file has %d kB, more than the %d allowed", info.Size()>>10, maxFileBytes>>10)}
	}
	return fs.ReadFile(tree, name)
}
