package sandbox

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// helperName is the argv[0] under which the binary is the helper and nothing
// else.
const helperName = "denofn-sandbox"

// ExitSetup is the exit code of a sandbox that could not be set up, with one
// line on standard error that starts with "denofn-sandbox: ". Nothing of the
// function has run then.
const ExitSetup = 125

// envMark precedes every variable on its way through the helper, so that what a
// function calls GODEBUG or GOMAXPROCS means nothing to the helper's own runtime.
const envMark = "+"

// IsHelper reports whether this process was started to become a sandbox.
func IsHelper() bool { return len(os.Args) > 0 && os.Args[0] == helperName }

// Main is the helper's main function: it confines the process and replaces it by
// Deno. It never returns. Call it first in main, and in TestMain of tests that
// start sandboxes, where [IsHelper] says so.
func Main() {
	err := enter(os.Args[1:], os.Environ())
	fmt.Fprintf(os.Stderr, "%s: %v\n", helperName, err)
	os.Exit(ExitSetup)
}

// parseEnv takes the mark off the variables.
func parseEnv(marked []string) ([]string, error) {
	env := make([]string, 0, len(marked))
	for _, v := range marked {
		plain, ok := strings.CutPrefix(v, envMark)
		if !ok {
			name, _, _ := strings.Cut(v, "=")
			return nil, fmt.Errorf("variable %q was not given through the profile", name)
		}
		env = append(env, plain)
	}
	return env, nil
}

// enter returns only if it fails. The order matters: the control group first,
// so that everything is accounted; what needs privilege before it is dropped;
// Landlock before seccomp, which could not be set up under it otherwise; and of
// the threads only this one, which alone survives exec.
func enter(args, marked []string) error {
	runtime.LockOSThread()
	s, err := parseSetup(args)
	if err != nil {
		return err
	}
	env, err := parseEnv(marked)
	if err != nil {
		return err
	}
	if s.Join != "" {
		if err := joinCgroup(s.Join); err != nil {
			return fmt.Errorf("join control group: %w", err)
		}
	}
	unix.Umask(0o077)
	// A file that reaches its limit is then an error of the write, not the end of
	// the process. What is ignored stays so through exec.
	signal.Ignore(unix.SIGXFSZ)
	for _, l := range s.Rlimits {
		// syscall's and not unix's: it also keeps exec from restoring the limit
		// of open files that the Go runtime found.
		if err := syscall.Setrlimit(l.Resource, &syscall.Rlimit{Cur: l.Max, Max: l.Max}); err != nil {
			return fmt.Errorf("set resource limit %d: %w", l.Resource, err)
		}
	}
	if err := unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close descriptors: %w", err)
	}
	if err := dropPrivileges(); err != nil {
		return err
	}
	if s.Landlock > 0 {
		if err := restrictFiles(handledRights(s.Landlock, s.Network), s.Rules); err != nil {
			return err
		}
	}
	if s.Seccomp {
		if err := installSeccomp(seccompProgram(unix.Getpid(), s.Network)); err != nil {
			return err
		}
	}
	return fmt.Errorf("execute %s: %w", s.Path, syscall.Exec(s.Path, s.Args, env))
}

// joinCgroup moves the process, named 0, into a group. The file is opened
// without O_CREATE: a group that is gone is an error.
func joinCgroup(procs string) error {
	f, err := os.OpenFile(procs, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString("0")
	return err
}

// dropPrivileges makes sure that exec gives nothing: neither a set-user-ID
// program nor, where denofn runs as root, the user ID 0 by itself.
func dropPrivileges() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	// Without CAP_SETPCAP or under a system call filter these fail, and without
	// capabilities they are not needed: no_new_privs and the empty sets below
	// hold by themselves.
	_ = unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		_ = unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		// A filter of the service's may refuse it. That is as well, where there is
		// nothing to drop.
		var held [2]unix.CapUserData
		if unix.Capget(&header, &held[0]) != nil || held != none {
			return fmt.Errorf("drop capabilities: %w", err)
		}
	}
	return nil
}
