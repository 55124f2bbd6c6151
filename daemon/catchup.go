package daemon

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/gitreceive"
)

// catchUp deploys every repository whose deploy branch is not what the registry
// last deployed. Names cannot collide here, whatever the order: a push that
// would have made them collide was refused.
//
// A repository that cannot be deployed any more, say because the policy has
// become stricter, keeps what it had and is logged; it must not keep the others
// from being served.
func (d *deployer) catchUp(ctx context.Context, branch string) error {
	names, err := d.store.List()
	if err != nil {
		return fmt.Errorf("list repositories: %w", err)
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		logger := d.logger.With("repository", name)
		repository, err := d.store.Open(name)
		if err != nil {
			logger.Error("repository not readable", "error", err)
			continue
		}
		head, err := repository.Head(branch)
		if err != nil {
			logger.Error("deploy branch not readable", "branch", branch, "error", err)
			continue
		}
		if deployed, _ := d.registry.Deployed(name); deployed == commitOf(head) {
			continue
		}
		logger.Info("deploying what was pushed but not live", "commit", head)
		d.redeploy(ctx, logger, name, repository, head)
	}
	return nil
}

func (d *deployer) redeploy(ctx context.Context, logger *slog.Logger, name denofn.RepositoryName, repository *gitreceive.Repository, head plumbing.Hash) {
	if told, err := d.deployStored(ctx, repository, &gitreceive.Push{Repository: name, New: head}, false); err != nil {
		logger.Error("repository not deployed", "commit", head, "error", err, "report", told)
	}
}

// deployStored deploys a commit that the repository has, as a push of it would,
// and returns what who pushes would have been told.
func (d *deployer) deployStored(ctx context.Context, repository *gitreceive.Repository, push *gitreceive.Push, probe bool) (told string, err error) {
	objects := repository.Objects()
	defer objects.Close()
	var progress bytes.Buffer
	push.Objects, push.Progress = objects, &progress
	deployment, err := d.prepare(ctx, push, probe)
	if err == nil {
		err = deployment.Activate(ctx)
	}
	return progress.String(), err
}

// commitOf writes a branch's hash as the registry does: "" when there is none.
func commitOf(head plumbing.Hash) string {
	if head.IsZero() {
		return ""
	}
	return head.String()
}
