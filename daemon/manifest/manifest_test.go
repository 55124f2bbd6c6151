package manifest_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon/manifest"
	"github.com/denofn/denofn/micro/denotest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// tree returns a repository with the given files.
func tree(files map[string]string) fstest.MapFS {
	fs := make(fstest.MapFS)
	for name, text := range files {
		fs[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fs
}

// hello is a repository with one function and all that its registry.json may name.
func hello(registry []byte) fstest.MapFS {
	fs := tree(map[string]string{
		"hello/index.ts": "", "hello/main.ts": "", "hello/public/index.html": "", "hello/empty/readme": "",
		"hello/templates/a/b.html": "", "hello/words.txt": "",
	})
	fs["hello/registry.json"] = &fstest.MapFile{Data: registry}
	return fs
}

// cases reads the files of an archive, in order. Their last line end is not theirs.
func cases(t testing.TB, name string) []txtar.File {
	t.Helper()
	archive, err := txtar.ParseFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return archive.Files
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; run with -update and read the diff. Got:\n%s", path, got)
	}
}

// find returns the only function of hello.
func find(t *testing.T, registry []byte) manifest.Function {
	t.Helper()
	found, err := manifest.Find(hello(registry), "app")
	if err != nil {
		t.Fatalf("%s: %v", registry, err)
	}
	if len(found) != 1 {
		t.Fatalf("%s: %d functions", registry, len(found))
	}
	return found[0]
}

func TestAccepted(t *testing.T) {
	var b strings.Builder
	for _, c := range cases(t, "accepted.txtar") {
		f := find(t, c.Data)
		fmt.Fprintf(&b, "== %s\n%s %s\n", c.Name, f.Name, f.Entry)
		for _, flag := range f.Permissions.Flags() {
			fmt.Fprintf(&b, "  %s\n", flag)
		}
		for _, part := range []any{f.Settings, f.Build} {
			text, err := json.Marshal(part)
			if err != nil {
				t.Fatal(err)
			}
			if string(text) != "{}" {
				fmt.Fprintf(&b, "  %s\n", text)
			}
		}
	}
	golden(t, "accepted.golden", b.String())
}

func TestRefused(t *testing.T) {
	var b strings.Builder
	for _, c := range cases(t, "refused.txtar") {
		_, err := manifest.Find(hello(c.Data), "app")
		wrong, ok := errors.AsType[denofn.Diagnostics](err)
		if !ok {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		fmt.Fprintf(&b, "== %s\n", c.Name)
		for _, d := range wrong {
			fmt.Fprintf(&b, "%s\n", d.Error())
			if d.Source != "" {
				fmt.Fprintf(&b, "  | %s\n  | %s%s\n", d.Source, strings.Repeat(" ", d.Column-1), strings.Repeat("^", max(1, d.Length)))
			}
			if d.Hint != "" {
				fmt.Fprintf(&b, "  hint: %s\n", d.Hint)
			}
		}
	}
	golden(t, "refused.golden", b.String())
}

// Deno itself takes every flag that comes out.
func TestDenoTakesTheFlags(t *testing.T) {
	deno := denotest.Path(t)
	script := filepath.Join(t.TempDir(), "nothing.js")
	if err := os.WriteFile(script, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var all denofn.Permissions
	for _, c := range cases(t, "accepted.txtar") {
		p := find(t, c.Data).Permissions
		for _, kind := range []string{"net", "env", "read", "write", "sys"} {
			access := *p.Of(kind)
			access.All = false
			*all.Of(kind) = all.Of(kind).Merge(access)
		}
	}
	args := slices.Concat([]string{"run", "--quiet", "--no-config"}, all.Flags(), []string{script})
	if out, err := exec.Command(deno, args...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%s: %v\n%s", args, err, out)
	}
}

func TestDiff(t *testing.T) {
	access := func(values ...string) denofn.Access { return denofn.Access{Allow: values} }
	for _, c := range []struct {
		before, after denofn.Permissions
		want          string
	}{
		{denofn.Permissions{}, denofn.Permissions{}, ""},
		{denofn.Permissions{}, denofn.Permissions{Net: access("a.example"), Env: access("A")}, "+ --allow-net=a.example\n+ --allow-env=A"},
		{denofn.Permissions{Net: access("a.example", "b.example")}, denofn.Permissions{Net: access("b.example", "c.example")}, "+ --allow-net=c.example\n- --allow-net=a.example"},
		{denofn.Permissions{Net: access("a.example")}, denofn.Permissions{Net: denofn.Access{All: true}}, "+ --allow-net\n- --allow-net=a.example"},
		{denofn.Permissions{Net: denofn.Access{All: true, Deny: []string{"x"}}}, denofn.Permissions{Net: denofn.Access{All: true}}, "- --deny-net=x"},
		{denofn.Permissions{}, denofn.Permissions{Read: denofn.Access{Deny: []string{"./data/a"}}}, "+ --deny-read=./data/a"},
	} {
		if got := strings.Join(manifest.Diff(c.before, c.after), "\n"); got != c.want {
			t.Errorf("from %v to %v:\n%s\nnot\n%s", c.before.Flags(), c.after.Flags(), got, c.want)
		}
	}
}

// A file that asks for everything one by one, or has a mistake on every line, costs
// no more than it may.
func TestTooMuch(t *testing.T) {
	var flags, keys []string
	for i := range 20_000 {
		flags = append(flags, fmt.Sprintf("--deny-env=V%d", i))
		keys = append(keys, fmt.Sprintf("%q:1", fmt.Sprint("key", i)))
	}
	list, err := json.Marshal(map[string]any{"permissions": flags[:12_000]})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		string(list):                        "more than 1000 permissions",
		"{" + strings.Join(keys, ",") + "}": "unknown key",
	} {
		_, err := manifest.Find(hello([]byte(text)), "app")
		wrong, _ := errors.AsType[denofn.Diagnostics](err)
		if len(wrong) == 0 || len(wrong) > 100 || !strings.Contains(wrong[0].Message, want) {
			t.Errorf("%d findings, %v", len(wrong), err)
		}
	}
}
