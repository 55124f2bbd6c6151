package bundler

import (
	"bytes"
	"encoding/json"
	"path"
	"strings"
)

// PlainSpawner starts children without a sandbox.
func PlainSpawner(deno string) Spawner { return plain{deno} }

// WasmNames returns what a WebAssembly module imports from and exports.
func WasmNames(content []byte) (imports, exports []string, err error) {
	names, err := readWasm(content)
	return names.imports, names.exports, err
}

// ResolveInPackage returns the file that a subpath of a package with this
// package.json and these files means.
func ResolveInPackage(manifest string, files []string, subpath string, require bool) (string, error) {
	conditions := importConditions
	if require {
		conditions = requireConditions
	}
	p := newPackageTree(append(files, "package.json"), func(string) []byte { return []byte(manifest) })
	found, err := p.entry(subpath, conditions)
	if err == nil {
		p.isESM(found)
		p.pure(found)
	}
	return found, err
}

// ReadMessages reads messages until there are no more.
func ReadMessages(content []byte) error {
	w := wire{in: bytes.NewReader(content)}
	for {
		h, body, err := w.receive()
		if err != nil {
			return err
		}
		if h.Done != nil {
			if out, err := h.Done.outcome(body); err == nil {
				for name := range out.Files {
					if strings.HasPrefix(path.Clean(name), "..") || path.IsAbs(name) {
						panic(name)
					}
				}
			}
		}
	}
}

// ReadAnswers makes a graph of what Deno says and of a lock file.
func ReadAnswers(info, lock []byte) {
	var said denoInfo
	if json.Unmarshal(info, &said) != nil {
		return
	}
	parsed, _ := parseLock(lock)
	r := newReader("/work", said, parsed)
	r.read(question{Wants: []want{{Importer: "hello/index.ts"}}})
	for id := range r.needed {
		r.dependencies(id)
	}
	t := &task{}
	for _, imports := range r.graph.Imports {
		for _, answer := range imports {
			t.judge(answer, &settings{lock: "deno.lock", files: map[string][]byte{"deno.lock": lock}})
			if strings.HasPrefix(answer.Repo, "..") {
				panic(answer.Repo)
			}
		}
	}
}

// ReadPackIndex reads the index of a pack.
func ReadPackIndex(content []byte) ([]byte, error) { return readIndex(bytes.NewReader(content)) }

// MatchGlob is how globs of registry.json and package.json match.
func MatchGlob(glob, name string) bool {
	includes(glob, name)
	mayMatchBelow(glob, name)
	return matchGlob(glob, name)
}

// NodeNames returns a module of a package as it is bundled.
func NodeNames(content []byte, esm bool) []byte { return withNodeNames(content, "p@1/a.js", esm) }
