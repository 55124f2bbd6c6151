package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon/admin"
	"github.com/denofn/denofn/daemon/registry"
	"github.com/denofn/denofn/procman"
)

// Releases implements admin.API.
func (s *steering) Releases(_ context.Context, name denofn.FunctionName) ([]admin.Release, error) {
	kept := s.registry.Releases(name)
	if len(kept) == 0 {
		return nil, s.unknown(name)
	}
	releases := make([]admin.Release, len(kept))
	for i, k := range kept {
		releases[i] = admin.Release{ID: k.ID, Commit: k.Commit, Bytes: k.BundleBytes, Made: k.Made, Live: i == 0}
	}
	return releases, nil
}

// Rollback implements admin.API. It is a deployment like that of a push, of a
// release that is there already: what it asks for has to be allowed today, and its
// module is loaded once before it goes live.
//
// The repository still counts as deployed at its commit, so that a restart leaves
// the function as it is; the next push takes it forward again.
func (s *steering) Rollback(ctx context.Context, name denofn.FunctionName, id string) (*admin.Release, error) {
	live, ok := s.registry.Active(name)
	if !ok {
		return nil, s.unknown(name)
	}
	target, err := s.registry.Former(name, id)
	if err != nil {
		return nil, &admin.Error{Code: admin.CodeUnknown, Message: err.Error(), Hint: fmt.Sprintf("denofn releases %s lists those that there are", name)}
	}
	if target.ID == live.ID {
		return nil, &admin.Error{Code: admin.CodeConflict, Message: fmt.Sprintf("%s is live already", target)}
	}
	if denied := s.deployer.policy.Load().Denied(target.Permissions); len(denied) > 0 {
		return nil, &admin.Error{Code: admin.CodeConflict, Message: fmt.Sprintf("%s asks for what is not allowed any more: %s", target, strings.Join(denied, " ")), Hint: "allow it in denofn.toml: [policy] allow"}
	}
	if err := s.hostsTaken(target); err != nil {
		return nil, err
	}
	if err := s.deployer.restore(ctx, live, target); err != nil {
		return nil, err
	}
	return &admin.Release{ID: target.ID, Commit: target.Commit, Bytes: target.BundleBytes, Live: true}, nil
}

// Remove implements admin.API. Like after a rollback, the repository still counts as
// deployed at its commit, so that a restart leaves the function down.
func (s *steering) Remove(ctx context.Context, name denofn.FunctionName) error {
	live, ok := s.registry.Active(name)
	if !ok {
		return s.unknown(name)
	}
	d := s.deployer
	commit, _ := d.registry.Deployed(live.Repository)
	dep := &deployment{deployer: d, report: newReport(io.Discard, false), began: time.Now(), unclaim: func() {}}
	dep.change = registry.Change{Repository: live.Repository, Commit: commit, Remove: []denofn.FunctionName{name}}
	return dep.Activate(ctx)
}

// hostsTaken reports a host of the release that another function of its repository
// has now. Those of other repositories are found when the name is claimed.
func (s *steering) hostsTaken(target *denofn.Release) error {
	for _, other := range s.registry.Functions() {
		if other.Function == target.Function || other.Repository != target.Repository {
			continue
		}
		for _, host := range target.Settings.Hosts {
			if slices.Contains(other.Settings.Hosts, host) {
				return &admin.Error{Code: admin.CodeConflict, Message: fmt.Sprintf("%s asks for host %q, which %s has now", target, host, other.Function)}
			}
		}
	}
	return nil
}

// restore makes a release live that was live before.
func (d *deployer) restore(ctx context.Context, live, target *denofn.Release) error {
	commit, _ := d.registry.Deployed(live.Repository)
	dep := &deployment{deployer: d, report: newReport(io.Discard, false), began: time.Now()}
	dep.change = registry.Change{Repository: live.Repository, Commit: commit, Set: []*denofn.Release{target}}
	spec := procman.Spec{Release: target, Dir: d.registry.ReleaseDir(target.Function, target.ID)}
	dep.updates = []procman.Change{{Spec: spec}}
	unclaim, err := d.registry.Claim(live.Repository, []registry.Wanted{{Function: target.Function, Hosts: target.Settings.Hosts}})
	if found, ok := errors.AsType[denofn.Diagnostics](err); ok {
		return &admin.Error{Code: admin.CodeConflict, Message: found[0].Message, Hint: found[0].Hint}
	}
	if err != nil {
		return err
	}
	dep.unclaim = unclaim
	if err := dep.probe(ctx); err != nil {
		dep.Discard()
		if found, ok := errors.AsType[denofn.Diagnostics](err); ok {
			return &admin.Error{Code: admin.CodeStartFailed, Message: fmt.Sprintf("%s does not start any more: %s", target, found[0].Message), Hint: found[0].Hint}
		}
		return err
	}
	return dep.Activate(ctx)
}
