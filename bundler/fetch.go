package bundler

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/denofn/denofn"
)

// rootsModule is the module that Deno is asked about. It imports one stand-in for
// every module of the function that has a question: a file with the same path and
// nothing in it but the imports in question. It lies in the folder of the
// function, since Deno looks for settings from there. So Deno sees scopes and workspaces as
// they are, and nothing of the function's code.
const rootsModule = ".denofn-roots.ts"

// fetch has Deno find, download and verify what questions are about, and packs it.
// It returns a graph for each, or none where they cannot be told apart; grown is by
// how many bytes the packs have grown. The Bundler's fetching is held.
func (b *Bundler) fetch(ctx context.Context, several []*asked) (graphs []*graph, grown int64, err error) {
	q := join(several)
	dir, err := b.workDir()
	if err != nil {
		return nil, 0, fmt.Errorf("make work folder: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := q.write(dir); err != nil {
		return nil, 0, fmt.Errorf("write stand-ins: %w", err)
	}
	before := unpacked(b.denoDir())
	args := append([]string{"info", "--json"}, b.fetchFlags(dir, q)...)
	out, err := b.runDeno(ctx, dir, q.Dir, append(args, rootsModule)...)
	if err != nil {
		return nil, 0, q.refusal(err, dir)
	}
	var info denoInfo
	if err := json.Unmarshal(out, &info); err != nil {
		return nil, 0, fmt.Errorf("read the graph of deno info: %w", err)
	}
	written, lock, err := readLock(filepath.Join(dir, q.Lock))
	if err != nil {
		return nil, 0, fmt.Errorf("read deno.lock: %w", err)
	}
	if len(several) > 1 && !bytes.Equal(written, q.Files[q.Lock]) {
		return nil, 0, nil // Deno has chosen a version, and for one alone it may choose another
	}
	needed := make(map[string]bool)
	var readers []*reader
	for _, a := range several {
		r := newReader(dir, info, lock)
		r.read(a.question)
		maps.Copy(needed, r.needed)
		readers = append(readers, r)
	}
	if err := b.refetch(ctx, dir, q, readers[0], needed, before); err != nil {
		return nil, 0, err
	}
	for _, r := range readers {
		bytes, err := b.pack(r)
		if err != nil {
			return nil, 0, fmt.Errorf("pack modules: %w", err)
		}
		grown += bytes
		graphs = append(graphs, r.graph)
	}
	return graphs, grown, nil
}

// fetchFlags are the flags of every run: nothing is installed beside the
// settings, no script runs, and the lock file is read and completed.
func (b *Bundler) fetchFlags(dir string, q question) []string {
	flags := []string{"--quiet", "--node-modules-dir=none", "--vendor=false", "--lock=" + filepath.Join(dir, q.Lock)}
	if len(b.config.ImportHosts) > 0 {
		flags = append(flags, "--allow-import="+strings.Join(b.config.ImportHosts, ","))
	}
	return flags
}

// write puts the settings and the stand-ins into the work folder.
func (q question) write(dir string) error {
	files := maps.Clone(q.Files)
	if files == nil {
		files = make(map[string][]byte)
	}
	if !slices.ContainsFunc(slices.Collect(maps.Keys(files)), isConfig) {
		files["deno.json"] = []byte("{}") // or Deno would go on looking above the work folder
	}
	var roots strings.Builder
	up := "./"
	if q.Dir != "." {
		up = strings.Repeat("../", strings.Count(q.Dir, "/")+1)
	}
	for _, w := range q.Wants {
		if _, ok := files[w.Importer]; !ok {
			fmt.Fprintf(&roots, "import %s;\n", quoteJS(up+w.Importer))
		}
		line := "import " + quoteJS(w.Specifier)
		if w.Type != "" {
			line += " with { type: " + quoteJS(w.Type) + " }"
		}
		files[w.Importer] = append(files[w.Importer], line+";\n"...)
	}
	if len(q.Wants) > 0 {
		files[path.Join(q.Dir, rootsModule)] = []byte(roots.String())
	}
	for name, content := range files {
		at := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(at, content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func isConfig(name string) bool {
	return slices.Contains(denoConfigs, path.Base(name)) || path.Base(name) == "package.json"
}

// quoteJS writes a string as JavaScript, which JSON is.
func quoteJS(s string) string {
	encoded, _ := json.Marshal(s)
	return string(encoded)
}

// refusal turns a failure of Deno into a finding about the settings, which are
// all that can make it fail as a whole.
func (q question) refusal(err error, dir string) error {
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return fmt.Errorf("run deno: %w", err)
	}
	said := explainDeno(string(exit.Stderr), dir)
	d := denofn.Diagnostic{File: q.Wants[0].Importer, Message: "Deno could not look up the imports: " + said}
	for name := range q.Files {
		if strings.Contains(said, name) && len(name) > len(d.File) || d.File == q.Wants[0].Importer && strings.Contains(said, path.Base(name)) {
			d.File = name
		}
	}
	if strings.Contains(said, "ockfile") {
		d.File, d.Hint = q.Lock, "delete it and let Deno write it again: deno install --entrypoint with the entry file of each function"
	}
	if strings.Contains(said, "checksum") || strings.Contains(said, "integrity") {
		d.File, d.Hint = q.Lock, "what the registry serves is not what deno.lock was written for: find out why before you update it"
	}
	return denofn.Diagnostics{d}
}

// unpacked returns the folders of the npm packages that are in a DENO_DIR.
func unpacked(denoDir string) map[string]bool {
	found := make(map[string]bool)
	filepath.WalkDir(filepath.Join(denoDir, "npm"), func(at string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil
		}
		if _, err := os.Lstat(filepath.Join(at, "package.json")); err == nil {
			found[at] = true
			return filepath.SkipDir
		}
		return nil
	})
	return found
}

// refetch makes sure that every package that has to be packed was unpacked by this
// very run, against the hash in this very lock file.
func (b *Bundler) refetch(ctx context.Context, dir string, q question, r *reader, needed, before map[string]bool) error {
	again := false
	for id := range needed {
		p := r.info.NPM[id]
		if _, ok := b.noted(r.lock.NPM[id].Integrity); ok {
			continue
		}
		if _, err := os.Lstat(filepath.Join(p.LocalPath, "package.json")); err != nil || before[p.LocalPath] {
			if err := os.RemoveAll(p.LocalPath); err != nil {
				return err
			}
		}
		if _, err := os.Stat(p.LocalPath); errors.Is(err, fs.ErrNotExist) {
			again = true
		}
	}
	if !again {
		return nil
	}
	args := append([]string{"cache"}, b.fetchFlags(dir, q)...)
	if _, err := b.runDeno(ctx, dir, q.Dir, append(args, rootsModule)...); err != nil {
		return q.refusal(err, dir)
	}
	return nil
}

// A packageNote says what a package was packed as. It is kept under the integrity
// that lock files record of the package.
type packageNote struct {
	Pack    string   `json:"pack"`
	Scripts []string `json:"scripts,omitempty"`
	Native  string   `json:"native,omitempty"`
}

func (b *Bundler) notePath(integrity string) string {
	return filepath.Join(b.graphsDir(), "npm-"+hashOf([]byte(integrity)))
}

// noted returns the note of a package whose pack is there.
func (b *Bundler) noted(integrity string) (packageNote, bool) {
	var n packageNote
	if integrity == "" || !readNote(b.notePath(integrity), &n) {
		return n, false
	}
	p, err := openPack(b.packsDir(), n.Pack)
	if err != nil {
		return n, false
	}
	p.close()
	touch(filepath.Join(b.packsDir(), n.Pack))
	touch(b.notePath(integrity))
	return n, true
}

// pack packs what the graph needs and is not packed yet.
func (b *Bundler) pack(r *reader) (bytes int64, err error) {
	for id := range r.needed {
		info, integrity := r.info.NPM[id], r.lock.NPM[id].Integrity
		note, ok := b.noted(integrity)
		if !ok {
			files, err := readPackage(info.LocalPath)
			if err != nil {
				return 0, fmt.Errorf("read package %s: %w", id, err)
			}
			note = describePackage(files)
			bytes += total(files)
			if note.Pack, err = writePack(b.packsDir(), files); err != nil {
				return 0, err
			}
			if integrity != "" {
				if err := writeNote(b.notePath(integrity), note); err != nil {
					return 0, err
				}
			}
		}
		r.graph.Packages[id] = npmPackage{
			Name: info.Name, Version: info.Version, Dependencies: r.dependencies(id),
			Pack: note.Pack, Scripts: note.Scripts, Native: note.Native,
		}
	}
	if len(r.graph.Remote) == 0 {
		return bytes, nil
	}
	files := make(map[string][]byte)
	for address := range r.graph.Remote {
		content, err := readRemote(r.local[address])
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", address, err)
		}
		if want, ok := r.lock.Remote[address]; ok && hashOf(content) != want {
			return 0, fmt.Errorf("%s %w", address, errDamaged)
		}
		files[address] = content
	}
	r.graph.RemotePack, err = writePack(b.packsDir(), files)
	return bytes + total(files), err
}

func total(files map[string][]byte) (bytes int64) {
	for _, content := range files {
		bytes += int64(len(content))
	}
	return bytes
}

// packageFiles are the kinds of files of a package that a bundle can hold. The
// rest, most of it types and documentation, is only counted on to be absent.
var packageFiles = []string{".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx", ".json", ".wasm", ".node", ".gyp", ".txt", ".html", ".css", ""}

// readPackage reads the files of an unpacked package by path in it.
func readPackage(dir string) (map[string][]byte, error) {
	files := make(map[string][]byte)
	err := filepath.WalkDir(dir, func(at string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(dir, at)
		if err != nil {
			return err
		}
		if !slices.Contains(packageFiles, path.Ext(name)) || strings.HasSuffix(name, ".d.ts") || strings.HasSuffix(name, ".d.mts") || strings.HasSuffix(name, ".d.cts") {
			return nil
		}
		if path.Ext(name) == ".node" { // that it is there is all that matters
			files[filepath.ToSlash(name)] = nil
			return nil
		}
		files[filepath.ToSlash(name)], err = os.ReadFile(at)
		return err
	})
	return files, err
}
