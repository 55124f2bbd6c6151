// Package procman runs functions: one Deno process each, started when the first
// request needs it, watched, and stopped when it has been idle.
//
// A process serves HTTP on a Unix socket of its own and has no TCP port. Whoever
// has a request asks the Pool for a Lease on a process of the function, sends the
// request through it, and gives it back:
//
//	lease, err := pool.Acquire(ctx, "hello")
//	if err != nil { … }
//	defer lease.Release()
//	response, err := lease.RoundTrip(request)
//
// Acquire starts a process if there is none; requests that arrive while one is
// starting wait for that one. Update replaces releases: the process of the old
// release serves until that of the new one is ready, finishes the requests that
// it has, and goes.
//
// # Reading order
//
// pool.go is what callers use, function.go decides which process takes a request
// and when to start one, state.go says how a process may change, and instance.go
// sees one process from its start to its end. All of these are plain state under
// the pool's one lock. What touches the operating system is behind the interface
// in process.go: deno.go writes the command line, contain.go says what of the
// machine it may have, forker.go starts it, child.go watches it, output.go reads
// what it writes.
//
// # Protocol
//
// A process is `deno run FLAGS main.js SOCKET`. It listens on SOCKET and writes
// the control line "\x1edenofn/1 ready\n" on its standard output; control.go has
// the grammar. Its environment starts empty, its working directory is the
// function's own folder, and it dies with the daemon.
package procman
