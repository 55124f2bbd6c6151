package bundler

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/denofn/denofn"
)

// Included files are shipped with a release and read at run time by the address
// that they have beside the code: new URL("./page.html", import.meta.url).

// filesDir is the folder of a release that stands for the root of the repository.
const filesDir = denofn.FilesDir

// maxIncluded bounds what one function may ship.
const (
	maxIncludedFiles = 10_000
	maxIncludedBytes = 256 << 20
)

// match returns the files below dir that the globs match, sorted. Names that start
// with a dot are matched only by globs that say so.
func match(tree Tree, dir string, globs []string) []string {
	var found []string
	visited := 0
	var walk func(folder string)
	walk = func(folder string) {
		entries, err := tree.ReadDir(path.Join(dir, folder))
		if err != nil {
			return
		}
		for _, e := range entries {
			if visited++; visited > 10*maxIncludedFiles {
				return
			}
			name := path.Join(folder, e.Name())
			if e.IsDir() {
				if slices.ContainsFunc(globs, func(g string) bool { return mayMatchBelow(g, name) }) {
					walk(name)
				}
				continue
			}
			if slices.ContainsFunc(globs, func(g string) bool { return includes(g, name) }) {
				found = append(found, path.Join(dir, name))
			}
		}
	}
	walk(".")
	slices.Sort(found)
	return slices.Compact(found)
}

// includes reports whether a glob of a registry.json matches a file: as it is
// written, or as a folder that the file is in.
func includes(glob, name string) bool {
	glob = path.Clean(glob)
	if !matchGlob(glob, name) && !matchGlob(glob+"/**", name) {
		return false
	}
	for element := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(element, ".") && !strings.Contains("/"+glob, "/.") {
			return false
		}
	}
	return true
}

// mayMatchBelow reports whether a glob can match something in a folder.
func mayMatchBelow(glob, folder string) bool {
	elements := strings.Split(path.Clean(glob), "/")
	for i, name := range strings.Split(folder, "/") {
		if i >= len(elements) || elements[i] == "**" {
			return true
		}
		if ok, err := path.Match(elements[i], name); err != nil || !ok {
			return false
		}
	}
	return true
}

// include reads the files that the function ships.
func (t *task) include() (map[string][]byte, denofn.Diagnostics) {
	files := make(map[string][]byte)
	var wrong denofn.Diagnostics
	total := 0
	names := match(t.source.Tree, t.dir(), t.source.Include)
	for _, name := range names {
		f := t.files.Read(name)
		switch f.Fault {
		case faultNone:
			files[path.Join(filesDir, name)] = f.Content
			total += len(f.Content)
		case faultFolder: // a link to one
		case faultOutside:
			wrong = append(wrong, denofn.Diagnostic{File: name, Message: "the file is to be included and leads out of the repository"})
		default:
			wrong = append(wrong, denofn.Diagnostic{File: name, Message: "the file is to be included and cannot be read: " + string(f.Fault) + f.Text})
		}
	}
	if len(names) > maxIncludedFiles || total > maxIncludedBytes {
		wrong = append(wrong, denofn.Diagnostic{File: path.Join(t.dir(), "registry.json"), Message: "include matches more than a release may ship",
			Hint: "at most 10000 files with 256 MB; name the folders that are needed"})
	}
	return files, wrong
}

// Unchanged reports whether a function that was made from these inputs, with
// these globs of included files below dir, would come out the same from the tree.
// It reads no file.
func Unchanged(tree Tree, inputs []denofn.Input, dir string, include []string) bool {
	known := make(map[string]bool, len(inputs))
	for _, in := range inputs {
		known[in.Path] = true
		hash, err := tree.Hash(in.Path)
		if in.Hash == "" {
			if !errors.Is(err, fs.ErrNotExist) {
				return false
			}
		} else if err != nil || hash != in.Hash {
			return false
		}
	}
	if len(include) == 0 {
		return true
	}
	return !slices.ContainsFunc(match(tree, dir, include), func(name string) bool { return !known[name] })
}
