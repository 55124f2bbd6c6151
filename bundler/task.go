package bundler

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/denofn/denofn"
)

// A task is the bundling of one function.
type task struct {
	bundler  *Bundler
	source   Source
	files    *recorder
	packs    packs
	settings *settings // nil until something needs them
	wanted   map[want]bool
	took     time.Duration

	mu      sync.Mutex // guards what follows: without workers, esbuild asks from many goroutines
	damaged []string   // packs that are not what was put there, or gone
}

// maxRounds is how often an answer of Deno may bring in files with questions of
// their own.
const maxRounds = 50

// run compiles, looks up what could not be answered, and compiles again. A
// function that imports nothing but files, which most do, is compiled once and
// needs no Deno.
func (t *task) run(ctx context.Context) (*Result, error) {
	t.wanted = make(map[want]bool)
	j := job{Entry: t.source.Entry, Dir: t.dir(), Include: t.source.Include, Minify: t.bundler.config.Minify}
	for range maxRounds {
		out, took, err := t.bundler.compile(ctx, t, j)
		t.took += took
		if err != nil {
			return nil, err
		}
		if len(t.damaged) > 0 {
			if j.Graph, err = t.mend(ctx); err != nil {
				return nil, err
			}
			continue
		}
		if out.Unsettled {
			s, wrong := t.readSettings()
			if len(wrong) > 0 {
				return nil, wrong
			}
			j.CompilerOptions, j.Settled = s.compilerOptions, true
			if changes(s.compilerOptions) {
				continue
			}
		}
		if len(out.Wanted) == 0 {
			return t.result(ctx, out)
		}
		for _, w := range out.Wanted {
			t.wanted[w] = true
		}
		if j.Graph, err = t.lookUp(ctx); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("bundle %s: imports lead to new ones without an end", t.source.Entry)
}

// mend removes damaged packs, so that what was in them is fetched again.
func (t *task) mend(ctx context.Context) (*graph, error) {
	t.packs.close()
	for _, name := range t.damaged {
		t.bundler.config.Logger.Warn("cache is damaged, fetching again", "pack", name)
		if err := os.Remove(filepath.Join(t.bundler.packsDir(), name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("remove damaged pack: %w", err)
		}
	}
	t.damaged = nil
	return t.lookUp(ctx)
}

func (t *task) result(ctx context.Context, out *outcome) (*Result, error) {
	if len(out.Errors) > 0 {
		return nil, out.Errors
	}
	if t.source.Check {
		found, err := t.check(ctx)
		if err != nil {
			return nil, err
		}
		if len(found) > 0 {
			return nil, found
		}
	}
	included, wrong := t.include()
	if len(wrong) > 0 {
		return nil, wrong
	}
	for name, content := range out.Files {
		included[name] = content
	}
	code, sourceMap := out.Files[mainFile], out.Files[mapFile]
	delete(included, mainFile)
	delete(included, mapFile)
	workers := 0
	for name := range included {
		if strings.HasPrefix(name, workersDir+"/") && strings.HasSuffix(name, ".js") {
			workers++
		}
	}
	return &Result{
		Workers:   workers,
		Took:      t.took,
		Files:     included,
		Code:      code,
		SourceMap: sourceMap,
		Inputs:    t.files.inputs(),
		Warnings:  out.Warnings,
	}, nil
}

// dir is the folder of the function.
func (t *task) dir() string {
	if t.source.Dir != "" {
		return t.source.Dir
	}
	return path.Dir(t.source.Entry)
}

// readSettings reads the settings once.
func (t *task) readSettings() (*settings, denofn.Diagnostics) {
	if t.settings == nil {
		s, wrong := readSettings(t.files, t.dir())
		if len(wrong) > 0 {
			return nil, wrong
		}
		t.settings = s
	}
	return t.settings, nil
}

// Read, List, Packed and Names make the task what compile reads.

func (t *task) Read(name string) file { return t.files.Read(name) }

func (t *task) List(dir string) []string { return t.files.List(dir) }

func (t *task) Packed(pack, name string) file {
	p, err := t.packs.get(pack)
	if err != nil {
		return t.lost(pack, err)
	}
	content, err := p.read(name)
	if errors.Is(err, os.ErrNotExist) {
		return file{Fault: faultMissing}
	}
	if errors.Is(err, errDamaged) {
		return t.lost(pack, err)
	}
	if err != nil {
		return file{Fault: faultOther, Text: err.Error()}
	}
	return file{Content: content}
}

// lost notes a pack that is damaged or has been collected.
func (t *task) lost(pack string, err error) file {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.damaged = append(t.damaged, pack)
	return file{Fault: faultOther, Text: err.Error()}
}

func (t *task) Names(pack string) []string {
	p, err := t.packs.get(pack)
	if err != nil {
		t.lost(pack, err)
		return nil
	}
	names := make([]string, 0, len(p.files))
	for name := range p.files {
		names = append(names, name)
	}
	return names
}
