package main

import (
	"context"
	"fmt"
	"os/exec"
	"runtime/debug"
	"strings"
	"time"

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
	fmt.Fprintf(env.stdout, "deno     %s\n", denoVersion(config.Deno))
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

func denoVersion(path string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return fmt.Sprintf("unknown: run %s: %v", path, err)
	}
	first, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimPrefix(first, "deno ") + " " + path
}
