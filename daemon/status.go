package daemon

import (
	"fmt"
	"strings"
	"time"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/procman"
)

// A lastDeploy is what went live last, since the daemon started.
type lastDeploy struct {
	repository denofn.RepositoryName
	commit     string
	time       time.Time
}

// Status says in one line, for people, how the daemon is:
// "12 functions, 3 warm, 1 failed; last deploy blog@1a2b3c4 5 min ago".
func (d *Daemon) Status() string {
	return statusLine(d.pool.Snapshot(), d.deployer.last.Load(), time.Now())
}

func statusLine(functions []procman.Status, last *lastDeploy, now time.Time) string {
	var warm int
	var failed []string
	for _, f := range functions {
		switch f.State {
		case procman.Ready:
			warm++
		case procman.Failed:
			failed = append(failed, string(f.Function))
		}
	}
	var b strings.Builder
	b.WriteString(count(len(functions), "function"))
	if warm > 0 {
		fmt.Fprintf(&b, ", %d warm", warm)
	}
	if len(failed) > 0 {
		fmt.Fprintf(&b, ", %d failed (%s)", len(failed), few(failed))
	}
	if last != nil {
		fmt.Fprintf(&b, "; last deploy %s@%s %s", last.repository, last.commit[:min(7, len(last.commit))], ago(now.Sub(last.time)))
	}
	return b.String()
}

// few names the first three.
func few(names []string) string {
	const most = 3
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:most], ", ") + ", …"
}

// ago writes a time that has passed, so that it seldom changes.
func ago(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	}
	return fmt.Sprintf("%d days ago", int(d.Hours()/24))
}
