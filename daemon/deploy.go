package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/bundler"
	"github.com/denofn/denofn/daemon/gittree"
	"github.com/denofn/denofn/daemon/manifest"
	"github.com/denofn/denofn/daemon/metrics"
	"github.com/denofn/denofn/daemon/registry"
	"github.com/denofn/denofn/gitreceive"
	"github.com/denofn/denofn/procman"
)

// A deployer turns a pushed commit into live functions: this file is the write
// half of denofn on one page. Prepare does everything that can fail because of
// what was pushed and changes nothing that is live; Activate is one atomic step.
type deployer struct {
	store       *gitreceive.Store
	registry    *registry.Registry
	pool        *procman.Pool
	publish     func() // tells the gateway what is live
	deploys     *metrics.Deploys
	bundler     *bundler.Bundler
	policy      atomic.Pointer[manifest.Policy] // replaced when the configuration is reread
	unversioned atomic.Bool                     // modules may be imported without a version; replaced likewise
	check       bool                            // type errors refuse any push
	baseURL     string                          // of the gateway, for people: "http://127.0.0.1:8000"
	collector   collector
	logger      *slog.Logger
	last        atomic.Pointer[lastDeploy] // nil: none since the start
}

// A deployment is a prepared push: releases on disk, and for each that could be
// probed a process that has loaded it.
type deployment struct {
	deployer *deployer
	report   *report
	began    time.Time
	pushed   bool // not a rollback, nor what a start caught up with
	change   registry.Change
	updates  []procman.Change
	written  []*denofn.Release // by this deployment, so that a refused push leaves nothing behind
	unclaim  func()
}

// Prepare implements gitreceive.Deployer.
func (d *deployer) Prepare(ctx context.Context, push *gitreceive.Push) (gitreceive.Deployment, error) {
	return d.prepare(ctx, push, true)
}

// prepare makes a deployment of the push. Probing loads every changed module
// once in a real process; a start of the daemon leaves it out, since what it
// deploys was probed when it was pushed.
func (d *deployer) prepare(ctx context.Context, push *gitreceive.Push, probe bool) (_ *deployment, err error) {
	dep := &deployment{deployer: d, report: newReport(push.Progress, push.Terminal), began: time.Now(), pushed: probe, unclaim: func() {}}
	dep.change = registry.Change{Repository: push.Repository, Commit: commitOf(push.New)}
	defer func() {
		if err != nil {
			d.deploys.Refused(dep.pushed)
			dep.Discard()
			err = dep.refuse(err)
		}
	}()

	options, warnings := readPushOptions(push.Options)
	for _, warning := range warnings {
		dep.report.line("warning: %s", warning)
	}
	functions, changed, err := d.plan(dep, push)
	if err != nil {
		return nil, err
	}
	if options.rebuild {
		changed = functions
	}
	built, err := d.build(ctx, push, changed, dep.report)
	if err != nil {
		return nil, err
	}
	if err := dep.write(built); err != nil {
		return nil, err
	}
	if probe {
		if err := dep.probe(ctx); err != nil {
			return nil, err
		}
	}
	dep.report.functions(built, len(functions)-len(changed), dep.change.Remove, d.previous, d.url)
	return dep, nil
}

// refuse tells the person who pushes why there is no deployment, and returns what
// git shows beside the ref. What is the server's fault is logged in full.
func (dep *deployment) refuse(err error) error {
	if f := asFault(err); f != nil {
		dep.deployer.logger.Error("deploy failed", "repository", dep.change.Repository, "commit", dep.change.Commit, "error", err)
		err = f
	}
	return dep.report.refuse(err)
}

// A source is a function in a pushed tree.
type source struct {
	manifest.Function
	tree *gittree.Tree
}

// plan finds what the pushed tree holds and which of it is not live as it is.
// It fills in what the deployment removes and claims the names it sets.
func (d *deployer) plan(dep *deployment, push *gitreceive.Push) (functions, changed []source, err error) {
	if !push.New.IsZero() {
		tree, err := gittree.New(push.Objects, push.New)
		if err != nil {
			return nil, nil, fmt.Errorf("read commit %s: %w", push.New, err)
		}
		found, err := manifest.Find(tree, push.Repository)
		if err != nil {
			return nil, nil, err
		}
		var refused denofn.Diagnostics
		for _, f := range found {
			refused = append(refused, d.policy.Load().Check(f)...)
			functions = append(functions, source{f, tree})
		}
		if len(refused) > 0 {
			return nil, nil, refused.Sort()
		}
	}

	names := make(map[denofn.FunctionName]bool)
	for _, f := range functions {
		names[f.Name] = true
		active, ok := d.registry.Active(f.Name)
		if !ok || active.Repository != push.Repository || !unchanged(active, f) {
			changed = append(changed, f)
		}
	}
	for _, active := range d.registry.Functions() {
		if active.Repository == push.Repository && !names[active.Function] {
			dep.change.Remove = append(dep.change.Remove, active.Function)
		}
	}
	wanted := make([]registry.Wanted, 0, len(functions))
	for _, f := range functions {
		wanted = append(wanted, registry.Wanted{Function: f.Name, Hosts: f.Settings.Hosts})
	}
	dep.unclaim, err = d.registry.Claim(push.Repository, wanted)
	if err != nil {
		dep.unclaim = func() {}
		return nil, nil, err
	}
	return functions, changed, nil
}

// unchanged reports whether bundling f would give the active release again. The
// recorded inputs and their hashes decide, so nothing needs to be bundled to know.
func unchanged(active *denofn.Release, f source) bool {
	if active.Bundler != bundler.Version() || active.Entry != f.Entry ||
		!active.Permissions.Equal(f.Permissions) || !active.Settings.Equal(f.Settings) || !active.Build.Equal(f.Build) {
		return false
	}
	return bundler.Unchanged(f.tree, active.Inputs, f.Dir, f.Build.Include) && staticUnchanged(active, f)
}

// joinDiagnostics returns the findings of all errs as one sorted error, or the
// first error that is not about what was pushed.
func joinDiagnostics(errs []error) error {
	var all denofn.Diagnostics
	for _, err := range errs {
		found, ok := errors.AsType[denofn.Diagnostics](err)
		if err != nil && !ok {
			return err
		}
		all = append(all, found...)
	}
	if len(all) == 0 {
		return nil
	}
	return all.Sort()
}

// writers is how many releases are written at once: most of the time goes by
// waiting for the disk.
const writers = 8

// write puts the releases on disk, where they stay without effect until the
// deployment is activated.
func (dep *deployment) write(builds []build) error {
	r := dep.deployer.registry
	existed := make([]bool, len(builds))
	errs := make([]error, len(builds))
	var group errgroup.Group
	group.SetLimit(writers)
	for i, b := range builds {
		group.Go(func() error {
			existed[i] = r.Exists(b.release.Function, b.release.ID)
			errs[i] = r.WriteRelease(b.release, b.files)
			return nil
		})
	}
	group.Wait()
	for i, b := range builds {
		if errs[i] == nil && !existed[i] {
			dep.written = append(dep.written, b.release)
		}
	}
	for i, b := range builds {
		if errs[i] != nil {
			return fmt.Errorf("write release %s: %w", b.release, errs[i])
		}
		spec := procman.Spec{Release: b.release, Dir: r.ReleaseDir(b.release.Function, b.release.ID)}
		dep.change.Set = append(dep.change.Set, b.release)
		dep.updates = append(dep.updates, procman.Change{Spec: spec})
	}
	return nil
}

// probe loads every module once, sandboxed and with its own permissions, so that
// one that cannot be served is refused now and not at its first request.
func (dep *deployment) probe(ctx context.Context) error {
	errs := make([]error, len(dep.updates))
	var done atomic.Int32
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range dep.updates {
		update := &dep.updates[i]
		if update.Spec.Release.BundleBytes == 0 {
			continue
		}
		group.Go(func() error {
			update.Candidate, errs[i] = dep.deployer.pool.Start(ctx, update.Spec)
			dep.report.progress("Trying", int(done.Add(1)), len(dep.updates))
			return nil
		})
	}
	group.Wait()
	for i, err := range errs {
		if start, ok := errors.AsType[*procman.StartError](err); ok {
			errs[i] = dep.report.startFailure(dep.updates[i].Spec.Release, start)
		}
	}
	return joinDiagnostics(errs)
}

// Activate makes the deployment live. It implements gitreceive.Deployment.
func (dep *deployment) Activate(context.Context) error {
	d := dep.deployer
	if err := d.registry.Activate(dep.change); err != nil {
		dep.Discard()
		return dep.refuse(fmt.Errorf("activate: %w", err))
	}
	d.pool.Update(poolUpdate(dep.updates, dep.change.Remove))
	d.publish()
	dep.unclaim()
	d.collect(dep.change.Set, dep.change.Remove)
	took := time.Since(dep.began)
	d.deploys.Live(dep.pushed, len(dep.change.Set)+len(dep.change.Remove), took)
	dep.report.live(len(dep.change.Set), len(dep.change.Remove), took)
	d.last.Store(&lastDeploy{dep.change.Repository, dep.change.Commit, time.Now()})
	d.logger.Info("deployed", "repository", dep.change.Repository, "commit", dep.change.Commit,
		"changed", len(dep.change.Set), "removed", len(dep.change.Remove), "took", took)
	return nil
}

// Discard drops the deployment as if it had never been prepared. It implements
// gitreceive.Deployment.
func (dep *deployment) Discard() {
	for _, u := range dep.updates {
		if u.Candidate != nil {
			u.Candidate.Discard()
		}
	}
	for _, r := range dep.written {
		if err := dep.deployer.registry.RemoveRelease(r.Function, r.ID); err != nil {
			dep.deployer.logger.Warn("release not removed", "release", r.String(), "error", err)
		}
	}
	dep.updates, dep.written = nil, nil
	dep.unclaim()
}

// previous returns the live release that a new one takes the place of, or nil.
func (d *deployer) previous(name denofn.FunctionName) *denofn.Release {
	active, _ := d.registry.Active(name)
	return active
}

func (d *deployer) url(name denofn.FunctionName) string { return d.baseURL + "/" + string(name) }
