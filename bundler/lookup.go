package bundler

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// lookUp returns what the wanted imports mean. It is one question to Deno, asked
// again only when the imports, the settings or the versions are others: the
// answer is kept, and a function whose code changes but not its imports needs
// neither Deno nor the network.
func (t *task) lookUp(ctx context.Context) (*graph, error) {
	g := &graph{Imports: make(map[string]map[string]target)}
	s, wrong := t.readSettings()
	if len(wrong) > 0 {
		return nil, wrong
	}
	var open []want
	for w := range t.wanted {
		if answer, known := t.answer(w, s); known {
			g.add(w.Importer, w.Specifier, answer)
		} else {
			open = append(open, w)
		}
	}
	if len(open) == 0 {
		return g, nil
	}
	slices.SortFunc(open, compareWants)
	found, err := t.bundler.ask(ctx, question{Dir: s.dir, Wants: open, Files: s.files, Lock: s.lock})
	if err != nil {
		return nil, err
	}
	for importer, imports := range found.Imports {
		for specifier, answer := range imports {
			g.add(importer, specifier, t.judge(answer, s))
		}
	}
	for _, w := range open {
		if _, ok := g.Imports[w.Importer][w.Specifier]; !ok {
			g.add(w.Importer, w.Specifier, target{Error: "Deno did not find " + quote(w.Specifier)})
		}
	}
	g.Remote, g.RemotePack, g.Packages = found.Remote, found.RemotePack, maps.Clone(found.Packages)
	for id, p := range g.Packages {
		if slices.Contains(t.bundler.config.SkipScripts, p.Name) {
			p.Scripts = nil
			g.Packages[id] = p
		}
	}
	return g, nil
}

func (g *graph) add(importer, specifier string, t target) {
	if g.Imports[importer] == nil {
		g.Imports[importer] = make(map[string]target)
	}
	g.Imports[importer][specifier] = t
}

// remoteSchemes are what Deno has to be asked about in any case.
var remoteSchemes = []string{"npm:", "jsr:", "https:", "http:"}

func isRemote(specifier string) bool {
	return slices.ContainsFunc(remoteSchemes, func(s string) bool { return strings.HasPrefix(specifier, s) })
}

// answer returns what can be said without Deno.
func (t *task) answer(w want, s *settings) (target, bool) {
	switch specifier := w.Specifier; {
	case isRemote(specifier):
		if t.bundler.config.DenoPath == "" {
			return target{Error: "there is no Deno to fetch " + quote(specifier) + " with", Hint: "copy the module into the repository"}, true
		}
		return target{}, false
	case s.resolves && t.bundler.config.DenoPath != "":
		return target{}, false
	case isBuiltin(specifier):
		return target{Error: "the built-in module " + quote(specifier) + " needs its prefix", Hint: "write " + quote("node:"+specifier)}, true
	case strings.Contains(specifier, ":"):
		scheme, _, _ := strings.Cut(specifier, ":")
		return target{Error: "modules cannot be imported from " + scheme + ": addresses", Hint: "a file of the repository is imported by its relative path"}, true
	}
	return bareError(w.Specifier), true
}

func bareError(specifier string) target {
	name, _ := splitPackage(specifier)
	return target{
		Error: "the import " + quote(specifier) + " is neither a path nor mapped to one",
		Hint:  fmt.Sprintf("a path starts with ./ or ../; a package is written npm:%s@VERSION, or mapped to that under \"imports\" in deno.json", name),
	}
}

// A question is all that an answer of Deno depends on, and the key under which
// it is kept.
type question struct {
	Dir   string            `json:"dir"` // where Deno is asked
	Wants []want            `json:"wants"`
	Files map[string][]byte `json:"files"` // settings, by path
	Lock  string            `json:"lock"`  // path of the lock file
}

func (b *Bundler) key(q question) (string, error) {
	version, err := b.deno()
	if err != nil {
		return "", err
	}
	encoded, err := json.Marshal(struct {
		Format   int
		Deno     string
		Env      []string
		Hosts    []string
		Question question
	}{format, version, b.config.Env, b.config.ImportHosts, q})
	return hashOf(encoded), err
}

func (b *Bundler) graphsDir() string { return filepath.Join(b.config.CacheDir, "graphs") }
func (b *Bundler) packsDir() string  { return filepath.Join(b.config.CacheDir, "packs") }

// ask returns Deno's answer, from the cache if it is there whole.
func (b *Bundler) ask(ctx context.Context, q question) (*graph, error) {
	key, err := b.key(q)
	if err != nil {
		return nil, err
	}
	if g, ok := b.kept(key); ok {
		return g, nil
	}
	for _, dir := range []string{b.graphsDir(), b.packsDir(), b.denoDir()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make cache: %w", err)
		}
	}
	return b.askTogether(ctx, &asked{question: q, key: key})
}

// whole reports whether every import was found. What was not may be tomorrow.
func (g *graph) whole() bool {
	for _, imports := range g.Imports {
		for _, t := range imports {
			if t.Error != "" {
				return false
			}
		}
	}
	return true
}

// kept returns a graph of the cache, if it and all of its packs are what was put
// there.
func (b *Bundler) kept(key string) (*graph, bool) {
	g := new(graph)
	if !readNote(filepath.Join(b.graphsDir(), key), g) {
		return nil, false
	}
	for _, name := range g.packs() {
		p, err := openPack(b.packsDir(), name)
		if err != nil {
			os.Remove(filepath.Join(b.packsDir(), name))
			return nil, false
		}
		p.close()
		touch(filepath.Join(b.packsDir(), name))
	}
	touch(filepath.Join(b.graphsDir(), key))
	return g, true
}

func (b *Bundler) keep(key string, g *graph) error {
	return writeNote(filepath.Join(b.graphsDir(), key), g)
}

// A note is a value of the cache: its hash on a line, and its JSON.

func writeNote(path string, v any) error {
	encoded, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return writeFile(path, append([]byte(hashOf(encoded)+"\n"), encoded...))
}

// readNote reads a note into v, and reports whether it is there and whole.
func readNote(path string, v any) bool {
	content, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	sum, encoded, _ := bytes.Cut(content, []byte("\n"))
	return string(sum) == hashOf(encoded) && json.Unmarshal(encoded, v) == nil
}
