package sandbox

import (
	"cmp"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Config is what all sandboxes of a daemon have in common.
type Config struct {
	Deno   string       // path of the Deno binary
	Helper string       // path of the helper, a program that calls Main; empty: the running binary
	Logger *slog.Logger // nil: nothing is logged
}

// A Host makes sandboxes out of what this machine offers, which it finds out
// once. It is safe for concurrent use.
type Host struct {
	deno     string
	helper   *os.File // nil: Self
	landlock int
	seccomp  bool
	rules    []rule // that every sandbox has
	network  []rule // that those with a network grant have as well
	cgroups  *Cgroups
	forker   *forker
	report   Report
}

// Open finds out what the machine offers and takes over the daemon's control
// group (see [OpenCgroups]). What is missing is not an error but in the [Report]:
// whether to go on without it is the caller's decision.
func Open(c Config) (*Host, error) {
	deno, err := filepath.EvalSymlinks(c.Deno)
	if err != nil {
		return nil, fmt.Errorf("find deno: %w", err)
	}
	if deno, err = filepath.Abs(deno); err != nil {
		return nil, fmt.Errorf("find deno: %w", err)
	}
	loader, err := programLoader(deno)
	if err != nil {
		return nil, fmt.Errorf("read deno: %w", err)
	}
	h := &Host{deno: deno, rules: []rule{{deno, rightsExecute}}}
	if loader != "" {
		h.rules = append(h.rules, rule{loader, rightsExecute})
	}
	h.rules = append(h.rules, existing(systemPaths)...)
	h.network = existing(networkPaths)
	if c.Helper != "" {
		// Kept open, so that an upgrade of the file changes nothing for this daemon.
		if h.helper, err = os.Open(c.Helper); err != nil {
			return nil, fmt.Errorf("open helper: %w", err)
		}
	}
	h.cgroups = OpenCgroups(c.Logger)
	h.forker = newForker()
	h.report = probe(h)
	return h, nil
}

// Close gives the control group back. Every sandbox must have ended.
func (h *Host) Close() error {
	h.forker.close()
	if h.helper != nil {
		h.helper.Close()
	}
	return h.cgroups.Close()
}

// Report says which layers are in force.
func (h *Host) Report() Report { return h.report }

// Cgroups returns the control groups below the daemon's own.
func (h *Host) Cgroups() *Cgroups { return h.cgroups }

// programLoader returns the ELF interpreter that a dynamically linked program
// names, which the kernel executes along with it; "" for a static one.
func programLoader(path string) (string, error) {
	f, err := elf.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			name, err := io.ReadAll(io.LimitReader(p.Open(), 4096))
			return strings.TrimRight(string(name), "\x00"), err
		}
	}
	return "", nil
}

// systemPaths is what a Deno needs of the system to start: the C library and
// its data. Execution is not among the rights: libraries are mapped, not
// executed.
var systemPaths = []rule{
	{"/usr/lib", rightsRead},
	{"/usr/lib64", rightsRead},
	{"/lib", rightsRead},
	{"/lib64", rightsRead},
	{"/usr/share/zoneinfo", rightsRead},
	{"/etc/ld.so.cache", rightsRead},
	{"/etc/localtime", rightsRead},
	{"/dev/null", rightsRead | rightsWrite},
	{"/dev/urandom", rightsRead},
}

// networkPaths is what name resolution and TLS need.
var networkPaths = []rule{
	{"/etc/resolv.conf", rightsRead},
	{"/etc/nsswitch.conf", rightsRead},
	{"/etc/host.conf", rightsRead},
	{"/etc/hosts", rightsRead},
	{"/etc/gai.conf", rightsRead},
	{"/etc/services", rightsRead},
	{"/etc/protocols", rightsRead},
	{"/etc/ssl", rightsRead},
	{"/etc/pki", rightsRead},
	{"/usr/share/ca-certificates", rightsRead},
	{"/usr/local/share/ca-certificates", rightsRead},
	// Where resolv.conf leads: its writers replace the file, and a rule for the
	// folder also covers the one that comes after.
	{"/run/systemd/resolve", rightsRead},
	{"/run/NetworkManager", rightsRead},
	{"/run/resolvconf", rightsRead},
}

// existing leaves out what this system does not have.
func existing(rules []rule) []rule {
	return slices.DeleteFunc(slices.Clone(rules), func(r rule) bool {
		_, err := os.Stat(r.Path)
		return err != nil
	})
}

// Command returns a command for [Host.Start], which starts Deno, or the program
// that the profile names, in a sandbox with one spawn, in a session of its own and
// bound to die with the daemon. Its files may still be set; its Env is meant for
// the helper and may not be changed.
//
// Where the profile's group cannot limit memory, a limit of the process's private
// memory is set in its place.
func (h *Host) Command(p Profile) (*exec.Cmd, error) {
	path, name := h.deno, "deno"
	if p.Path != "" {
		path, name = p.Path, cmp.Or(p.Name, filepath.Base(p.Path))
	}
	s := setup{
		Path:     path,
		Args:     append([]string{name}, p.Args...),
		Rlimits:  p.rlimits(),
		Landlock: h.landlock,
		Seccomp:  h.seccomp,
		Network:  p.Network,
		Rules:    slices.Clone(h.rules),
	}
	if p.Path != "" {
		s.Rules = append(s.Rules, rule{p.Path, rightsExecute})
	}
	if p.Network {
		s.Rules = append(s.Rules, h.network...)
	}
	for _, grant := range []struct {
		paths  []string
		rights uint64
	}{{p.ReadOnly, rightsRead}, {p.ReadWrite, rightsWrite}, {p.RemoveOnly, rightsRemove}} {
		for _, path := range grant.paths {
			s.Rules = append(s.Rules, rule{path, grant.rights})
		}
	}
	for _, r := range s.Rules {
		if !filepath.IsAbs(r.Path) {
			return nil, fmt.Errorf("sandbox path %q is not absolute", r.Path)
		}
	}
	start := &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	if p.Cgroup != nil {
		p.Cgroup.enter(&s, start)
	}
	env := make([]string, 0, len(p.Env))
	for _, v := range p.Env {
		name, _, ok := strings.Cut(v, "=")
		if !ok || name == "" {
			return nil, errors.New("environment entry is not NAME=value")
		}
		env = append(env, envMark+v)
	}
	return &exec.Cmd{
		Path:        h.helperFor(p),
		Args:        append([]string{helperName}, s.arguments()...),
		Env:         env,
		Dir:         p.Dir,
		SysProcAttr: start,
	}, nil
}

// helperFor returns what is to be executed first. Only the running binary itself
// can find its own path again.
func (h *Host) helperFor(p Profile) string {
	if h.helper == nil || p.Path == Self {
		return Self
	}
	return fmt.Sprintf("/proc/self/fd/%d", h.helper.Fd())
}

// Self is the path of the running binary, also when an upgrade has replaced the
// file. As [Profile.Path] it runs the daemon's own program in a sandbox.
const Self = "/proc/self/exe"
