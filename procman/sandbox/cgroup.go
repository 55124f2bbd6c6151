package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Names below the daemon's own control group. A function's group starts with
// groupPrefix, so no function can be called supervisor.
const (
	supervisorName = "supervisor"
	groupPrefix    = "fn-"
	basePrefix     = "denofn-" // and the daemon's process ID, below the root of the hierarchy
)

// supervisorWeight is the daemon's share of contended processors. A function's is 100.
const supervisorWeight = 1000

// wanted are the controllers that limits need.
var wanted = []string{"memory", "pids", "cpu"}

// Cgroups are the control groups below the daemon's own. With systemd's
// Delegate= they have the memory, pids and cpu controllers; elsewhere some or all
// are missing, and the limits that need them are left out.
//
// The kernel allows no processes in a group that hands controllers down, so the
// daemon itself moves to a leaf, supervisor/, beside those of the functions.
//
// It is safe for concurrent use.
type Cgroups struct {
	base        string   // folder of the groups; "" if there can be none
	made        bool     // base was made here, and is removed by Close
	clones      bool     // the kernel can start a process in a group
	controllers []string // of wanted, those in force
	reason      string   // why something is missing
}

// OpenCgroups takes over the daemon's own control group. It has no error: where
// nothing can be had, groups have no effect, and [Cgroups.Missing] says why.
func OpenCgroups(logger *slog.Logger) *Cgroups {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	g := &Cgroups{clones: canCloneInto()}
	if err := g.open(); err != nil {
		g.reason = err.Error()
	}
	logger.Debug("control groups opened", "base", g.base, "controllers", g.controllers, "missing", g.reason)
	return g
}

func (g *Cgroups) open() error {
	mount, err := findUnified()
	if err != nil {
		return err
	}
	membership, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return fmt.Errorf("read own control group: %w", err)
	}
	path, err := parseMembership(membership)
	if err != nil {
		return err
	}
	own := filepath.Join(mount, path)
	if filepath.Base(own) == supervisorName {
		return g.use(filepath.Dir(own))
	}
	// Only the root of the whole hierarchy has no cgroup.events. It is the
	// machine's, not ours: a group is made below it.
	if _, err := os.Stat(filepath.Join(own, "cgroup.events")); errors.Is(err, fs.ErrNotExist) {
		sweepBases(own)
		base := filepath.Join(own, basePrefix+strconv.Itoa(os.Getpid()))
		if err := os.Mkdir(base, 0o755); err != nil {
			return fmt.Errorf("make control group: %w", err)
		}
		g.made = true
		return g.use(base)
	}
	if err := g.moveAside(own); err != nil {
		return err
	}
	return g.use(own)
}

// canCloneInto reports whether clone3 may be called, which starts a process in a
// group. To join one later makes the kernel wait until no thread of the machine is
// in the middle of a fork or an exit, which takes longer than half a Deno takes to
// start. systemd's RestrictNamespaces= forbids clone3, since a filter cannot see
// its arguments.
func canCloneInto() bool {
	_, _, err := unix.Syscall(unix.SYS_CLONE3, 0, 0, 0)
	return err == unix.EINVAL // it has looked at the size, 0
}

// findUnified returns where the version 2 hierarchy is mounted.
func findUnified() (string, error) {
	for _, dir := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err == nil && st.Type == unix.CGROUP2_SUPER_MAGIC {
			return dir, nil
		}
	}
	return "", errors.New("no version 2 control group hierarchy is mounted")
}

// parseMembership returns the path in the version 2 hierarchy from the contents
// of /proc/self/cgroup.
func parseMembership(text []byte) (string, error) {
	for line := range bytes.Lines(text) {
		path, ok := bytes.CutPrefix(bytes.TrimSuffix(line, []byte("\n")), []byte("0::"))
		if !ok {
			continue
		}
		p := string(path)
		if !strings.HasPrefix(p, "/") || slices.Contains(strings.Split(p, "/"), "..") {
			return "", fmt.Errorf("own control group %q is outside of what is mounted", p)
		}
		return filepath.Clean(strings.TrimSuffix(p, " (deleted)")), nil
	}
	return "", errors.New("the process is in no version 2 control group")
}

// moveAside moves the daemon to a leaf of its group, unless others are in the
// group too: then it is a login session's or a container's, and cannot hand
// controllers down.
func (g *Cgroups) moveAside(own string) error {
	procs, err := os.ReadFile(filepath.Join(own, "cgroup.procs"))
	if err != nil {
		return fmt.Errorf("read control group: %w", err)
	}
	for _, pid := range strings.Fields(string(procs)) {
		if pid != strconv.Itoa(os.Getpid()) {
			return errors.New("other processes share this control group")
		}
	}
	leaf := filepath.Join(own, supervisorName)
	if err := os.Mkdir(leaf, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make control group: %w", err)
	}
	if err := joinCgroup(filepath.Join(leaf, "cgroup.procs")); err != nil {
		return fmt.Errorf("move to control group: %w", err)
	}
	return nil
}

// use makes base the parent of the functions' groups, with every wanted
// controller that it can hand down.
func (g *Cgroups) use(base string) error {
	g.base = base
	offered, err := os.ReadFile(filepath.Join(base, "cgroup.controllers"))
	if err != nil {
		return fmt.Errorf("read controllers: %w", err)
	}
	var missing []string
	for _, name := range wanted {
		if !slices.Contains(strings.Fields(string(offered)), name) {
			missing = append(missing, name)
			continue
		}
		if err := os.WriteFile(filepath.Join(base, "cgroup.subtree_control"), []byte("+"+name), 0); err != nil {
			return fmt.Errorf("enable controller %s: %w", name, err)
		}
		g.controllers = append(g.controllers, name)
	}
	removeGroups(base)
	if g.Has("cpu") {
		// Requests to every function go through the daemon. Without a leaf of its own
		// there is nothing to weigh.
		_ = os.WriteFile(filepath.Join(base, supervisorName, "cpu.weight"), []byte(strconv.Itoa(supervisorWeight)), 0)
	}
	if len(missing) > 0 {
		return fmt.Errorf("controllers not delegated: %s", strings.Join(missing, ", "))
	}
	return nil
}

// removeGroups removes the empty groups of an earlier daemon. The kernel keeps
// those that still have processes.
func removeGroups(base string) {
	left, _ := filepath.Glob(filepath.Join(base, groupPrefix+"*"))
	for _, dir := range left {
		_ = unix.Rmdir(dir)
	}
}

// sweepBases removes what daemons that were killed left below the root.
func sweepBases(root string) {
	left, _ := filepath.Glob(filepath.Join(root, basePrefix+"*"))
	for _, base := range left {
		pid, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(base), basePrefix))
		if err != nil || unix.Kill(pid, 0) != unix.ESRCH {
			continue
		}
		removeGroups(base)
		_ = unix.Rmdir(base)
	}
}

// Missing says why limits are not, or not all, in force; "" if they are.
func (g *Cgroups) Missing() string { return g.reason }

// Has reports whether the controller ("memory", "pids", "cpu") is in force.
func (g *Cgroups) Has(controller string) bool { return slices.Contains(g.controllers, controller) }

// Close removes what OpenCgroups made. Groups must have been removed before.
func (g *Cgroups) Close() error {
	if !g.made {
		return nil
	}
	if err := unix.Rmdir(g.base); err != nil {
		return fmt.Errorf("remove control group: %w", err)
	}
	return nil
}

// Limits are those of one group. 0 leaves a limit out.
type Limits struct {
	MemoryMaxBytes  int64 // beyond it, and with nothing to reclaim, the kernel kills the group as one; swap is not used
	MemoryHighBytes int64 // beyond it the group is slowed down and reclaimed from
	Tasks           int64 // threads
	CPUPercent      int64 // of one processor: 150 is one and a half
	CPUWeight       int64 // share when processors are contended, 1 to 10000; the kernel's default is 100
}

// cpuPeriod is the time over which CPUPercent is measured, in microseconds.
const cpuPeriod = 100_000

// A limitFile is one file of a group.
type limitFile struct{ controller, name, value string }

func (l Limits) files() []limitFile {
	var files []limitFile
	set := func(controller, name string, value int64, suffix string) {
		if value > 0 {
			files = append(files, limitFile{controller, name, strconv.FormatInt(value, 10) + suffix})
		}
	}
	set("memory", "memory.max", l.MemoryMaxBytes, "")
	set("memory", "memory.high", l.MemoryHighBytes, "")
	if l.MemoryMaxBytes > 0 {
		files = append(files, limitFile{"memory", "memory.oom.group", "1"}, limitFile{"memory", "memory.swap.max", "0"})
	}
	set("pids", "pids.max", l.Tasks, "")
	set("cpu", "cpu.max", l.CPUPercent*cpuPeriod/100, " "+strconv.Itoa(cpuPeriod))
	set("cpu", "cpu.weight", l.CPUWeight, "")
	return files
}

// Create makes a group with the limits for which there are controllers. The name
// is a path element. It never fails for want of control groups or controllers:
// the limits then have no effect, but for that of memory (see [Host.Command]).
func (g *Cgroups) Create(name string, limits Limits) (*Cgroup, error) {
	if name == "" || strings.ContainsAny(name, "/\x00\n") {
		return nil, fmt.Errorf("control group name %q is not a path element", name)
	}
	if g.base == "" {
		return &Cgroup{limits: limits}, nil
	}
	c := &Cgroup{dir: filepath.Join(g.base, groupPrefix+name), limits: limits, memory: g.Has("memory"), pids: g.Has("pids")}
	if err := os.Mkdir(c.dir, 0o755); err != nil {
		return nil, fmt.Errorf("make control group: %w", err)
	}
	for _, f := range limits.files() {
		if !g.Has(f.controller) {
			continue
		}
		err := os.WriteFile(filepath.Join(c.dir, f.name), []byte(f.value), 0)
		if f.name == "memory.swap.max" && errors.Is(err, fs.ErrNotExist) {
			continue // a kernel without swap
		}
		if err != nil {
			_ = unix.Rmdir(c.dir)
			return nil, fmt.Errorf("set %s: %w", f.name, err)
		}
	}
	if g.clones {
		folder, err := os.Open(c.dir)
		if err != nil {
			_ = unix.Rmdir(c.dir)
			return nil, fmt.Errorf("open control group: %w", err)
		}
		c.folder.Store(folder)
	}
	return c, nil
}
