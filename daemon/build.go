package daemon

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/bundler"
	"github.com/denofn/denofn/daemon/registry"
	"github.com/denofn/denofn/gitreceive"
)

// A build is a release and what it is made of, not yet on disk.
type build struct {
	release  *denofn.Release
	files    map[string][]byte
	static   int64 // bytes of its static files, as they were pushed
	warnings denofn.Diagnostics
	took     time.Duration
}

// buildsAtOnce is how many functions of a push are being built. The bundler works
// on as many as there are processors; the others may be waiting for one answer of
// Deno's about all of them.
const buildsAtOnce = 64

// build bundles the functions side by side. The findings of all of them are
// reported together.
func (d *deployer) build(ctx context.Context, push *gitreceive.Push, functions []source, report *report) ([]build, error) {
	builds := make([]build, len(functions))
	errs := make([]error, len(functions))
	var done atomic.Int32
	var group errgroup.Group
	group.SetLimit(buildsAtOnce)
	for i, f := range functions {
		group.Go(func() error {
			builds[i], errs[i] = d.bundle(ctx, push, f)
			report.progress("Bundling", int(done.Add(1)), len(functions))
			return nil
		})
	}
	group.Wait()
	return builds, joinDiagnostics(errs)
}

func (d *deployer) bundle(ctx context.Context, push *gitreceive.Push, f source) (build, error) {
	result, err := d.bundleModule(ctx, bundler.Source{
		Tree: f.tree, Entry: f.Entry, Dir: f.Dir, Include: f.Build.Include,
		Check: f.Build.Check || d.check, AllowUnversioned: d.unversioned.Load(),
	})
	if err != nil {
		return build{}, err
	}
	release := &denofn.Release{
		Function:    f.Name,
		Repository:  push.Repository,
		Commit:      push.New.String(),
		Entry:       f.Entry,
		Bundler:     bundler.Version(),
		Inputs:      result.Inputs,
		Permissions: f.Permissions,
		Settings:    f.Settings,
		Build:       f.Build,
		BundleBytes: int64(len(result.Code)),
		Workers:     result.Workers,
	}
	files := make(map[string][]byte)
	if release.BundleBytes > 0 {
		files["main.js"], files["main.js.map"] = result.Code, result.SourceMap
	}
	for name, content := range result.Files {
		files[name] = content
		release.FilesBytes += int64(len(content))
	}
	live := ""
	if active, ok := d.registry.Active(f.Name); ok {
		live = d.registry.ReleaseDir(active.Function, active.ID)
	}
	staticBytes, err := addStatic(ctx, f, live, release, files)
	if err != nil {
		return build{}, err
	}
	release.ID = registry.ID(release, files)
	return build{release, files, staticBytes, result.Warnings, result.Took}, nil
}

// bundleModule bundles the function's module, if it has one: a function may be
// static files alone.
func (d *deployer) bundleModule(ctx context.Context, s bundler.Source) (*bundler.Result, error) {
	if s.Entry == "" {
		return new(bundler.Result), nil
	}
	return d.bundler.Bundle(ctx, s)
}
