package main

import (
	"fmt"
	"strings"
)

// A module is what is served.
type module struct{ name, text string }

// serveText speaks procman's protocol on a Unix socket, and what else there is on
// a TCP port.
const serveText = `
const [socket] = Deno.args;
const say = (text) => Deno.stdout.writeSync(new TextEncoder().encode(text + "\n"));
if (socket === "tcp") {
  Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: (a) => say("READY 127.0.0.1:" + a.port) }, handler);
} else {
  Deno.serve({ path: socket, onListen: () => say("\x1edenofn/1 ready") }, handler);
}
`

var (
	small = module{"small", `const handler = () => new Response("hello");` + serveText}
	large = module{"large", library(463_000) + `const handler = () => new Response(String(library.length));` + serveText}
)

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
