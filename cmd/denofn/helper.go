package main

import (
	"github.com/denofn/denofn/bundler"
	"github.com/denofn/denofn/procman/sandbox"
)

// runHelper makes this process a sandbox or a worker of the bundler and never
// returns, if that is what it was started for: the daemon starts its own binary
// again for every function. It comes before anything else, since whatever ran before it would run in there too.
func runHelper() {
	if sandbox.IsHelper() {
		sandbox.Main()
	}
	if bundler.IsWorker() {
		bundler.WorkerMain()
	}
}
