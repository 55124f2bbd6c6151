package sandbox_test

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/denofn/denofn/micro/denotest"
	"github.com/denofn/denofn/procman/sandbox"
)

// A world is what is outside of a sandbox, for code that wants to reach it.
type world struct {
	Neighbour string         `json:"neighbour"` // home of another function
	Homes     string         `json:"homes"`
	Own       string         `json:"own"`     // home of the function
	Code      string         `json:"code"`    // the function's own main module
	Key       string         `json:"key"`     // of the daemon
	Socket    string         `json:"socket"`  // of the neighbour
	Program   string         `json:"program"` // executable, but in no format
	Tmp       string         `json:"tmp"`
	Unique    string         `json:"unique"` // abstract socket that listens; a name that is not taken
	Parent    int            `json:"parent"` // the daemon
	Victim    int            `json:"victim"` // a process of the same user
	Cgroups   string         `json:"cgroups"`
	Network   bool           `json:"network"`
	Landlock  int            `json:"landlock"`
	Numbers   map[string]int `json:"nr"`
}

// newWorld makes one as the given user, who owns everything in it.
func newWorld(t *testing.T, b box, network bool) world {
	t.Helper()
	dir := b.dir(t)
	w := world{
		Neighbour: filepath.Join(dir, "homes", "other"),
		Homes:     filepath.Join(dir, "homes"),
		Own:       b.home,
		Code:      filepath.Join(b.code, "main.js"),
		Key:       filepath.Join(dir, "ssh_host_ed25519_key"),
		Socket:    filepath.Join(dir, "http.sock"),
		Program:   filepath.Join(dir, "program"),
		Tmp:       filepath.Join(dir, "escaped"),
		Unique:    "denofn-test-" + strconv.Itoa(os.Getpid()) + "-" + filepath.Base(dir),
		Parent:    os.Getpid(),
		Cgroups:   "/sys/fs/cgroup",
		Network:   network,
		Landlock:  sandbox.LandlockABI(),
		Numbers:   callNumbers,
	}
	if _, err := os.Stat("/sys/fs/cgroup/unified"); err == nil {
		w.Cgroups = "/sys/fs/cgroup/unified"
	}
	b.mkdir(t, w.Homes)
	b.mkdir(t, w.Neighbour)
	for _, path := range []string{w.Key, w.Program, filepath.Join(w.Neighbour, "secret"), filepath.Join(w.Neighbour, "spare"), filepath.Join(w.Neighbour, "spare2")} {
		b.write(t, path, "secret")
	}
	if err := os.Chmod(w.Program, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"@" + w.Unique, w.Socket} {
		listener, err := net.Listen("unix", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { listener.Close() })
	}
	b.own(t, w.Socket)

	victim := exec.Command("sleep", "600")
	victim.SysProcAttr = &syscall.SysProcAttr{Credential: b.user}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := victim.Process.Signal(syscall.Signal(0)); err != nil {
			t.Errorf("the neighbour's process is gone: %v", err)
		}
		victim.Process.Kill()
		victim.Wait()
	})
	w.Victim = victim.Process.Pid
	return w
}

// An answer is what an attempt met.
type answer struct {
	Through bool
	Detail  string
}

func attempt(t *testing.T, cmd *exec.Cmd) map[string]answer {
	t.Helper()
	stdout, stderr, code := runCommand(t, cmd)
	var answers map[string]answer
	if err := json.Unmarshal([]byte(stdout), &answers); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v\n%s%s", code, err, stdout, stderr)
	}
	return answers
}

func escapeScript(t *testing.T) string {
	t.Helper()
	script, err := os.ReadFile("testdata/escape.js")
	if err != nil {
		t.Fatal(err)
	}
	return string(script)
}

func TestEscapes(t *testing.T) {
	h := openHost(t)
	if !layer(h, "landlock").InForce || !layer(h, "seccomp").InForce {
		t.Fatalf("this kernel cannot contain anything: %+v", h.Report())
	}
	for _, user := range users() {
		for _, network := range []bool{false, true} {
			t.Run(user.name+"/network="+strconv.FormatBool(network), func(t *testing.T) {
				b := newBox(t, user.credential)
				w := newWorld(t, b, network)
				p := b.profile(t, escapeScript(t), toJSON(t, w))
				p.Network = network
				cmd := b.command(t, h, p)
				answers := attempt(t, cmd)
				for name, a := range answers {
					if a.Through {
						t.Errorf("%s: got through: %s", name, a.Detail)
					}
				}
				for _, name := range []string{"32-bit system calls", "32-bit kill", "x32 system calls"} {
					if a, ok := answers[name]; ok && a.Detail != "Error: errno 1" {
						t.Errorf("%s: %s, not refused by the filter", name, a.Detail)
					}
				}
				if len(answers) < 120 {
					t.Errorf("only %d attempts were made", len(answers))
				}
				if got, err := os.ReadFile(filepath.Join(w.Neighbour, "secret")); string(got) != "secret" {
					t.Errorf("the neighbour's data is %q, %v", got, err)
				}
			})
		}
	}
}

// The same attempts by code that has not broken out: Deno's permissions refuse them
// by themselves, without a sandbox around it.
func TestEscapesFromDeno(t *testing.T) {
	for _, user := range users() {
		t.Run(user.name, func(t *testing.T) {
			b := newBox(t, user.credential)
			w := newWorld(t, b, true)
			p := b.profile(t, escapeScript(t), toJSON(t, w))
			args := slices.Clone(p.Args)
			args[slices.Index(args, "-A")] = "--allow-net=example.com"
			args = slices.Insert(args, 1, "--allow-read="+b.home, "--allow-write="+b.home)
			cmd := exec.Command(denotest.Path(t), args...)
			cmd.Dir, cmd.Env = p.Dir, p.Env
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: user.credential}
			answers := attempt(t, cmd)
			for name, a := range answers {
				if a.Through {
					t.Errorf("%s: got through: %s", name, a.Detail)
				}
			}
			if len(answers) < 120 {
				t.Errorf("only %d attempts were made", len(answers))
			}
		})
	}
}

// refusedOutside are the attempts that a machine may refuse to root as well, by
// the option or the capability that it may lack.
var refusedOutside = map[string]string{
	"read /proc/1/environ": "CAP_SYS_PTRACE over the first process",
	"raise its own limits": "CAP_SYS_RESOURCE",
	"ping socket":          "net.ipv4.ping_group_range",
	"x32 system calls":     "CONFIG_X86_X32_ABI",
	"32-bit system calls":  "CONFIG_IA32_EMULATION",
	"32-bit kill":          "CONFIG_IA32_EMULATION",
	"kexec_load":           "CONFIG_KEXEC",
	"init_module":          "CONFIG_MODULES",
	"open /dev/kmsg":       "CAP_SYSLOG",
	"make a device":        "CAP_MKNOD",
}

// The attempts are worth something only if they succeed without a sandbox.
func TestEscapesOutside(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("the attempts need root to succeed outside of a sandbox")
	}
	b := newBox(t, nil)
	w := newWorld(t, b, false)
	p := b.profile(t, escapeScript(t), toJSON(t, w))
	cmd := exec.Command(denotest.Path(t), p.Args...)
	cmd.Dir, cmd.Env = p.Dir, p.Env
	for name, a := range attempt(t, cmd) {
		if a.Through {
			continue
		}
		if why, ok := refusedOutside[name]; ok {
			t.Logf("%s: refused outside of the sandbox as well: %s (%s)", name, a.Detail, why)
		} else {
			t.Errorf("%s: refused outside of the sandbox: %s", name, a.Detail)
		}
	}
}

func toJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func layer(h *sandbox.Host, name string) sandbox.Layer {
	for _, l := range h.Report() {
		if strings.EqualFold(l.Name, name) {
			return l
		}
	}
	return sandbox.Layer{}
}

var callNumbers = map[string]int{
	"openat": unix.SYS_OPENAT, "mmap": unix.SYS_MMAP, "fchmodat2": unix.SYS_FCHMODAT2, "setxattr": unix.SYS_SETXATTR,
	"truncate": unix.SYS_TRUNCATE, "mknodat": unix.SYS_MKNODAT, "open_by_handle_at": unix.SYS_OPEN_BY_HANDLE_AT,
	"name_to_handle_at": unix.SYS_NAME_TO_HANDLE_AT, "execve": unix.SYS_EXECVE, "execveat": unix.SYS_EXECVEAT,
	"memfd_create": unix.SYS_MEMFD_CREATE, "clone": unix.SYS_CLONE, "clone3": unix.SYS_CLONE3, "kill": unix.SYS_KILL,
	"tkill": unix.SYS_TKILL, "tgkill": unix.SYS_TGKILL, "rt_sigqueueinfo": unix.SYS_RT_SIGQUEUEINFO,
	"pidfd_open": unix.SYS_PIDFD_OPEN, "pidfd_send_signal": unix.SYS_PIDFD_SEND_SIGNAL, "pidfd_getfd": unix.SYS_PIDFD_GETFD,
	"fcntl": unix.SYS_FCNTL, "ioctl": unix.SYS_IOCTL, "ptrace": unix.SYS_PTRACE, "process_vm_readv": unix.SYS_PROCESS_VM_READV,
	"process_vm_writev": unix.SYS_PROCESS_VM_WRITEV, "kcmp": unix.SYS_KCMP, "prlimit64": unix.SYS_PRLIMIT64,
	"sched_setaffinity": unix.SYS_SCHED_SETAFFINITY, "setpriority": unix.SYS_SETPRIORITY, "ioprio_set": unix.SYS_IOPRIO_SET,
	"prctl": unix.SYS_PRCTL, "unshare": unix.SYS_UNSHARE, "setns": unix.SYS_SETNS, "mount": unix.SYS_MOUNT,
	"umount2": unix.SYS_UMOUNT2, "pivot_root": unix.SYS_PIVOT_ROOT, "chroot": unix.SYS_CHROOT, "open_tree": unix.SYS_OPEN_TREE,
	"fsopen": unix.SYS_FSOPEN, "bpf": unix.SYS_BPF, "perf_event_open": unix.SYS_PERF_EVENT_OPEN,
	"io_uring_setup": unix.SYS_IO_URING_SETUP, "userfaultfd": unix.SYS_USERFAULTFD, "keyctl": unix.SYS_KEYCTL,
	"add_key": unix.SYS_ADD_KEY, "kexec_load": unix.SYS_KEXEC_LOAD, "init_module": unix.SYS_INIT_MODULE,
	"reboot": unix.SYS_REBOOT, "swapon": unix.SYS_SWAPON, "syslog": unix.SYS_SYSLOG, "quotactl": unix.SYS_QUOTACTL,
	"clock_settime": unix.SYS_CLOCK_SETTIME, "sethostname": unix.SYS_SETHOSTNAME, "personality": unix.SYS_PERSONALITY,
	"shmget": unix.SYS_SHMGET, "semget": unix.SYS_SEMGET, "msgget": unix.SYS_MSGGET, "mq_open": unix.SYS_MQ_OPEN,
	"fanotify_init": unix.SYS_FANOTIFY_INIT, "socket": unix.SYS_SOCKET, "connect": unix.SYS_CONNECT,
	"fallocate": unix.SYS_FALLOCATE, "setgroups": unix.SYS_SETGROUPS, "setresuid": unix.SYS_SETRESUID,
}
