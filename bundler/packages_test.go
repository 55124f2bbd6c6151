package bundler_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/denofn/denofn/bundler"
)

// publishAll publishes what the tests of packages import.
func publishAll(p *packages) {
	p.publish("plain", "1.2.3", "", map[string]string{"index.js": `module.exports = function () { return "plain"; };`})
	p.publish("plain", "1.3.0", "", map[string]string{"index.js": `module.exports = function () { return "plain 1.3"; };`})
	p.publish("dual", "1.0.0", `{"exports": {".": {"import": "./m.mjs", "require": "./c.cjs"}, "./deep/*": "./lib/*.js", "./deep/no": null, "./data.json": "./data.json", "./deno": {"deno": "./deno.js", "default": "./other.js"}}}`, map[string]string{
		"m.mjs": `export const kind = "esm"; export default "default";`, "c.cjs": `exports.kind = "cjs";`, "lib/a.js": `exports.a = "deep a";`, "data.json": `{"a": 1}`,
		"deno.js": `module.exports = "for deno";`, "other.js": `module.exports = "for others";`,
	})
	p.publish("requires", "1.0.0", `{"dependencies": {"dual": "1", "other-name": "npm:plain@1.2.3"}}`, map[string]string{
		"index.js": `const fs = require("fs"), { sep } = require("node:path"); exports.kind = require("dual").kind; exports.other = require("other-name")(); exports.sep = sep + typeof fs.readFileSync; exports.guess = require("./lib"); exports.data = require("./data").n;
			try { require("not-there"); } catch (e) { exports.code = e.code; }
			exports.env = require("process").env.NOPE + process.env.NOPE; exports.where = [__dirname, __filename].join();`,
		"lib/index.js": `module.exports = require("./x");`, "lib/x.js": `module.exports = "guessed";`, "data.json": `{"n": 7}`,
	})
	p.publish("modern", "1.0.0", `{"type": "module", "exports": "./src/index.js", "imports": {"#inner": {"node": "./src/inner.js"}}, "dependencies": {"babel": "1"}}`, map[string]string{
		"src/index.js": `import p, { env } from "node:process"; import inner from "#inner"; import babel, { named } from "babel"; import { self } from "modern"; export const self_ = () => self; export { inner, babel, named }; const self2 = 1; export { self2 as self };
			export const dev = process.env.NODE_ENV, debug = process.env.MODERN_DEBUG, imported = p.env.MODERN_DEBUG + env.MODERN_DEBUG, keys = Object.keys(globalThis.process.env).length;`,
		"src/inner.js": `export default "inner";`,
	})
	p.publish("babel", "1.0.0", "", map[string]string{"index.js": `Object.defineProperty(exports, "__esModule", { value: true }); exports.default = "the default"; exports.named = "named";`})
	p.publish("tree", "1.0.0", `{"type": "module", "sideEffects": ["./effect.js"]}`, map[string]string{
		"index.js": `export { used } from "./used.js"; export { unused } from "./unused.js"; import "./effect.js"; import "./none.js";`,
		"used.js":  `export const used = "used";`, "unused.js": `globalThis.markUnused = 1; export const unused = "unused";`, "effect.js": `globalThis.effect = "effect";`, "none.js": `globalThis.markNone = 1;`,
	})
	p.publish("@scope/pkg", "2.0.0", `{"main": "lib", "peerDependencies": {"plain": "*"}}`, map[string]string{"lib/index.js": `exports.plain = require("plain"); exports.sub = "sub";`, "sub/thing.js": `module.exports = "thing";`})
	p.publish("native", "1.0.0", "", map[string]string{"index.js": `module.exports = require("./build/addon.node");`, "build/addon.node": "\x7fELF"})
	p.publish("scripted", "1.0.0", `{"scripts": {"postinstall": "node build.js"}}`, map[string]string{"index.js": `module.exports = "scripted";`})
	p.publish("maybe-native", "1.0.0", `{"optionalDependencies": {"native": "1"}}`, map[string]string{"index.js": `try { module.exports = require("native"); } catch (e) { module.exports = "fallback: " + e.message; }`})
	p.publish("thrower", "1.0.0", `{"type": "module"}`, map[string]string{"index.js": "export function fail() {\n  throw new Error(\"from the package\");\n}\n"})
	wasm, _ := base64.StdEncoding.DecodeString(addWasm)
	p.publish("wasm", "1.0.0", `{"type": "module", "exports": {".": "./src/index.js", "./imported": "./src/imported.js"}}`, map[string]string{
		"src/index.js":    "const at = new URL(\"../add.wasm\", import.meta.url);\nexport const size = async () => (await Deno.readFile(at)).length + \" \" + import.meta.url.split(\"/files/\").pop();\n",
		"src/imported.js": `export { add } from "../add.wasm";`, "double.js": `export const double = (n) => 2 * n;`, "add.wasm": string(wasm),
	})
	p.file("/x/lib@1.0.0/note.txt", "a note")
	p.publishJSR("@std/words", "1.0.0", `{".": "./mod.ts", "./more": "./more.ts"}`, map[string]string{
		"mod.ts": "import { more } from \"./more.ts\";\nexport const words: string = \"words \" + more;\n", "more.ts": `import plain from "npm:plain@1.2.3"; export const more = "more " + plain();`,
	})
	p.file("/x/lib@1.0.0/mod.ts", `import { part } from "./part.ts"; import data from "./data.json" with { type: "json" }; export const remote: string = part + data.n + new URL("./a", import.meta.url).pathname;`)
	p.file("/x/lib@1.0.0/part.ts", `export const part: string = "part";`)
	p.file("/x/lib@1.0.0/data.json", `{"n": 1}`)
	p.file("/x/lib/mod.ts", "-> /x/lib@1.0.0/mod.ts")
}

// TestPackages serves functions made of packages, each as a real Deno runs it.
func TestPackages(t *testing.T) {
	p := newPackages(t)
	publishAll(p)
	b := p.bundler(t, bundler.Config{SkipScripts: []string{"scripted"}})
	tests := []struct{ name, text, want string }{
		{"plain", `import plain from "npm:plain@1.2.3"; export default () => plain();`, "plain"},
		{"conditions", `import d, { kind } from "npm:dual@1.0.0"; import { a } from "npm:dual@1.0.0/deep/a"; import data from "npm:dual@1.0.0/data.json" with { type: "json" }; import deno from "npm:dual@1.0.0/deno"; export default () => [d, kind, a, data.a, deno].join();`, "default,esm,deep a,1,for deno"},
		{"commonjs", `import r from "npm:requires@1.0.0"; export default () => [r.kind, r.other, r.sep, r.guess, r.data, r.code, r.env, r.where].join();`,
			"cjs,plain,/function,guessed,7,MODULE_NOT_FOUND,NaN,/npm/requires@1.0.0,/npm/requires@1.0.0/index.js"},
		{"modern", `import * as m from "npm:modern@1.0.0"; export default () => [m.inner, m.babel.default, m.named, m.self_(), m.dev, m.debug, m.imported, m.keys].join();`, "inner,the default,named,1,production,,NaN,0"},
		{"default of babel", `import babel from "npm:babel@1.0.0"; export default () => babel.default;`, "the default"},
		{"side effects", `import { used } from "npm:tree@1.0.0"; const g = globalThis as Record<string, unknown>; export default () => [used, g.effect, g.markUnused, g.markNone].join();`, "used,effect,,"},
		{"scope and peer", `import pkg from "npm:@scope/pkg@2.0.0"; import thing from "npm:@scope/pkg@2.0.0/sub/thing.js"; import "npm:plain@1.2.3"; export default () => pkg.plain() + pkg.sub + thing;`, "plainsubthing"},
		{"optional native", `import m from "npm:maybe-native@1.0.0"; export default () => m;`, "fallback: Cannot find module 'native': needs a native addon (build/addon.node), which cannot be part of a bundle"},
		{"skipped script", `import m from "npm:scripted@1.0.0"; export default () => m;`, "scripted"},
		{"dynamic", `export default async () => (await import("npm:plain@1.2.3")).default();`, "plain"},
		{"jsr", `import { words } from "jsr:@std/words@1.0.0"; import { more } from "jsr:@std/words@1.0.0/more"; export default () => words + more;`, "words more plainmore plain"},
		{"wasm beside the code", `import { size } from "npm:wasm@1.0.0"; export default () => size();`, "86 .npm/wasm@1.0.0/src/index.js"},
		{"wasm that is imported", `import { add } from "npm:wasm@1.0.0/imported"; export default () => String(add(1, 2));`, "6"},
		{"https text", `import note from "URL/x/lib@1.0.0/note.txt" with { type: "text" }; export default () => note;`, "a note"},
		{"https", `import { remote } from "URL/x/lib@1.0.0/mod.ts"; export default () => remote;`, "part1/x/lib@1.0.0/a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := bundle(t, b, map[string]string{"hello/index.ts": strings.ReplaceAll(tt.text, "URL", p.URL)})
			if got := serve(t, r).get(t, "/"); got != tt.want {
				t.Errorf("got %q, not %q", got, tt.want)
			}
		})
	}
}

// Names in the settings of the author mean what they do to Deno.
func TestPackagesBySettings(t *testing.T) {
	p := newPackages(t)
	publishAll(p)
	b := p.bundler(t, bundler.Config{})
	tests := []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"import map", map[string]string{"deno.json": `{"imports": {"plain": "npm:plain@1.2.3", "std/": "jsr:/@std/words@1.0.0/"}}`, "hello/index.ts": `import plain from "plain"; import { more } from "std/more"; export default () => plain() + more;`}, "plainmore plain"},
		{"import map in a file", map[string]string{"deno.json": `{"importMap": "./maps/imports.json"}`, "maps/imports.json": `{"imports": {"plain": "npm:plain@1.2.3"}}`, "hello/index.ts": `import plain from "plain"; export default () => plain();`}, "plain"},
		{"scopes", map[string]string{"deno.json": `{"imports": {"plain": "npm:plain@1.2.3"}, "scopes": {"./lib/": {"plain": "npm:plain@1.3.0"}}}`, "hello/index.ts": `import plain from "plain"; import other from "../lib/other.ts"; export default () => plain() + other();`, "lib/other.ts": `import plain from "plain"; export default plain;`}, "plainplain 1.3"},
		{"package.json", map[string]string{"hello/package.json": `{"dependencies": {"plain": "1.2.3"}}`, "hello/index.ts": `import plain from "plain"; export default () => plain();`}, "plain"},
		{"jsx from a package", map[string]string{"deno.json": `{"compilerOptions": {"jsx": "react-jsx", "jsxImportSource": "npm:jsx@1.0.0"}}`, "hello/index.ts": `export { default } from "./page.tsx";`, "hello/page.tsx": `export default () => <p>hi</p> as unknown as string;`}, "p:hi"},
	}
	p.publish("jsx", "1.0.0", `{"type": "module", "exports": {"./jsx-runtime": "./run.js"}}`, map[string]string{"run.js": `export const jsx = (tag, p) => tag + ":" + p.children; export const jsxs = jsx;`})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := serve(t, bundle(t, b, tt.files)).get(t, "/"); got != tt.want {
				t.Errorf("got %q, not %q", got, tt.want)
			}
		})
	}
}

// Names with characters that addresses escape, and a cache behind a link, are
// found again in what Deno says.
func TestUnusualNames(t *testing.T) {
	p := newPackages(t)
	publishAll(p)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(t.TempDir(), link); err != nil {
		t.Fatal(err)
	}
	b := p.bundler(t, bundler.Config{CacheDir: link})
	files := map[string]string{
		"deno.json":           `{"imports": {"#odd": "./lib/[id] ü^'%25.ts"}}`,
		"hello/index.ts":      `import { odd } from "#odd"; import { more } from "./[more] ü^'.ts"; export default () => odd + more;`,
		"lib/[id] ü^'%.ts":    `import plain from "npm:plain@1.2.3"; export const odd = plain();`,
		"hello/[more] ü^'.ts": `import plain from "npm:plain@1.2.3"; export const more = plain() + import.meta.url.split("/files/").pop();`,
	}
	if got, want := serve(t, bundle(t, b, files)).get(t, "/"), "plainplainhello/[more]%20%C3%BC^'.ts"; got != want {
		t.Errorf("got %q, not %q", got, want)
	}
}
