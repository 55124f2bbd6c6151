// Package micro carries the TypeScript that every function is bundled with.
//
// mod.ts is the library for authors: what `import … from "denofn/micro"` means.
// serve.ts is the runtime. It is the first module of every bundle, runs before
// any of the author's code, and is the function's side of the protocol that
// package procman speaks with its processes:
//
//   - The first argument is the path of a Unix socket. The runtime listens there,
//     gives up the permissions that this took and clears Deno.args, all before
//     the first line of the author's code. A second argument is the path of the
//     bundle, when a process that stood by has imported it: the right to read it
//     is given up too.
//   - Control lines go to standard output. They begin with the byte 0x1e and
//     "denofn/1 ": "ready" once requests can be answered, or "failed" and a JSON
//     object {message, hint} when the module exports nothing that can be called.
//   - What the author's code writes with console is announced on its stream by the
//     control line "line LEVEL REQUEST COUNT": one entry of COUNT lines, written
//     for the request whose X-Request-Id is REQUEST ("-": for none).
//   - A module that throws while it is loaded, and an error that nobody catches
//     later, end the process with Deno's own report on standard error.
//
// What a module can be is decided in serve.ts and nowhere else: a default export
// that is a function or an object with a fetch method, or a call of Deno.serve.
// Named exports are not looked at: a module that says "fetch" or "handler"
// without "default" would not be served by Deno, Workers or smallweb either, so
// it gets a hint instead of a guess.
package micro

import "embed"

// Files holds the TypeScript: mod.ts for authors, serve.ts the runtime, and what
// these import.
//
//go:embed mod.ts response.ts task.ts serve.ts console.ts
var Files embed.FS
