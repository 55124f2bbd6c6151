package bundler_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/bundler"
)

func FuzzWasm(f *testing.F) {
	good, _ := base64.StdEncoding.DecodeString(addWasm)
	f.Add(good)
	f.Add(good[:20])
	f.Fuzz(func(t *testing.T, content []byte) {
		imports, exports, err := bundler.WasmNames(content)
		if err == nil && len(strings.Join(append(imports, exports...), "")) > len(content) {
			t.Errorf("more names than bytes")
		}
	})
}

func FuzzPackageJSON(f *testing.F) {
	for _, manifest := range []string{
		`{"main": "lib"}`, `{"exports": "./index.js"}`, `{"exports": {".": {"import": "./a.mjs", "require": "./b.cjs"}, "./x/*": "./lib/*.js", "./no/*": null}}`,
		`{"exports": [{"deno": "./a.js"}, "./index.js"], "type": "module", "sideEffects": ["*.css", "./a.js"]}`, `{"imports": {"#a": "./a.js"}}`,
	} {
		f.Add(manifest, "./x/a", false)
		f.Add(manifest, ".", true)
	}
	files := []string{"index.js", "a.js", "a.mjs", "b.cjs", "lib/index.js", "lib/a.js"}
	f.Fuzz(func(t *testing.T, manifest, subpath string, require bool) {
		found, err := bundler.ResolveInPackage(manifest, files, subpath, require)
		if err == nil && found != "package.json" && !strings.Contains(strings.Join(files, " "), found) {
			t.Errorf("%q is not one of the files", found)
		}
	})
}

func FuzzWire(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x0f\x00\x00\x00\x00{\"kind\":\"read\"}"))
	f.Add([]byte("\x00\x00\x00\x3d\x00\x00\x00\x01{\"kind\":\"done\",\"done\":{\"files\":[{\"name\":\"main.js\",\"bytes\":1}]}}x"))
	f.Fuzz(func(t *testing.T, content []byte) {
		if bundler.ReadMessages(content) == nil {
			t.Error("there is no end")
		}
	})
}

func FuzzDenoInfo(f *testing.F) {
	f.Add([]byte(`{"modules":[{"specifier":"file:///work/hello/index.ts","dependencies":[{"specifier":"npm:a","code":{"specifier":"npm:a"}},{"specifier":"x","code":{"specifier":"file:///work/../x"}}]},{"specifier":"npm:/a@1.0.0/b","npmPackage":"a@1.0.0"}],"redirects":{"npm:a":"npm:/a@1.0.0/b"},"npmPackages":{"a@1.0.0":{"name":"a","version":"1.0.0","dependencies":["a@1.0.0"]}}}`),
		[]byte(`{"version":"5","specifiers":{"npm:a@*":"1.0.0"},"npm":{"a@1.0.0":{"integrity":"sha512-x","dependencies":["b@npm:a@1.0.0_c"]}}}`))
	f.Fuzz(func(t *testing.T, info, lock []byte) { bundler.ReadAnswers(info, lock) })
}

func FuzzPackIndex(f *testing.F) {
	f.Add([]byte("denofn pack 1\n\x00\x00\x00\x00\x00\x00\x00\x02{}"))
	f.Fuzz(func(t *testing.T, content []byte) {
		if index, err := bundler.ReadPackIndex(content); err == nil && !bytes.Contains(content, index) {
			t.Error("the index is not in the pack")
		}
	})
}

func FuzzGlob(f *testing.F) {
	f.Add("a/**/b*", "a/x/y/bc")
	f.Add("**/**/**/**/*", "a/b/c/d/e/f")
	f.Fuzz(func(t *testing.T, glob, name string) {
		bundler.MatchGlob(glob, name)
		if !strings.ContainsAny(name, `*?[\`) && name != "" && !bundler.MatchGlob("**", name) {
			t.Errorf("** does not match %q", name)
		}
	})
}

func FuzzNodeNames(f *testing.F) {
	f.Add([]byte("#!/usr/bin/env node\nmodule.exports = __dirname + globalThis.process.pid;\n"), false)
	f.Fuzz(func(t *testing.T, content []byte, esm bool) {
		if got := bundler.NodeNames(content, esm); bytes.Count(got, []byte("\n")) != bytes.Count(content, []byte("\n")) {
			t.Errorf("lines moved: %q", got)
		}
	})
}

// FuzzBundle bundles whatever is written: what comes back is a bundle or findings,
// in one of the files, never anything else.
func FuzzBundle(f *testing.F) {
	for _, text := range []string{
		`import { a } from "./lib.ts"; export default () => a;`, `import a from "../lib.json" with { type: "json" };`, `export * from "denofn/micro"; import.meta.url;`,
		`new Worker(new URL("./lib.ts", import.meta.url))`, `import "node:fs"; import "data:text/javascript,1"; require("./lib.ts")`, `<a>{`, `import("./lib" + x)`, "\x00", `import "?"; import "#"; import "%zz";`,
	} {
		f.Add(text, `{"compilerOptions": {"jsx": "react-jsx"}}`)
	}
	f.Fuzz(func(t *testing.T, text, settings string) {
		b, err := bundler.New(bundler.Config{})
		if err != nil {
			t.Fatal(err)
		}
		tree := newTree(map[string]string{"hello/index.tsx": text, "hello/lib.ts": "export const a = 1;", "lib.json": "{}", "deno.json": settings})
		_, err = b.Bundle(t.Context(), bundler.Source{Tree: tree, Entry: "hello/index.tsx"})
		if err == nil {
			return
		}
		found, ok := errors.AsType[denofn.Diagnostics](err)
		if !ok || len(found) == 0 {
			t.Fatalf("%v", err)
		}
		for _, d := range found {
			if strings.Contains(d.Error(), "?esm.mts") || d.Message == "" || len(d.Message) > 2000 || strings.ContainsAny(d.Message+d.Hint, "\n\x1b") {
				t.Errorf("%q", d.Error())
			}
		}
	})
}
