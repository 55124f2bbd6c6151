package manifest_test

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon/manifest"
)

func TestFind(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string // NAME=ENTRY, sorted
	}{
		{"nothing", nil, ""},
		{"no function", map[string]string{"README.md": "", "lib/words.ts": ""}, ""},
		{"one at the root", map[string]string{"index.ts": ""}, "app=index.ts"},
		{"folders", map[string]string{"a/index.ts": "", "b/index.js": "", "c/other.ts": ""}, "a=a/index.ts b=b/index.js"},
		{"every entry file", map[string]string{"a/index.ts": "", "b/index.tsx": "", "c/index.js": "", "d/index.jsx": "", "e/index.mts": "", "f/index.mjs": "", "g/index.html": ""},
			"a=a/index.ts b=b/index.tsx c=c/index.js d=d/index.jsx e=e/index.mts f=f/index.mjs"},
		{"source before what is compiled", map[string]string{"a/index.js": "", "a/index.ts": ""}, "a=a/index.ts"},
		{"below functions", map[string]string{"functions/a/index.ts": "", "b/index.ts": "", "functions/lib/x.ts": ""}, "a=functions/a/index.ts b=b/index.ts"},
		{"functions itself", map[string]string{"functions/index.ts": ""}, "functions=functions/index.ts"},
		{"not deeper", map[string]string{"a/b/index.ts": "", "functions/c/d/index.ts": ""}, ""},
		{"shared code", map[string]string{"_shared/index.ts": "", ".hidden/index.ts": "", "functions/_x/index.ts": "", "node_modules/index.ts": ""}, ""},
		{"an index folder", map[string]string{"a/index.ts/x": ""}, ""},
		{"a function's own folders", map[string]string{"index.ts": "", "components/index.ts": ""}, "app=index.ts"},
		{"beside a function at the root", map[string]string{"index.ts": "", "a/index.ts": "", "a/registry.json": "{}", "functions/b/index.ts": ""}, "a=a/index.ts app=index.ts b=functions/b/index.ts"},
		{"an entry of its own", map[string]string{"a/registry.json": `{"entry": "src/main.ts"}`, "a/src/main.ts": ""}, "a=a/src/main.ts"},
		{"an entry before the index", map[string]string{"a/registry.json": `{"entry": "main.ts"}`, "a/main.ts": "", "a/index.ts": ""}, "a=a/main.ts"},
		{"an entry at the root", map[string]string{"registry.json": `{"entry": "main.ts"}`, "main.ts": ""}, "app=main.ts"},
		{"static files alone", map[string]string{"a/registry.json": `{"static": "public"}`, "a/public/x": ""}, "a="},
		{"somebody else's registry.json", map[string]string{"ui/registry.json": `{"name": "x", "items": []}`, "a/index.ts": ""}, "a=a/index.ts"},
		{"named places", map[string]string{"registry.json": `{"functions": ["supabase/functions/*"]}`, "supabase/functions/a/index.ts": "", "supabase/functions/_shared/index.ts": "", "web/index.tsx": "", "index.ts": ""}, "a=supabase/functions/a/index.ts"},
		{"named places of all kinds", map[string]string{"registry.json": `{"functions": [".", "x/y", "deep/**", "z?"], "warmupOnStart": true}`, "index.ts": "", "x/y/index.ts": "", "deep/1/2/a/index.ts": "", "deep/b/index.ts": "", "zz/index.ts": "", "zzz/index.ts": ""},
			"a=deep/1/2/a/index.ts app=index.ts b=deep/b/index.ts y=x/y/index.ts zz=zz/index.ts"},
		{"a place named twice", map[string]string{"registry.json": `{"functions": ["a", "*", "**"]}`, "a/index.ts": ""}, "a=a/index.ts"},
		{"a hidden place that is named", map[string]string{"registry.json": `{"functions": [".github/functions/*"]}`, ".github/functions/a/index.ts": ""}, "a=.github/functions/a/index.ts"},
	} {
		t.Run(c.name, func(t *testing.T) {
			found, err := manifest.Find(tree(c.files), "app")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range found {
				got = append(got, fmt.Sprintf("%s=%s", f.Name, f.Entry))
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("found %q, not %q", strings.Join(got, " "), c.want)
			}
		})
	}
}

func TestFindRefuses(t *testing.T) {
	long := strings.Repeat("n", 64)
	for _, c := range []struct {
		name  string
		files map[string]string
		want  []string // one in each finding
	}{
		{"a name that is none", map[string]string{"my function/index.ts": ""}, []string{"my function: "}},
		{"a name too long", map[string]string{long + "/index.ts": ""}, []string{"64 characters"}},
		{"names in another case", map[string]string{"Hello/index.ts": "", "hello/index.ts": ""}, []string{`hello: function "hello" differs only in case from "Hello" in Hello`}},
		{"a name twice", map[string]string{"hello/index.ts": "", "functions/hello/index.ts": ""}, []string{`function "hello" is also in hello`}},
		{"the repository's name", map[string]string{"index.ts": "", "functions/app/index.ts": ""}, []string{"is also in the root of the repository"}},
		{"a pattern for nothing", map[string]string{"registry.json": `{"functions": ["supabse/*", "a"]}`, "supabase/a/index.ts": ""}, []string{"registry.json:1:16: ", `"a" matches no folder`}},
		{"patterns that are none", map[string]string{"registry.json": `{"functions": ["/a", "../a", "[", "", "a\\b"]}`}, []string{"starts with /", "leads out", "brackets", "empty", "backslash"}},
		{"too many patterns", map[string]string{"a/index.ts": "", "registry.json": `{"functions": [` + strings.Repeat(`"a", `, 101) + `]}`}, []string{"more than 100 patterns"}},
		{"settings for nobody", map[string]string{"registry.json": `{"warmupOnStart": true}`, "a/index.ts": ""}, []string{"registry.json:1:2: "}},
		{"settings for a root that is left out", map[string]string{"registry.json": `{"functions": ["a"], "timeout": "1s"}`, "index.ts": "", "a/index.ts": ""}, []string{"not among the functions"}},
		{"every file's findings", map[string]string{"a/index.ts": "", "a/registry.json": `{"x": 1}`, "b/index.ts": "", "b/registry.json": `{`}, []string{"a/registry.json:1:2: ", "b/registry.json:1:2: "}},
		{"a file too large", map[string]string{"a/index.ts": "", "a/registry.json": strings.Repeat(" ", 300<<10) + "{}"}, []string{"a/registry.json: the file has 300 kB"}},
		{"a folder for a file", map[string]string{"a/index.ts": "", "a/registry.json/x": ""}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := manifest.Find(tree(c.files), "app")
			wrong, ok := errors.AsType[denofn.Diagnostics](err)
			if len(wrong) != len(c.want) || !ok && c.want != nil {
				t.Fatalf("%d findings, not %d: %v", len(wrong), len(c.want), err)
			}
			for _, want := range c.want {
				if !slices.ContainsFunc(wrong, func(d denofn.Diagnostic) bool { return strings.Contains(d.Error(), want) }) {
					t.Errorf("no finding has %q: %v", want, wrong)
				}
			}
		})
	}
}

func TestFindTooMany(t *testing.T) {
	_, err := manifest.Find(many{tree(map[string]string{"index.ts": ""})}, "app")
	if wrong, _ := errors.AsType[denofn.Diagnostics](err); len(wrong) != 1 || !strings.Contains(wrong[0].Message, "5001 functions, more than the 5000 allowed") {
		t.Errorf("5001 functions: %v", err)
	}
}

// many is a tree whose root holds 5001 folders, each with an index.ts.
type many struct{ fstest.MapFS }

func (m many) ReadDir(name string) ([]fs.DirEntry, error) {
	if name != "." {
		return m.MapFS.ReadDir(".")
	}
	var folders []fs.DirEntry
	for i := range 5001 {
		folders = append(folders, folder(fmt.Sprint("f", i)))
	}
	return folders, nil
}

// Links to files count, links to folders would make one function two.
func TestFindLinks(t *testing.T) {
	fs := tree(map[string]string{"a/index.ts": "", "shared.ts": "", "b/x": ""})
	fs["b/index.ts"] = &fstest.MapFile{Data: []byte("../shared.ts"), Mode: fsLink}
	fs["c"] = &fstest.MapFile{Data: []byte("a"), Mode: fsLink}
	found, err := manifest.Find(fs, "app")
	if err != nil || len(found) != 2 || found[0].Name != "a" || found[1].Name != "b" {
		t.Errorf("found %v, %v", found, err)
	}
	fs["a/registry.json"] = &fstest.MapFile{Data: []byte("nowhere"), Mode: fsLink}
	if _, err := manifest.Find(fs, "app"); err == nil || !strings.Contains(err.Error(), "leads nowhere") {
		t.Errorf("a link that leads nowhere: %v", err)
	}
}

const fsLink = fs.ModeSymlink | 0o777

// A tree of git can hold more folders than can be walked, in a few kilobytes.
func TestFindGivesUp(t *testing.T) {
	for _, pattern := range []string{strings.Repeat(`*/*/*/*/*/*/*/*/*/*", "`, 90) + "a", "**/x/**/y/**", "*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*"} {
		files := endless{tree(map[string]string{"registry.json": `{"functions": ["` + pattern + `"]}`})}
		_, err := manifest.Find(files, "app")
		wrong, _ := errors.AsType[denofn.Diagnostics](err)
		if !slices.ContainsFunc(wrong, func(d denofn.Diagnostic) bool { return strings.Contains(d.Message, "more than 20000 folders") }) {
			t.Errorf("%.50s: %v", pattern, err)
		}
	}
}

// endless is a tree in which every folder holds two more.
type endless struct{ fstest.MapFS }

func (e endless) ReadDir(name string) ([]fs.DirEntry, error) {
	if name != "." {
		return []fs.DirEntry{folder("a"), folder("b")}, nil
	}
	entries, err := fs.ReadDir(e.MapFS, name)
	return append(entries, folder("a"), folder("b")), err
}

func (e endless) Stat(name string) (fs.FileInfo, error) {
	if name == manifest.FileName {
		return e.MapFS.Stat(name)
	}
	return nil, fs.ErrNotExist
}

type folder string

func (f folder) Name() string               { return string(f) }
func (f folder) IsDir() bool                { return true }
func (f folder) Type() fs.FileMode          { return fs.ModeDir }
func (f folder) Info() (fs.FileInfo, error) { return nil, fs.ErrNotExist }
