package bundler_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/denofn/denofn/bundler"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestErrors shows what the author of each mistake reads.
func TestErrors(t *testing.T) {
	p := newPackages(t)
	publishAll(p)
	p.publish("ships-native", "1.0.0", `{"gypfile": true}`, map[string]string{"index.js": "module.exports = 1;", "binding.gyp": "{}"})
	p.publish("warns", "1.0.0", "", map[string]string{"index.js": "module.exports = (x) => x === -0;\n"})
	p.publish("broken", "1.0.0", "", map[string]string{"index.js": "module.exports = {;\n"})
	p.publish("esm-broken", "1.0.0", `{"type": "module"}`, map[string]string{"index.js": "export * from \"./missing.js\";\n"})
	b := p.bundler(t, bundler.Config{})
	tests := []struct {
		name  string
		files map[string]string
	}{
		{"syntax", map[string]string{"hello/index.ts": "export default () => {\n  const x = ;\n  return \"x\";\n};\n"}},
		{"unclosed", map[string]string{"hello/index.ts": "export default () => {\n  return \"x\n};\n"}},
		{"tabs and wide characters", map[string]string{"hello/index.ts": "\tconst größe = \"日本\"; const x = @;\n"}},
		{"twice declared", map[string]string{"hello/index.ts": "const a = 1;\nconst a = 2;\nexport default () => a;\n"}},
		{"assignment to a constant", map[string]string{"hello/index.ts": "const a = 1;\na = 2;\nexport default () => a;\n"}},
		{"no such export", map[string]string{"hello/index.ts": "import { wrods } from \"./lib.ts\";\nexport default () => wrods;\n", "hello/lib.ts": "export const words = 1;\n"}},
		{"extension left out", map[string]string{"hello/index.ts": "import { a } from \"./lib\";\nexport default () => a;\n", "hello/lib.ts": "export const a = 1;\n"}},
		{"extension of JavaScript", map[string]string{"hello/index.ts": "import { a } from \"./lib.js\";\nexport default () => a;\n", "hello/lib.ts": "export const a = 1;\n"}},
		{"folder", map[string]string{"hello/index.ts": "import { a } from \"./lib\";\nexport default () => a;\n", "hello/lib/mod.ts": "export const a = 1;\n"}},
		{"slip in a name", map[string]string{"hello/index.ts": "import { a } from \"../lib/wrods.ts\";\nexport default () => a;\n", "lib/words.ts": "export const a = 1;\n"}},
		{"nothing like it", map[string]string{"hello/index.ts": "import { a } from \"./elsewhere.ts\";\nexport default () => a;\n"}},
		{"outside", map[string]string{"hello/index.ts": "import { a } from \"../../a.ts\";\nexport default () => a;\n"}},
		{"outside by a link", map[string]string{"hello/index.ts": "import { a } from \"./a.ts\";\nexport default () => a;\n", "hello/a.ts": "-> ../../a.ts"}},
		{"outside by an absolute link", map[string]string{"hello/index.ts": "import a from \"./a.json\" with { type: \"json\" };\nexport default () => a;\n", "hello/a.json": "-> /etc/passwd"}},
		{"absolute path", map[string]string{"hello/index.ts": "import a from \"/etc/passwd\" with { type: \"text\" };\nexport default () => a;\n"}},
		{"file address", map[string]string{"hello/index.ts": "import a from \"file:///etc/passwd\" with { type: \"text\" };\nexport default () => a;\n"}},
		{"links in a circle", map[string]string{"hello/index.ts": "import { a } from \"./a.ts\";\nexport default () => a;\n", "hello/a.ts": "-> b.ts", "hello/b.ts": "-> a.ts"}},
		{"JSON without an attribute", map[string]string{"hello/index.ts": "import a from \"./a.json\";\nexport default () => a;\n", "hello/a.json": "{}"}},
		{"damaged JSON", map[string]string{"hello/index.ts": "import a from \"./a.json\" with { type: \"json\" };\nexport default () => a;\n", "hello/a.json": "{\n  \"a\": 1\n  \"b\": 2\n}\n"}},
		{"not a module", map[string]string{"hello/index.ts": "import \"./style.css\";\nexport default () => 1;\n", "hello/style.css": "a {}"}},
		{"unknown attribute", map[string]string{"hello/index.ts": "import a from \"./a.txt\" with { type: \"txt\" };\nexport default () => a;\n", "hello/a.txt": "a"}},
		{"damaged WebAssembly", map[string]string{"hello/index.ts": "import { a } from \"./a.wasm\";\nexport default () => a;\n", "hello/a.wasm": "\x00asm\x01\x00\x00\x00\x07\x7f"}},
		{"built-in without its prefix", map[string]string{"hello/index.ts": "import fs from \"fs\";\nexport default () => fs;\n"}},
		{"no such built-in", map[string]string{"hello/index.ts": "import fs from \"node:fss\";\nexport default () => fs;\n"}},
		{"bare name", map[string]string{"hello/index.ts": "import { z } from \"zod\";\nexport default () => z;\n"}},
		{"bare name that settings do not have", map[string]string{"deno.json": "{\"imports\": {\"zood\": \"npm:plain@1.2.3\"}}", "hello/index.ts": "import { z } from \"zod\";\nexport default () => z;\n"}},
		{"an import map that leads out", map[string]string{"deno.json": "{\"imports\": {\"a\": \"file:///etc/passwd\", \"b\": \"../../b.ts\", \"c\": \"data:text/javascript,1\"}}", "hello/index.ts": "import a from \"a\";\nimport b from \"b\";\nimport c from \"c\";\nexport default () => a + b + c;\n"}},
		{"no version", map[string]string{"hello/index.ts": "import plain from \"npm:plain\";\nimport { words } from \"jsr:@std/words\";\nexport default () => plain + words;\n"}},
		{"no such package", map[string]string{"hello/index.ts": "import x from \"npm:no-such-package@1.0.0\";\nimport y from \"jsr:@std/no-such@1.0.0\";\nexport default () => x + y;\n"}},
		{"no such version", map[string]string{"hello/index.ts": "import x from \"npm:plain@9.9.9\";\nexport default () => x;\n"}},
		{"no such file in a package", map[string]string{"hello/index.ts": "import x from \"npm:dual@1.0.0/nope\";\nimport y from \"npm:plain@1.2.3/nope\";\nexport default () => x + y;\n"}},
		{"no such remote module", map[string]string{"hello/index.ts": "import x from \"" + p.URL + "/nope.ts\";\nexport default () => x;\n"}},
		{"a host that is not allowed", map[string]string{"hello/index.ts": "import x from \"http://example.org/x.ts\";\nexport default () => x;\n"}},
		{"native addon", map[string]string{"hello/index.ts": "import x from \"npm:native@1.0.0\";\nimport y from \"npm:ships-native@1.0.0\";\nexport default () => x + y;\n"}},
		{"lifecycle script", map[string]string{"hello/index.ts": "import x from \"npm:scripted@1.0.0\";\nexport default () => x;\n"}},
		{"broken package", map[string]string{"hello/index.ts": "import x from \"npm:broken@1.0.0\";\nimport * as y from \"npm:esm-broken@1.0.0\";\nexport default () => x + y;\n"}},
		{"damaged settings", map[string]string{"deno.json": "{\n  \"imports\": {,}\n}\n", "hello/index.ts": "import { z } from \"zod\";\nexport default () => z;\n"}},
		{"damaged lock file", map[string]string{"deno.lock": "{\n", "hello/index.ts": "import x from \"npm:plain@1.2.3\";\nexport default () => x;\n"}},
		{"several at once, sorted", map[string]string{
			"hello/index.ts": "import { b } from \"./b.ts\";\nimport x from \"npm:plain\";\nimport { c } from \"./c\";\nexport default () => b + x + c;\n",
			"hello/b.ts":     "import y from \"npm:plain@9\";\nexport const b = y;\nexport const c = ;\n",
			"hello/c.ts":     "export const c = 1;\n",
		}},
		{"a warning", map[string]string{"hello/index.ts": "export default () => {\n  if (typeof 1 === \"nmber\") return \"a\";\n  return { a: 1, a: 2 }.a + \"\";\n};\n"}},
		{"a file that is read and not shipped", map[string]string{
			"hello/index.ts": "const own = new URL(\"./own.html\", import.meta.url);\nconst shipped = new URL(\"./pages/a.html\", import.meta.url);\nexport default () => [own, shipped, new URL(\"../lib/shared.txt\", import.meta.url), new URL(\"./made-later\", import.meta.url)].join();\n",
			"hello/own.html": "own", "hello/pages/a.html": "a", "lib/shared.txt": "shared",
		}},
		{"a warning about a package", map[string]string{"hello/index.ts": "import x from \"npm:warns@1.0.0\";\nexport default () => x;\n"}},
		{"an include that leads out", map[string]string{"hello/index.ts": "export default () => 1;\n", "hello/pages/a": "-> ../../../etc/passwd"}},
	}
	var all strings.Builder
	for _, tt := range tests {
		fmt.Fprintf(&all, "== %s\n", tt.name)
		r, err := b.Bundle(t.Context(), bundler.Source{Tree: newTree(tt.files), Entry: "hello/index.ts", Include: []string{"pages/*"}})
		switch {
		case err != nil:
			all.WriteString(describe(err))
		case len(r.Warnings) > 0:
			all.WriteString("warning: " + describe(r.Warnings))
		default:
			all.WriteString("nothing is wrong\n")
		}
	}
	got := strings.ReplaceAll(strings.ReplaceAll(all.String(), p.URL, "http://127.0.0.1:4873"), strings.TrimPrefix(p.URL, "http://"), "127.0.0.1:4873")
	compare(t, "errors.golden", got)
}

// compare holds what was got against a golden file.
func compare(t *testing.T, name, got string) {
	t.Helper()
	golden := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range max(len(gotLines), len(wantLines)) {
		g, w := "", ""
		if i < len(gotLines) {
			g = gotLines[i]
		}
		if i < len(wantLines) {
			w = wantLines[i]
		}
		if g != w {
			t.Fatalf("%s:%d:\n got %s\nwant %s\nrun the test with -update and read the diff", golden, i+1, g, w)
		}
	}
}
