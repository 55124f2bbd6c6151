package bundler_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/denofn/denofn/bundler"
)

// addWasm exports add(i32, i32) and memory, and imports double from ./double.js:
//
//	(module (import "./double.js" "double" (func $d (param i32) (result i32)))
//	  (memory (export "memory") 1)
//	  (func (export "add") (param i32 i32) (result i32)
//	    (call $d (i32.add (local.get 0) (local.get 1)))))
const addWasm = "AGFzbQEAAAABDAJgAX8Bf2ACf38BfwIWAQsuL2RvdWJsZS5qcwZkb3VibGUAAAMCAQEFAwEAAQcQAgZtZW1vcnkCAANhZGQAAQoLAQkAIAAgAWoQAAs="

// TestModules serves what a module may be made of.
func TestModules(t *testing.T) {
	wasm, err := base64.StdEncoding.DecodeString(addWasm)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		files   map[string]string
		include []string
		want    string
	}{
		{"import attributes", map[string]string{
			"hello/index.ts": `import data from "./data.json" with { type: "json" };
				import text from "../lib/text.txt" with { type: "text" };
				import bytes from "./bytes.bin" with { type: "bytes" };
				export default () => [data.kind, text.trim(), bytes instanceof Uint8Array, bytes[0], bytes.length].join(" ");`,
			"hello/data.json": `{"kind": "json"}`, "lib/text.txt": "text\n", "hello/bytes.bin": "\xff\x00\x01",
		}, nil, "json text true 255 3"},
		{"wasm", map[string]string{
			"hello/index.ts":  `import { add, memory } from "./add.wasm"; export default () => add(2, 3) + " " + memory.buffer.byteLength;`,
			"hello/add.wasm":  string(wasm),
			"hello/double.js": `export const double = (n) => 2 * n;`,
		}, nil, "10 65536"},
		{"dynamic import", map[string]string{
			"hello/index.ts": `export default async () => (await import("./later.ts")).later;`,
			"hello/later.ts": `export const later: string = "later";`,
		}, nil, "later"},
		{"top-level await", map[string]string{
			"hello/index.ts": `const v = await Promise.resolve("awaited"); export default () => v;`,
		}, nil, "awaited"},
		{"decorators, enums and using", map[string]string{
			"hello/index.ts": `
				function twice<T extends (this: unknown) => number>(f: T, _: ClassMethodDecoratorContext) { return function (this: unknown) { return 2 * f.call(this); }; }
				enum Color { Red = 1, Green }
				class A { @twice four() { return 4; } }
				let log = "";
				function scope() { using _ = { [Symbol.dispose]() { log += "disposed"; } }; return new A().four(); }
				export default () => { log = ""; return scope() + " " + Color[Color.Green] + " " + log; };`,
		}, nil, "8 Green disposed"},
		{"decorators of TypeScript", map[string]string{
			"deno.json":      `{ "compilerOptions": { "experimentalDecorators": true } } // yes`,
			"hello/index.ts": `function mark(c: { mark?: string }) { c.mark = "marked"; } @mark class A { static mark?: string } export default () => A.mark!;`,
		}, nil, "marked"},
		{"import.meta", map[string]string{
			"hello/index.ts": `import { where } from "../lib/where.ts";
				const end = (s: string) => s.split("/files/").pop();
				export default () => [end(import.meta.url), import.meta.main, end(import.meta.filename!), end(import.meta.dirname!), end(import.meta.resolve("./x y.ts")), end(where.url), where.main].join(" ");`,
			"lib/where.ts": `export const where = import.meta;`,
		}, nil, "hello/index.ts true hello/index.ts hello hello/x%20y.ts lib/where.ts false"},
		{"included files", map[string]string{
			"hello/index.ts":         `export default () => Deno.readTextFile(new URL("./pages/a.html", import.meta.url)) ;`,
			"hello/pages/a.html":     "a page",
			"hello/pages/.secret":    "no",
			"hello/elsewhere/b.html": "no",
		}, []string{"pages/**"}, "a page"},
		{"a worker", map[string]string{
			"hello/index.ts": `export default () => new Promise<string>((resolve, reject) => {
					const w = new Worker(new URL("./deep/w.ts", import.meta.url), { type: "module" });
					w.onmessage = (e) => { resolve(e.data); w.terminate(); };
					w.onerror = (e) => reject(e);
					w.postMessage(20);
				});`,
			"hello/deep/w.ts": `import { inc } from "../../lib/inc.ts"; const me = import.meta.url.split("/files/").pop();
				self.onmessage = (e: MessageEvent<number>) => self.postMessage(me + " " + inc(e.data));`,
			"lib/inc.ts": `export const inc = (n: number) => n + 1;`,
		}, nil, "hello/deep/w.ts 21"},
		{"jsx with a factory of its own", map[string]string{
			"hello/index.ts": `export { default } from "./page.tsx";`,
			"hello/page.tsx": `/** @jsx h */ const h = (tag: string, _: unknown, ...c: string[]) => tag + ":" + c.join(""); export default () => <p>hi</p> as unknown as string;`,
		}, nil, "p:hi"},
		{"jsx by deno.json of a parent folder", map[string]string{
			"deno.jsonc":     `{ "compilerOptions": { "jsx": "react-jsx", "jsxImportSource": "own" }, "imports": { "own/jsx-runtime": "./lib/jsx.ts", /* words */ "#words": "./lib/words.ts", "#words/": "./lib/" } }`,
			"hello/index.ts": `export { default } from "./page.tsx";`,
			"hello/page.tsx": `import { words } from "#words"; export default () => <p>{words}</p> as unknown as string;`,
			"lib/jsx.ts":     `export const jsx = (tag: string, p: { children: string }) => tag + "=" + p.children; export const jsxs = jsx;`,
			"lib/words.ts":   `import { more } from "#words/more.ts"; export const words = "words" + more;`,
			"lib/more.ts":    `export const more = "+";`,
		}, nil, "p=words+"},
		{"a workspace", map[string]string{
			"deno.json":          `{ "workspace": ["./hello", "./pkg/*"] }`,
			"hello/deno.json":    `{ "imports": { "#words": "./words.ts" } }`,
			"hello/index.ts":     `import { words } from "#words"; import { util } from "@own/util"; export default () => util(words);`,
			"hello/words.ts":     `export const words = "words";`,
			"pkg/util/deno.json": `{ "name": "@own/util", "version": "1.0.0", "exports": "./mod.ts", "imports": { "#inner": "./inner.ts" } }`,
			"pkg/util/mod.ts":    `import { inner } from "#inner"; export const util = (s: string) => inner + s;`,
			"pkg/util/inner.ts":  `export const inner = "util:";`,
		}, nil, "util:words"},
		{"imports of a package.json", map[string]string{
			"hello/package.json": `{ "imports": { "#lib/*": "./lib/*" } }`,
			"hello/index.ts":     `import { words } from "#lib/words.ts"; export default () => words;`,
			"hello/lib/words.ts": `export const words = "words";`,
		}, nil, "words"},
		{"the library under its names", map[string]string{
			"hello/index.ts": `import { createHandler } from "denofn/micro"; import * as seed from "../../src/micro/mod.ts";
				import * as url from "https://example.com/x/denofn-selfhosted@v1.2/packages/micro/mod.ts";
				export default createHandler(() => String(createHandler === seed.createHandler && createHandler === url.createHandler));`,
		}, nil, "true"},
	}
	b := newBundler(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, err := b.Bundle(t.Context(), bundler.Source{Tree: newTree(tt.files), Entry: "hello/index.ts", Include: tt.include})
			if err != nil {
				t.Fatal(describe(err))
			}
			for name := range r.Files {
				if strings.Contains(name, "secret") || strings.Contains(name, "elsewhere") {
					t.Errorf("%s was included", name)
				}
			}
			if got := serve(t, r).get(t, "/"); got != tt.want {
				t.Errorf("got %q, not %q\n%s", got, tt.want, r.Code[max(0, len(r.Code)-3000):])
			}
		})
	}
}

// An error names the author's file and line, and a package's, also where
// import.meta made the module go through esbuild twice, and after minification.
func TestStackTraces(t *testing.T) {
	p := newPackages(t)
	publishAll(p)
	plain, small := p.bundler(t, bundler.Config{}), p.bundler(t, bundler.Config{Minify: true})
	own := "interface Deep { reason: string }\n\n\nfunction fail({ reason }: Deep): never {\n  throw new Error(reason);\n}\nexport default () => fail({ reason: \"on purpose\" });\n"
	tests := []struct {
		name  string
		b     *bundler.Bundler
		text  string
		where []string
	}{
		{"own", plain, own, []string{"file:///hello/index.ts:5:9", "file:///hello/index.ts:7:22"}},
		{"own with import.meta", plain, own + "import.meta.url;\n", []string{"file:///hello/index.ts:5:9"}},
		{"own minified", small, own + "import.meta.url;\n", []string{"file:///hello/index.ts:5:9"}},
		{"package", plain, "import { fail } from \"npm:thrower@1.0.0\";\n\nexport default () => fail();\n", []string{"npm:thrower@1.0.0/index.js:2:9", "file:///hello/index.ts:3:22"}},
		{"package minified", small, "import { fail } from \"npm:thrower@1.0.0\";\n\nexport default () => fail();\n", []string{"npm:thrower@1.0.0/index.js:2:9", "file:///hello/index.ts:3:22"}},
		{"remote", plain, "import { fail } from \"" + p.URL + "/thrower@1/mod.ts\";\n\nexport default () => fail();\n", []string{p.URL + "/thrower@1/mod.ts:2:35", "file:///hello/index.ts:3:22"}},
	}
	p.file("/thrower@1/mod.ts", "type N = number;\nexport function fail(): N { throw new Error(import.meta.url); }\n")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := bundle(t, tt.b, map[string]string{"hello/index.ts": tt.text})
			f := serve(t, r)
			f.get(t, "/")
			for _, where := range tt.where {
				for deadline := time.Now().Add(patience); !strings.Contains(f.said.String(), where); time.Sleep(time.Millisecond) {
					if time.Now().After(deadline) {
						t.Fatalf("no %s in\n%s", where, f.said)
					}
				}
			}
		})
	}
}

// The addresses that the library has had lead to the one that is embedded.
func TestOldAddresses(t *testing.T) {
	b := newBundler(t)
	for _, specifier := range []string{
		"denofn/micro", "../../src/micro/mod.ts", "../src/micro/mod.ts", "./src/micro/mod.ts",
		"https://example.org/x/denofn-selfhosted@v1.0.0/packages/micro/mod.ts",
		"https://example.org/denofn/denofn-selfhosted@0.1/packages/micro/functions/mod.ts",
		"https://example.org/someone/denofn-selfhosted@main/packages/micro/router/mod.ts",
		"http://127.0.0.1:8000/_denofn/micro/v1/mod.ts",
		"https://example.net/someone/denofn-selfhosted/main/packages/micro/mod.ts",
	} {
		r := bundle(t, b, map[string]string{"hello/index.ts": "import { createHandler } from \"" + specifier + "\"; export default createHandler(() => \"x\");"})
		if !strings.Contains(string(r.Code), "// denofn:micro/mod.ts") {
			t.Errorf("%s is not the library", specifier)
		}
	}
	files := map[string]string{"hello/index.ts": `import { mine } from "../src/micro/mod.ts"; export default () => mine;`, "src/micro/mod.ts": `export const mine = "mine";`}
	if r := bundle(t, b, files); !strings.Contains(string(r.Code), `"mine"`) {
		t.Error("a file that is there is not taken")
	}
}
