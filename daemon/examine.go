package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/denofn/denofn"
	"github.com/denofn/denofn/daemon/admin"
	"github.com/denofn/denofn/procman/sandbox"
)

// Doctor implements admin.API: what Examine finds, and what only a running daemon
// knows.
func (s *steering) Doctor(ctx context.Context) ([]admin.Check, error) {
	checks := []admin.Check{{Name: "daemon", State: admin.Good, Detail: fmt.Sprintf("denofn %s runs as process %d", s.version, os.Getpid())}}
	checks = append(checks, s.checkConfig())
	checks = append(checks, examine(ctx, s.config.Load())...)
	checks = append(checks, checkSandbox(s.sandbox.Report())...)
	return append(checks, s.checkFunctions()), nil
}

func checkSandbox(report sandbox.Report) []admin.Check {
	var checks []admin.Check
	for _, layer := range report {
		check := admin.Check{Name: "sandbox: " + layer.Name, State: admin.Good, Detail: layer.Detail}
		if !layer.InForce {
			check.State, check.Hint = admin.Warning, layer.Mend
		}
		checks = append(checks, check)
	}
	return checks
}

// checkConfig compares the file with what is in force.
func (s *steering) checkConfig() admin.Check {
	check := admin.Check{Name: "configuration", State: admin.Good, Detail: s.configPath}
	next, err := ReadConfig(s.configPath)
	if err != nil {
		check.State, check.Detail = admin.Problem, fmt.Sprintf("the next start will fail: %v", err)
		return check
	}
	if keys := needRestart(s.config.Load(), next); len(keys) > 0 {
		check.State, check.Detail = admin.Warning, fmt.Sprintf("%s: changed and not in force: %s", s.configPath, strings.Join(keys, ", "))
		check.Hint = "systemctl restart denofn"
	}
	return check
}

func (s *steering) checkFunctions() admin.Check {
	var failed []string
	all := s.pool.Snapshot()
	for _, status := range all {
		if status.State.String() == "failed" {
			failed = append(failed, string(status.Function))
		}
	}
	check := admin.Check{Name: "functions", State: admin.Good, Detail: count(len(all), "function")}
	if len(failed) > 0 {
		check.State = admin.Warning
		check.Detail = fmt.Sprintf("%s, of which these do not start: %s", check.Detail, strings.Join(failed, ", "))
		check.Hint = "denofn ps says why"
	}
	return check
}

// Examine looks at what a daemon with the configuration at path would find. It
// needs none to be running, and says so where that makes a difference.
func Examine(ctx context.Context, path string) []admin.Check {
	var checks []admin.Check
	if c, err := ReadConfig(path); err != nil {
		checks = append(checks, admin.Check{Name: "configuration", State: admin.Problem, Detail: err.Error()})
	} else {
		checks = append(checks, admin.Check{Name: "configuration", State: admin.Good, Detail: path})
		checks = append(checks, examine(ctx, c)...)
	}
	checks = append(checks, checkSandbox(sandbox.Kernel())...)
	return append(checks, admin.Check{Name: "sandbox: limits", State: admin.Warning, Detail: "not known: the daemon finds out about control groups when it starts"})
}

func examine(ctx context.Context, c *Config) []admin.Check {
	return []admin.Check{checkDeno(ctx, c.Deno), checkState(c.StateDir), checkKeys(c.SSH.AuthorizedKeys)}
}

// testedDeno is the Deno that denofn is tested with, the one in package.json.
const testedDeno = "2.9.6"

func checkDeno(ctx context.Context, path string) admin.Check {
	check := admin.Check{Name: "deno", State: admin.Good}
	version, err := DenoVersion(ctx, path)
	number, _, _ := strings.Cut(version, " ")
	switch {
	case err != nil:
		check.State, check.Detail, check.Hint = admin.Problem, err.Error(), "install Deno, or set the key deno to where it is"
	case number != testedDeno:
		check.State, check.Detail = admin.Warning, fmt.Sprintf("%s at %s; denofn is tested with %s", number, path, testedDeno)
		check.Hint = fmt.Sprintf("if functions do not start, install Deno %s", testedDeno)
	default:
		check.Detail = fmt.Sprintf("%s at %s", number, path)
	}
	return check
}

// DenoVersion asks the program at path which Deno it is: "2.9.6 (stable, …)".
func DenoVersion(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.Env = []string{"NO_COLOR=1"}
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("run %s: %w", path, err)
	}
	first, _, _ := strings.Cut(string(out), "\n")
	version, ok := strings.CutPrefix(first, "deno ")
	if !ok {
		return "", fmt.Errorf("%s is not Deno: asked for its version, it said %q", path, first)
	}
	return version, nil
}

// Below these, the disk that the state is on is reported.
const (
	scarceBytes = 1 << 30
	noneBytes   = 50 << 20
)

func checkState(dir string) admin.Check {
	check := admin.Check{Name: "state", State: admin.Good}
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		check.State, check.Detail, check.Hint = admin.Problem, fmt.Sprintf("%s: %v", dir, err), "the first start of the daemon makes it"
		return check
	}
	free := denofn.Bytes(fs.Bavail * uint64(fs.Bsize))
	check.Detail = fmt.Sprintf("%s, %d MB free", dir, free>>20)
	switch {
	case free < noneBytes:
		check.State, check.Hint = admin.Problem, "make room: pushes fail without"
	case free < scarceBytes:
		check.State, check.Hint = admin.Warning, "make room"
	}
	return check
}

// AdminSocket returns where the daemon with the configuration at path listens for
// package admin. A file that this user may not read says nothing about that, and
// the default holds: whoever may use the socket need not be able to read the
// configuration.
func AdminSocket(path string) (string, error) {
	c := DefaultConfig()
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist) && path == DefaultConfigPath, errors.Is(err, os.ErrPermission):
	case err != nil:
		return "", fmt.Errorf("read configuration: %w", err)
	default:
		parsed, err := parseConfig(path, text)
		if err != nil {
			return "", err
		}
		c = *parsed
	}
	base, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return "", err
	}
	c.completePaths(base)
	return c.Admin.Socket, nil
}
