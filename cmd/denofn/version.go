package main

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/denofn/denofn/bundler"
	"github.com/denofn/denofn/daemon"
)

// release is set by the linker when a package is built: -X main.release=1.2.3.
var release string

// version prints one line a part, in a form that a bug report can hold.
func version(env environment, args []string) error {
	flags := newFlags(&env, "version", "denofn version")
	if err := parse(flags, args); err != nil {
		return err
	}
	fmt.Fprintf(env.stdout, "denofn   %s\n", denofnVersion())
	fmt.Fprintf(env.stdout, "bundler  %s\n", bundler.Version())
	config, err := daemon.ReadConfig(env.configPath)
	if err != nil {
		fmt.Fprintf(env.stdout, "deno     unknown: %v\n", err)
		return nil
	}
	deno, err := daemon.DenoVersion(context.Background(), config.Deno)
	if err != nil {
		fmt.Fprintf(env.stdout, "deno     unknown: %v\n", err)
		return nil
	}
	fmt.Fprintf(env.stdout, "deno     %s %s\n", deno, config.Deno)
	return nil
}

func denofnVersion() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return "(devel)"
}
