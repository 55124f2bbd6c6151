package main

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/denofn/denofn/bundler"
	"github.com/denofn/denofn/daemon"
	"github.com/denofn/denofn/daemon/admin"
)

// release is set by the linker when a package is built: -X main.release=1.2.3.
var release string

// Version tells what this program is and would run, without asking a daemon.
func (r *remote) Version(ctx context.Context) (*admin.Version, error) {
	return &admin.Version{Denofn: denofnVersion(), Bundler: bundler.Version(), Deno: denoVersion(ctx, r.configPath)}, nil
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

func denoVersion(ctx context.Context, configPath string) string {
	config, err := daemon.ReadConfig(configPath)
	if err != nil {
		return fmt.Sprintf("unknown: %v", err)
	}
	version, err := daemon.DenoVersion(ctx, config.Deno)
	if err != nil {
		return fmt.Sprintf("unknown: %v", err)
	}
	return version + " " + config.Deno
}
