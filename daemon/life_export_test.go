package daemon

import (
	"time"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/procman"
)

// StatusLine is Status of functions, with the deploy of a commit some time ago; an
// empty commit is none.
func StatusLine(functions []procman.Status, repository denofn.RepositoryName, commit string, ago time.Duration) string {
	now := time.Now()
	var last *lastDeploy
	if commit != "" {
		last = &lastDeploy{repository, commit, now.Add(-ago)}
	}
	return statusLine(functions, last, now)
}
