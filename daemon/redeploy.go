package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon/admin"
	"github.com/denofn/denofn/gitreceive"
)

// Redeploy implements admin.API: it deploys what the deploy branch of a repository
// points at, as its push did, and returns the report. What is live already stays as
// it is.
//
// Pushes go on meanwhile. One that makes a newer commit live just before this one
// makes an older one live would be undone by it, so it looks again afterwards, and
// starts anew when the branch has moved.
func (s *steering) Redeploy(ctx context.Context, name string) (string, error) {
	repositoryName, err := s.repositoryOf(name)
	if err != nil {
		return "", err
	}
	d := s.deployer
	repository, err := d.store.Open(repositoryName)
	if err != nil {
		return "", fmt.Errorf("open repository %s: %w", repositoryName, err)
	}
	for {
		head, err := repository.Head(s.config.Load().DeployBranch)
		if err != nil {
			return "", fmt.Errorf("read deploy branch of %s: %w", repositoryName, err)
		}
		told, err := d.deployStored(ctx, repository, &gitreceive.Push{Repository: repositoryName, Old: head, New: head}, true)
		if found, ok := errors.AsType[denofn.Diagnostics](err); ok {
			return "", &admin.Error{Code: admin.CodeConflict, Message: fmt.Sprintf("%s is not deployed: %s", repositoryName, found.Error()), Output: linesOf(told)}
		}
		if err != nil {
			return "", fmt.Errorf("deploy %s: %w", repositoryName, err)
		}
		if now, err := repository.Head(s.config.Load().DeployBranch); err == nil && now == head {
			return told, nil
		}
	}
}

// repositoryOf takes the name of a repository, or that of a function for the
// repository that it is from.
func (s *steering) repositoryOf(name string) (denofn.RepositoryName, error) {
	repositories, err := s.deployer.store.List()
	if err != nil {
		return "", fmt.Errorf("list repositories: %w", err)
	}
	var names []string
	for _, repository := range repositories {
		if string(repository) == name {
			return repository, nil
		}
		names = append(names, string(repository))
	}
	if release, ok := s.registry.Active(denofn.FunctionName(name)); ok {
		return release.Repository, nil
	}
	e := &admin.Error{Code: admin.CodeUnknown, Message: fmt.Sprintf("there is no repository and no function %s", name), Hint: "ssh to the daemon without a command lists the repositories"}
	if near := nearest(name, names); near != "" {
		e.Hint = fmt.Sprintf("did you mean %s?", near)
	}
	return "", e
}

func linesOf(text string) []string {
	return strings.Split(strings.TrimRight(text, "\n"), "\n")
}
