package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/denofn/denofn/micro"
)

// A module is what is served.
type module struct {
	name, text string
	standby    float64 // the most that a standby start may take of a bare one
}

func small() module {
	return module{"small", `export default () => new Response("hello");`, 0.35}
}

func large() module {
	return module{"large", library(463_000) + `export default () => new Response(String(library.length));`, 0.6}
}

// library returns that many bytes of code of the kind that bundles consist of:
// classes and functions, few of which run when the module is loaded.
func library(size int) string {
	var text strings.Builder
	text.WriteString("const library = [];\n")
	for i := 0; text.Len() < size; i++ {
		fmt.Fprintf(&text, `class Node%[1]d {
  constructor(name, options = {}) { this.name = name; this.options = { strict: true, depth: %[1]d, ...options }; this.children = []; }
  add(child) { if (!(child instanceof Node%[1]d)) throw new TypeError("not a node: " + child); this.children.push(child); return this; }
  walk(visit) { visit(this); for (const child of this.children) child.walk(visit); }
  static parse(text) { return JSON.parse(text, (key, value) => value && value.name ? Object.assign(new Node%[1]d(value.name), value) : value); }
}
function match%[1]d(path) { const m = /^\/v%[1]d\/([a-z]+)(?:\/([0-9]+))?$/.exec(path); return m ? { kind: m[1], id: Number(m[2]) } : null; }
library.push(new Node%[1]d("n%[1]d"), match%[1]d);
`, i)
	}
	return text.String()
}

// tcpMain is how other platforms serve a module: on a port, with a line that says
// so.
const tcpMain = `import handler from "./function.ts";
Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: (a) => console.log("READY 127.0.0.1:" + a.port) }, handler);
`

// socketMain is what the bundler makes of every function.
const socketMain = `import { start } from "./serve.ts"; import * as module from "./function.ts"; start(module);`

// bundle writes main.js, which serves the module as denofn does, and tcp.js.
func bundle(dir, text string) error {
	source := filepath.Join(dir, "source")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := os.CopyFS(source, micro.Files); err != nil {
		return err
	}
	for name, text := range map[string]string{"function.ts": text, "main.ts": socketMain, "tcp.ts": tcpMain} {
		if err := os.WriteFile(filepath.Join(source, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	result := api.Build(api.BuildOptions{
		EntryPoints: []string{filepath.Join(source, "main.ts"), filepath.Join(source, "tcp.ts")}, Outdir: dir,
		Bundle: true, Write: true, Format: api.FormatESModule, Target: api.ESNext,
	})
	if len(result.Errors) > 0 {
		return errors.New(result.Errors[0].Text)
	}
	return os.RemoveAll(source)
}
