package bundler

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/micro"
)

// check has Deno check the types of a function that was bundled. Deno is given a
// copy of the modules and of what they name for their types alone, which esbuild
// never sees, with the library's names replaced by that of a copy of it.
func (t *task) check(ctx context.Context) (denofn.Diagnostics, error) {
	b := t.bundler
	if b.config.DenoPath == "" {
		return nil, errors.New("check types: there is no Deno")
	}
	s, wrong := t.readSettings()
	if len(wrong) > 0 {
		return wrong, nil
	}
	dir, err := b.workDir()
	if err != nil {
		return nil, fmt.Errorf("make work folder: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := os.MkdirAll(b.denoDir(), 0o700); err != nil {
		return nil, fmt.Errorf("make cache: %w", err)
	}
	q := question{Dir: s.dir, Files: make(map[string][]byte), Lock: s.lock}
	for name, content := range s.files {
		q.Files[name] = content
	}
	for name, content := range t.typed(dir) {
		q.Files[name] = content
	}
	if err := errors.Join(q.write(dir), writeMicro(dir)); err != nil {
		return nil, fmt.Errorf("write modules: %w", err)
	}
	b.fetching.Lock()
	defer b.fetching.Unlock()
	args := append([]string{"check"}, b.fetchFlags(dir, q)...)
	_, err = b.runDeno(ctx, dir, ".", append(args, filepath.Join(dir, t.source.Entry))...)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return t.typeErrors(string(exit.Stderr), dir), nil
	}
	return nil, err
}

// microDir is the folder of the copy of the library.
const microDir = ".denofn-micro"

func writeMicro(dir string) error {
	return fs.WalkDir(micro.Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := micro.Files.ReadFile(name)
		if err != nil {
			return err
		}
		at := filepath.Join(dir, microDir, name)
		return errors.Join(os.MkdirAll(filepath.Dir(at), 0o700), os.WriteFile(at, content, 0o600))
	})
}

// named matches what may be a specifier in a module: a quoted string without
// spaces. What is none names no file.
var named = regexp.MustCompile(`"[^"\s\\]+"|'[^'\s\\]+'`)

// typed returns the modules of the function and all files of the tree that they
// name, by path.
func (t *task) typed(dir string) map[string][]byte {
	library := "file://" + filepath.Join(dir, microDir, "mod.ts")
	files := make(map[string][]byte)
	var open []string
	for _, in := range t.files.inputs() {
		if _, module := loaders[path.Ext(in.Path)]; module && in.Hash != "" {
			open = append(open, in.Path)
		}
	}
	for len(open) > 0 {
		name := open[0]
		open = open[1:]
		if _, done := files[name]; done {
			continue
		}
		f := t.files.Read(name)
		if f.Fault != faultNone {
			continue
		}
		files[name] = named.ReplaceAllFunc(f.Content, func(quoted []byte) []byte {
			specifier := string(quoted[1 : len(quoted)-1])
			if isMicro(specifier) {
				return []byte(quoteJS(library))
			}
			if !isRelative(specifier) {
				return quoted
			}
			at, ok := joinSpecifier(path.Dir(name), specifier)
			if !ok {
				return quoted
			}
			switch there := t.files.Read(at).Fault; {
			case there == faultNone:
				open = append(open, at)
			case (there == faultMissing || there == faultOutside) && strings.HasSuffix("/"+at, "/"+seedMicro):
				return []byte(quoteJS(library))
			}
			return quoted
		})
	}
	return files
}

var (
	typeError = regexp.MustCompile(`^(TS\d+) \[ERROR\]: (.*)$`)
	typePlace = regexp.MustCompile(`^\s*at (\S+):(\d+):(\d+)$`)
	typeMark  = regexp.MustCompile(`^\s*(~+)\s*$`)
)

// typeErrors reads what `deno check` writes: a message, the line with a mark below
// it, and the place.
func (t *task) typeErrors(said, dir string) denofn.Diagnostics {
	var all denofn.Diagnostics
	var d *denofn.Diagnostic
	for line := range strings.Lines(said) {
		line = strings.TrimRight(line, "\r\n")
		switch m := typeError.FindStringSubmatch(line); {
		case m != nil:
			all = append(all, denofn.Diagnostic{Message: m[2] + " (" + m[1] + ")"})
			d = &all[len(all)-1]
		case d == nil:
		case typeMark.MatchString(line) && d.Length == 0:
			d.Length = len(typeMark.FindStringSubmatch(line)[1])
		case typePlace.MatchString(line) && d.Line == 0:
			place := typePlace.FindStringSubmatch(line)
			d.File = strings.TrimPrefix(place[1], "file://"+dir+"/")
			d.Line, _ = strconv.Atoi(place[2])
			d.Column, _ = strconv.Atoi(place[3])
			d.Source = t.line(d.File, d.Line)
		}
	}
	if len(all) == 0 {
		all = denofn.Diagnostics{{File: t.source.Entry, Message: "types cannot be checked: " + explainDeno(said, dir)}}
	}
	return all.Sort()
}

// line returns a line of a file of the tree.
func (t *task) line(name string, number int) string {
	if !fs.ValidPath(name) {
		return ""
	}
	f := t.files.Read(name)
	lines := strings.Split(string(f.Content), "\n")
	if f.Fault != faultNone || number > len(lines) {
		return ""
	}
	return strings.TrimSuffix(lines[number-1], "\r")
}
